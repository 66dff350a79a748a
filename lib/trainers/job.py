"""One training, in one process or several: everything it needs, in a form that can be sent to them."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from lib.ccsd.network import NetworkConfig
from lib.ccsd.task import Task
from lib.publishing.rule import PublishRule
from lib.publishing.served import ServedModel
from lib.publishing.versions import Versions
from lib.trainers.records import Records
from lib.trainers.snapshot import Prepared
from lib.training.cache import read_cached
from lib.training.config import TrainConfig
from lib.training.loop import train, validate
from lib.training.processes import join_processes
from lib.training.run import DivergedError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """See `lib.trainers.ccsd`. `facts`: what versions and statistics say of this training."""

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
    facts: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The same for the same data and settings."""
        facts = {name: value for name, value in self.facts.items() if name != "parent"}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

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
            going_on = self.facts["parent"] in (state["facts"]["parent"], state["version"])
        except (RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as error:
            logger.warning("%s cannot be read (%s): starting anew", self.state_file.name, type(error).__name__)
            return None
        return state if same and going_on else None


def learn(rank: int, count: int, job: Job) -> None:
    """Train, as process `rank` of `count`; the first one validates, publishes and records.

    Raises:
        InputError, DivergedError: as `lib.training.loop.train`.
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
        job = replace(job, facts=state["facts"], weights=state["weights"])
    network = job.versions.load(str(job.facts["parent"])).network.place(device)
    training = [read_cached(one.file) for one in job.training]
    validation = [read_cached(one.file) for one in job.validation]
    records = None
    if rank == 0:
        records = Records(job, state["before"] if state else validate(network, validation))
        if state:
            records.restore(state)
        records.begin()
    try:
        train(
            network,
            training,
            validation,
            job.config,
            device=device,
            on_epoch=records.see if records else lambda _: None,
            weights=job.weights,
            resume=state["run"] if state else None,
            processes=processes,
        )
    except DivergedError:
        job.state_file.unlink(missing_ok=True)  # resumed, it would diverge again
        raise
    processes.leave()
    if records:
        logger.info(records.end())
