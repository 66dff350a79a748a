"""The train task `ccsd`: saved labels -> cases -> training loop -> validation -> published weights."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.train import TrainTask
from monailabel.utils.others.generic import device_list

from lib.ccsd.task import Task
from lib.devices import read_device
from lib.errors import InputError
from lib.evaluation.subsets15 import table
from lib.files import replacing
from lib.publishing.checkpoint import UNTRAINED
from lib.publishing.served import ServedModel
from lib.publishing.versions import Versions
from lib.studies.study import Study, study_of
from lib.training.cases import Case, load_case
from lib.training.config import TrainConfig
from lib.training.loop import Epoch, describe, train, validate

logger = logging.getLogger(__name__)

DEFAULTS: dict[str, Any] = {
    "max_epochs": 10,
    "max_minutes": 0.0,
    "steps": 20,
    "patch": 128,
    "train_batch_size": 1,
    "learning_rate": 0.0005,
    "val_split": 0.2,
    "seed": 0,
}


class CCSDTrainTask(TrainTask):
    """Continues from the served weights with the full CCSD loss on every study that has a final label."""

    def __init__(self, model: ServedModel, *, stats_file: Path) -> None:
        super().__init__("Train CCSD on the saved labels, from the current weights")
        self.model = model
        self.stats_file = stats_file

    def config(self) -> dict[str, Any]:
        return {**DEFAULTS, "device": device_list()}

    def stats(self) -> dict[str, Any]:
        """What the last training wrote: version, validation Dice by subset, `history` of all its epochs."""
        try:
            stats: dict[str, Any] = json.loads(self.stats_file.read_text())
        except (OSError, ValueError):
            return {}
        return stats

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Train, publish what is not worse than the start, and return the stats.

        Raises:
            InputError: a parameter is wrong, no label is saved, or a study cannot be read.
        """
        config = read_config(request)
        device = read_device(request.get("device"))
        rows = datastore.datalist()
        if not rows:
            raise InputError("no label with the tag final is saved, expected at least one labelled study to train on")
        task = self.model.task
        cases = [load_case(study, label, task, image=image) for study, label, image in latest_labels(rows, task)]
        training, validation = split(cases, share=_share(request))
        start = self.model.current()
        logger.info("training on %s, validating on %s", [c.id for c in training], [c.id for c in validation])
        logger.info("settings: %s", asdict(config))
        publisher = _Publisher(self.model, self.stats_file, training, validation, config, parent=start.version)
        network = copy.deepcopy(start.network)  # the served one answers meanwhile
        publisher.begin(validate(network, validation))
        train(network, training, validation, config, device=device, on_epoch=publisher.see)
        return self.stats()


def read_config(request: Mapping[str, Any]) -> TrainConfig:
    """The request's known keys -> settings. Raises InputError naming a value that cannot be used."""
    values = {**DEFAULTS, **{k: request[k] for k in DEFAULTS if request.get(k) is not None}}
    try:
        minutes = float(values["max_minutes"])
        return TrainConfig(
            max_epochs=int(values["max_epochs"]),
            max_minutes=minutes or None,
            steps=int(values["steps"]),
            patch=int(values["patch"]),
            batch=int(values["train_batch_size"]),
            learning_rate=float(values["learning_rate"]),
            seed=int(values["seed"]),
        )
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"a training parameter is not a number ({error}), found {values}") from None


def latest_labels(rows: Sequence[Mapping[str, Any]], task: Task) -> list[tuple[Study, Path, Path]]:
    """Datastore rows -> one (study, label, image that it was drawn on) a study: the newest label counts."""
    newest: dict[tuple[Path, str], tuple[float, Study, Path, Path]] = {}
    for row in rows:
        image = Path(row["image"])
        study = study_of(image, task.modalities)
        key = (image.parent, study.id)
        stamp = float(row.get("ts", 0))
        if key not in newest or stamp >= newest[key][0]:
            newest[key] = (stamp, study, Path(row["label"]), image)
    return [found[1:] for found in newest.values()]


def split(cases: Sequence[Case], *, share: float) -> tuple[list[Case], list[Case]]:
    """(training, validation): the last `share` of the studies by id; with too few to spare one, both are all of them
    (validation then shows only that the studies are being learned)."""
    ordered = sorted(cases, key=lambda c: c.id)
    held_out = int(len(ordered) * share)
    if held_out == 0:
        return ordered, ordered
    return ordered[:-held_out], ordered[-held_out:]


def _share(request: Mapping[str, Any]) -> float:
    value = request.get("val_split", DEFAULTS["val_split"])
    try:
        share = float(value)
    except (TypeError, ValueError):
        share = -1.0
    if not 0 <= share <= 0.9:
        raise InputError(f"val_split is {value!r}, expected 0 to 0.9")
    return share


@dataclass
class _Publisher:
    """Publishes an epoch's weights when their mean validation Dice is not below the best so far (the start counts)."""

    model: ServedModel
    stats_file: Path
    training: Sequence[Case]
    validation: Sequence[Case]
    config: TrainConfig
    parent: str
    best: float = float("-inf")
    version: str | None = None
    history: list[dict[str, Any]] = field(default_factory=list)

    def begin(self, dice: dict[int, torch.Tensor]) -> None:
        score = float(torch.stack(list(dice.values())).mean())
        logger.info("start: version %s, mean validation Dice %.4f", self.parent, score)
        if self.parent != UNTRAINED:  # random weights may overlap by chance, anything trained replaces them
            self.best = score
        self.history = [{"epoch": 0, "losses": {}, "score": score}]
        self._write({})

    def see(self, epoch: Epoch) -> None:
        logger.info(describe(epoch, epoch.network))
        self.history.append({"epoch": epoch.index, "losses": epoch.losses, "score": epoch.score})
        if epoch.score is None or epoch.validation is None:
            return
        notes = {**self._data(), "epoch": epoch.index, "dice": table(epoch.validation, self.model.task)}
        if epoch.score >= self.best:
            self.best = epoch.score
            versions = Versions(self.model)
            self.version = versions.publish(epoch.network, name="ccsd", notes=notes, replaces=self.version)
            logger.info("published %s, mean validation Dice %.4f", self.version, epoch.score)
        self._write({**notes, "version": self.version, "losses": epoch.losses, "score": epoch.score, "best": self.best})

    def _data(self) -> dict[str, Any]:
        return {
            "parent": self.parent,
            "training": [c.id for c in self.training],
            "validation": [c.id for c in self.validation],
            "config": asdict(self.config),
        }

    def _write(self, stats: Mapping[str, Any]) -> None:
        for_slicer = {"total_epochs": self.config.max_epochs, "best_metric": max(h["score"] or 0 for h in self.history)}
        content = {**self._data(), "epoch": 0, **stats, "history": self.history, **for_slicer}
        with replacing(self.stats_file) as temporary:
            temporary.write_text(json.dumps(content, indent=1))
