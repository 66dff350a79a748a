"""One training, in one process or several: everything it needs, in a form that can be sent to them."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ccsd.common.errors import DivergedError
from ccsd.method.network import NetworkConfig
from ccsd.method.task import Task
from ccsd.models.card import Card, card_of
from ccsd.models.rule import PublishRule
from ccsd.models.served import ServedModel
from ccsd.models.versions import Versions
from ccsd.server.trainers.before import validate_before
from ccsd.server.trainers.progress import STEPS, VALIDATING, Progress
from ccsd.server.trainers.records import Records
from ccsd.server.trainers.snapshot import Prepared
from ccsd.training.cache import read_cached
from ccsd.training.config import TrainConfig
from ccsd.training.loop import Epoch, train
from ccsd.training.processes import join_processes

logger = logging.getLogger(__name__)


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
    def key(self) -> str:
        """The same for the same data and settings, however many studies there is time to validate on."""
        same = replace(self.card, parent=None, validation=()).as_dict()
        return hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def versions(self) -> Versions:
        return Versions(ServedModel(self.published, self.shipped, self.task, self.preset))

    def stored(self, count: int) -> dict[str, Any] | None:
        """Where a training of the same data and settings was killed, as `Records` wrote it; None: start anew.

        Args:
            count: of processes now.
        """
        if not self.state_file.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(self.state_file, map_location="cpu", weights_only=True)
            same = state["key"] == self.key and len(state["run"]["generators"]) == count
            going_on = self.card.parent in (state["card"]["parent"], state["version"])
        except (RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as error:
            logger.warning("%s cannot be read (%s): starting anew", self.state_file.name, type(error).__name__)
            return None
        return state if same and going_on else None


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
        logger.info("resuming after epoch %d", state["run"]["epoch"])
        job = replace(job, card=card_of(state["card"]), weights=state["weights"])
    network = job.versions.load(str(job.card.parent)).network.to_device(device)
    training = [read_cached(one.file) for one in job.training]
    listed = [read_cached(one.file) for one in job.validation if one.id in job.card.validation]
    limit, progress = job.progress.limit, job.progress
    records, validation = None, listed
    if rank == 0:
        before = state["before"] if state else None
        if before is None:
            before, validation = validate_before(network, listed, progress)
            job = replace(job, card=replace(job.card, validation=job.card.validation[: len(validation)]))
        records = Records(job, before)
        if state:
            records.restore(state)
            progress.done = state["run"]["done"]
        records.begin()
        progress.begin(STEPS, 0)

    def see(epoch: Epoch) -> None:
        if records:
            records.see(epoch)
            progress.begin(STEPS, 0)

    def on_study(number: int) -> None:
        if number == 1:
            progress.begin(VALIDATING, len(validation))
        progress.study(number)

    try:
        train(
            network,
            training,
            validation,
            job.config,
            device=device,
            on_epoch=see,
            on_step=lambda _: progress.step() if records else None,
            on_study=on_study,
            weights=job.weights,
            resume=state["run"] if state else None,
            processes=processes,
            limit=limit,
        )
    except DivergedError:
        job.state_file.unlink(missing_ok=True)  # resumed, it would diverge again
        raise
    processes.leave()
    if records:
        logger.info(records.end())
