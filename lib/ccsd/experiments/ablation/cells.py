"""One cell of a table: one variant trained from one seed and measured over the lattice; kept on disk when done."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ccsd.common.files import write_json
from ccsd.common.settings import override
from ccsd.evaluation.lattice import table
from ccsd.experiments.ablation.tables import Change
from ccsd.method.task import Task
from ccsd.models import checkpoint
from ccsd.training.cases import Case
from ccsd.training.loop import Epoch, train
from ccsd.training.run_settings import RunSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Budget:
    """What every cell of a table has in common.

    Attributes:
        settings: that variants change.
        task: what is segmented.
        training, test: prepared studies; results are of `test`, after the last step, never of a chosen epoch.
    """

    settings: RunSettings
    task: Task
    training: Sequence[Case]
    test: Sequence[Case]


def run_cell(budget: Budget, change: Change, *, seed: int, folder: Path, device: torch.device) -> dict[str, Any]:
    """The cell's result, from `folder` if it is there already: `{"subsets": [rows], "seconds": s, ...}`."""
    settings = override(budget.settings, change, where="variant")
    settings = replace(settings, train=replace(settings.train, seed=seed, validate_every=settings.train.max_epochs))
    path = folder / f"{_key(budget, settings)}.json"
    if path.exists():
        result: dict[str, Any] = json.loads(path.read_text())
        return result
    started = time.monotonic()
    network = checkpoint.untrained(budget.task, settings.network, seed=seed).network
    last: list[Epoch] = []

    def keep(epoch: Epoch) -> None:
        last[:] = [epoch]

    train(network, budget.training, budget.test, settings.train, device=device, on_epoch=keep)
    if last[0].validation is None:
        raise RuntimeError("the last epoch was not validated")
    result = {
        "settings": asdict(settings),
        "subsets": table(last[0].validation, budget.task),
        "losses": last[0].losses,
        "seconds": round(time.monotonic() - started),
    }
    write_json(path, result)
    return result


def _key(budget: Budget, settings: RunSettings) -> str:
    """Changes with everything that the result depends on, so a cell that several tables share is run once."""
    studies = [[c.id for c in cases] for cases in (budget.training, budget.test)]
    content = json.dumps([asdict(settings), budget.task.as_dict(), studies], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]
