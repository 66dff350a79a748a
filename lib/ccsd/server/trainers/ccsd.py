"""The train task `ccsd`: saved labels -> snapshot -> training loop -> validation -> publish rule -> version."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.train import TrainTask

from ccsd.common.devices import device_names, read_device
from ccsd.common.errors import InputError
from ccsd.common.files import read_json, remove_leftovers
from ccsd.common.stopping import Deadline, StoppedError, stoppable
from ccsd.models.card import Card
from ccsd.models.served import ServedModel
from ccsd.server.trainers.job import Job, learn
from ccsd.server.trainers.own_process import OLD_WEIGHTS_STAY, began
from ccsd.server.trainers.snapshot import Prepared, prepare_entries, take_snapshot
from ccsd.server.trainers.train_request import DEFAULTS, TrainRequest, read_train_request
from ccsd.server.trainers.validation import choose_validation
from ccsd.training.limit import TimeLimit
from ccsd.training.progress import PREPARING, Progress

logger = logging.getLogger(__name__)

ENDING = 3.0  # s: weights are written, the process ends


class CCSDTrainTask(TrainTask):
    """Continues from the served weights with the full CCSD loss on every study that has a final label.

    Args:
        folder: of what trainings need between them: snapshot, validation list, prepared studies, state.
        replay: a folder of labelled studies that the weights know already, to be trained on with the users' ones.
    """

    def __init__(self, model: ServedModel, *, folder: Path, stats_file: Path, replay: Path | None = None) -> None:
        super().__init__("Train CCSD on the saved labels, from the current weights")
        self.model = model
        self.folder = folder
        self.stats_file = stats_file
        self.replay = replay

    def config(self) -> dict[str, Any]:
        return {**DEFAULTS, "device": list(device_names())}

    def stats(self) -> dict[str, Any]:
        """What the last training wrote: version, validation Dice by subset, `history` of all its epochs, `outcome`."""
        return read_json(self.stats_file)

    @property
    def progress_file(self) -> Path:
        """What a training that is running does now (`ccsd.training.progress`)."""
        return self.folder / "progress.json"

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Train, publish what passes the publish rule, and return the stats.

        Raises:
            InputError: a parameter is wrong, no label is saved, no study can be used, or another training is running.
            DivergedError: the loss is no longer a number.
        """
        wanted = read_train_request(request)
        device = read_device(request.get("device"))
        start = began()
        limit = TimeLimit(start + 60 * wanted.train.max_minutes, ENDING) if wanted.train.max_minutes else None
        with self._alone(), self._progress(wanted, limit) as progress:
            ready, left_out = self._ready(datastore, progress)
            job = replace(self._plan(wanted, device, ready, left_out), progress=progress)
            logger.info("training on %s, validating on %s", list(job.card.training), list(job.card.validation))
            logger.info("settings: %s", job.card.settings)
            count = _processes(wanted, device)
            if count > 1:
                logger.info("training with %d processes", count)
                torch.multiprocessing.spawn(learn, args=(count, job), nprocs=count)
            else:
                learn(0, 1, job)
        return self._trained(time.monotonic() - start)

    def _trained(self, seconds: float) -> dict[str, Any]:
        """The stats. Raises InputError: not one step was made."""
        stats = self.stats()
        if not any(one["epoch"] for one in stats["history"]):
            raise InputError(stats["outcome"])
        logger.info("%.0f s from start to end", seconds)
        return stats

    @contextmanager
    def _progress(self, wanted: TrainRequest, limit: TimeLimit | None) -> Iterator[Progress]:
        progress = Progress(self.progress_file, wanted.train.max_epochs, wanted.train.steps, limit)
        try:
            yield progress
        finally:
            progress.close()

    def _ready(self, datastore: Datastore, progress: Progress | None = None) -> tuple[list[Prepared], dict[str, str]]:
        """The snapshot of this training, prepared, and what is left out."""
        progress = progress or Progress()
        rows = datastore.datalist()
        if not rows:
            raise InputError("no label with the tag final is saved, expected at least one labelled study to train on")
        entries = take_snapshot(rows, self.model.task, self.folder, replay=self.replay)
        progress.begin(PREPARING, len(entries))
        try:
            with stoppable(Deadline(progress.limit.ends if progress.limit else None)):
                ready, left_out = prepare_entries(
                    entries, self.model.task, self.folder / "cases", on_study=progress.study
                )
        except StoppedError:
            raise InputError(
                f"max_minutes was over while the {len(entries)} studies were prepared, expected more; those that are "
                f"prepared are kept, so that another try gets further; {OLD_WEIGHTS_STAY}"
            ) from None
        if not any(not one.earlier for one in ready):
            raise InputError(f"none of the labelled studies can be used: {'; '.join(left_out.values())}")
        return ready, left_out

    def _plan(self, wanted: TrainRequest, device: torch.device, ready: list[Prepared], left_out: dict[str, str]) -> Job:
        """Which studies train, which validate, from which weights; the same again if the training is to be resumed."""
        current = self.model.current()
        own = [one for one in ready if not one.earlier]
        listed = choose_validation(
            [one.id for one in own],
            self.folder / "validation.txt",
            share=wanted.val_split,
            trained=current.card.trained_on,
        )
        validation = [one for one in own if one.id in listed] or own
        training = [one for one in ready if one.id not in listed] or own
        card = Card(
            parent=current.version,
            training=tuple(one.id for one in training),
            validation=tuple(one.id for one in validation),
            seen=tuple(sorted(current.card.trained_on | {one.id for one in training})),
            digests={one.id: one.digest for one in ready},
            left_out=left_out,
            settings={**asdict(wanted.train), "rule": asdict(wanted.rule), "new_share": wanted.new_share},
        )
        return Job(
            published=self.model.published,
            shipped=self.model.shipped,
            task=self.model.task,
            preset=self.model.preset,
            stats_file=self.stats_file,
            state_file=self.folder / "run.pt",
            training=training,
            validation=validation,
            weights=_weights(training, current.card, wanted.new_share),
            config=wanted.train,
            rule=wanted.rule,
            threads=wanted.threads or max(1, (os.cpu_count() or 2) // 2),
            gpu_memory=wanted.gpu_memory,
            device=device,
            card=card,
        )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One training at a time on these weights, whichever server started it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / "lock", timeout=0)
        try:
            with lock:
                for folder in (self.model.published.parent, self.folder, self.folder / "labels", self.folder / "cases"):
                    remove_leftovers(folder)
                yield
        except Timeout:
            raise InputError("another training is running on these weights, expected it to be over") from None


def _weights(training: list[Prepared], card: Card, new_share: float) -> list[float]:
    """How often each study is drawn: those that the weights have not seen make up `new_share` of the crops. Studies
    that were trained on elsewhere go by their names: their labels are other files than those saved here."""
    saved_here = card.digests if card.made_by is None else {}
    digests, names = set(saved_here.values()), card.trained_on - set(saved_here)
    new = [one.digest not in digests and one.id not in names and not one.earlier for one in training]
    count = sum(new)
    if count in (0, len(new)) or new_share in (0.0, 1.0):
        return [1.0] * len(new)
    return [new_share / count if fresh else (1 - new_share) / (len(new) - count) for fresh in new]


def _processes(wanted: TrainRequest, device: torch.device) -> int:
    """How many train together: one a GPU; on the CPU as many as MONAI Label's `gpus` names, for tests of it."""
    if not wanted.multi_gpu:
        return 1
    if device.type == "cuda":
        return torch.cuda.device_count()
    return len(os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(","))
