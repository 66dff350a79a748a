"""One training, in one process or several: everything it needs, in a form that can be sent to them."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ccsd.common.errors import DivergedError, InputError
from ccsd.method.network import NetworkConfig
from ccsd.method.task import Task
from ccsd.models.card import Card
from ccsd.models.rule import PublishRule
from ccsd.models.served import ServedModel
from ccsd.models.versions import Versions
from ccsd.server.trainers.before import validate_before
from ccsd.server.trainers.own_process import OLD_WEIGHTS_STAY
from ccsd.server.trainers.publication import Publication
from ccsd.server.trainers.snapshot import Prepared
from ccsd.training.cache import read_cached
from ccsd.training.config import TrainConfig
from ccsd.training.loop import mean_dice, train
from ccsd.training.processes import join_processes
from ccsd.training.progress import Progress
from ccsd.training.recorder import RunRecorder, read_state

logger = logging.getLogger(__name__)

STATE_EVERY = 30.0  # s between states on disk


@dataclass(frozen=True)
class Job:
    """See `ccsd.server.trainers.ccsd`. `progress`: what it is doing, with its limit of time; `card`: what its
    versions say of themselves."""

    published: Path
    shipped: Path
    task: Task
    preset: NetworkConfig
    stats_file: Path
    state_file: Path
    training: Sequence[Prepared]
    validation: Sequence[Prepared]
    weights: Sequence[float]
    config: TrainConfig
    rule: PublishRule
    threads: int
    gpu_memory: float
    device: torch.device
    card: Card
    progress: Progress = field(default_factory=Progress)

    @property
    def versions(self) -> Versions:
        return Versions(ServedModel(self.published, self.shipped, self.task, self.preset))

    def stored(self, count: int) -> dict[str, Any] | None:
        """Where a training of the same data and settings was killed; None: start anew.

        Args:
            count: of processes now.
        """
        try:
            state = read_state(self.state_file)
        except InputError as error:
            logger.warning("%s: starting anew", error)
            return None
        if state is None:
            return None
        same = "card" in state and _compared(state["card"]) == _compared(self.card)
        if same and len(state["run"]["generators"]) == count:
            if self.card.parent in (state["card"].parent, state["version"]):
                return state
            if published := self._published_after(state):
                return {**state, "version": published.version, "best": published.score}
        logger.info("%s is of other data, settings or weights: starting anew", self.state_file.name)
        return None

    def _published_after(self, state: Mapping[str, Any]) -> Card | None:
        """What a run has published and is served, where it was killed before it could store its state once more."""
        for card in (known.card for known in self.versions.known()):
            later = (card.epoch or 0) > state["run"]["epoch"] and card.parent == state["card"].parent
            if card.version == self.card.parent and later and _compared(card) == _compared(self.card):
                return card
        return None

    def recorder(self, publication: Publication, progress: Progress) -> RunRecorder:
        return RunRecorder(
            publication,
            self.card,
            self.state_file,
            state_every=STATE_EVERY,
            state_at_end=False,
            stored_too={"weights": list(self.weights)},
            stats_file=self.stats_file,
            max_epochs=self.config.max_epochs,
            progress=progress,
        )


def learn(rank: int, count: int, job: Job) -> None:
    """Train, as process `rank` of `count`; the first one validates, publishes and records.

    Raises:
        InputError, DivergedError: as `ccsd.training.loop.train`.
    """
    torch.set_num_threads(max(1, job.threads // count))
    device = torch.device("cuda", rank) if count > 1 and job.device.type == "cuda" else job.device
    if device.type == "cuda":
        torch.cuda.set_per_process_memory_fraction(job.gpu_memory, device)
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(count)}
    processes = join_processes(device)
    state = job.stored(count)
    if state:
        job = replace(job, card=state["card"], weights=state["weights"])
    network = job.versions.load(str(job.card.parent)).network.to_device(device)
    training = [read_cached(one.file) for one in job.training]
    validation = [read_cached(one.file) for one in job.validation if one.id in job.card.validation]
    progress = job.progress if rank == 0 else Progress()
    before: Mapping[int, Tensor] = state["before"] if state else {}
    if rank == 0 and not state:
        before, validation = validate_before(network, validation, progress)
        job = replace(job, card=replace(job.card, validation=job.card.validation[: len(validation)]))
    publication = Publication(job.versions, job.rule, before)
    recorder = job.recorder(publication, progress)
    if state:
        recorder.restore(state)
    if rank == 0:
        recorder.begin(_score(before, job.card))
    try:
        train(
            network,
            training,
            validation,
            job.config,
            device=device,
            on_epoch=recorder.see,
            on_step=lambda _: progress.step(),
            on_study=recorder.study,
            weights=job.weights,
            resume=state["run"] if state else None,
            processes=processes,
            limit=job.progress.limit,
        )
    except DivergedError:
        job.state_file.unlink(missing_ok=True)  # resumed, it would diverge again
        raise
    processes.leave()
    if rank == 0:
        recorder.end(_outcome(job, publication))


def _compared(card: Card) -> dict[str, Any]:
    """The same for the same data and settings: without what the training itself adds, and however many studies there is
    time to validate on."""
    return {
        name: value
        for name, value in card.as_dict().items()
        if name in ("training", "seen", "digests", "left_out", "settings")
    }


def _score(before: Mapping[int, Tensor], card: Card) -> float | None:
    score = mean_dice(before) if before else None
    if score is not None:
        logger.info("start: version %s, mean validation Dice %.4f", card.parent, score)
    return score


def _outcome(job: Job, publication: Publication) -> str:
    """The training's outcome in one sentence; a candidate is kept if nothing was published."""
    candidate = publication.keep_back()
    if candidate:
        return f"kept back as candidate {candidate[0]}: {candidate[1]}{_shortened(job)}"
    if publication.version is None:
        return _too_short(job, publication)
    on_what = "" if job.card.held_out else ", on the training studies: too few to hold one out"
    sentence = f"published {publication.version}: {publication.verdict.reason}{on_what}{_shortened(job)}"
    if job.versions.pinned() not in (None, publication.version):
        sentence += f"; {job.versions.pinned()} is pinned and stays served"
    return sentence


def _shortened(job: Job) -> str:
    """If there was no time to validate on all studies: on how many."""
    used, listed = len(job.card.validation), len(job.validation)
    if used == listed:
        return ""
    return f" (on {used} of {listed} validation studies: more do not fit into max_minutes)"


def _too_short(job: Job, publication: Publication) -> str:
    """Why not one step was made."""
    limit, minutes = job.progress.limit, job.config.max_minutes
    if limit is None or minutes is None:
        return "nothing was trained: all epochs were over"
    if not publication.before:
        why = "was over before the weights that it starts from were validated, expected more"
    else:
        needed = minutes - limit.left / 60  # `left` is below 0 by what is missing
        why = (
            f"has no room for a step: one takes about {limit.step:.0f} s, the validation after it "
            f"{limit.rest:.0f} s, and the start took the rest; expected at least {math.ceil(needed)}"
        )
    return f"nothing was trained: max_minutes is {minutes:g}, which {why}; {OLD_WEIGHTS_STAY}"
