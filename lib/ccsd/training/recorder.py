"""What a training run leaves behind, epoch by epoch: weights with their card, the state to resume from, the history,
progress and a TensorBoard log. `ccsd train` and the server's train task both record with it."""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch.utils.tensorboard import SummaryWriter

from ccsd.common.errors import InputError
from ccsd.common.files import read_json, write_json
from ccsd.evaluation.lattice import table
from ccsd.models import checkpoint
from ccsd.models.card import Card, card_of
from ccsd.models.checkpoint import write_tensors
from ccsd.training.loop import Epoch, describe
from ccsd.training.progress import STEPS, VALIDATING, Progress

logger = logging.getLogger(__name__)


class WeightsKeeper(Protocol):
    """Decides which epoch's weights are kept, and where. `version`: of those that are kept now."""

    version: str | None

    def keep(self, epoch: Epoch, card: Card) -> bool:
        """Whether this epoch's weights take the place of those before them."""

    def state(self) -> dict[str, Any]:
        """What it must know again when the run is resumed."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """From what `state` gave."""


@dataclass
class BestFile:
    """Keeps weights in one file: with validation those of the epoch with the best mean validation Dice, without those
    of the last epoch."""

    path: Path
    name: str
    best: float = float("-inf")
    version: str | None = None

    def keep(self, epoch: Epoch, card: Card) -> bool:
        score = float("-inf") if epoch.score is None else epoch.score
        if score >= self.best:
            self.best = score
            self.version = checkpoint.save(self.path, epoch.network, name=self.name, card=card, half=True)
            logger.info("wrote %s (%s)", self.path, self.version)
            return True
        return False

    def state(self) -> dict[str, Any]:
        return {"best": self.best}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.best = state["best"]


@dataclass
class RunRecorder:
    """Sees every epoch of a run.

    Args:
        card: what the weights will say of themselves; epoch and score are added.
        state_file: to resume from; it is written when weights are kept and every `state_every` seconds, and after the
            last epoch only if `state_at_end`. `stored_too`: what else is in it.
        stats_file: JSON with what the run is and the history of its epochs (None: not written).
        board: folder of the TensorBoard log (None: no log).
        max_epochs: that the run has at most, for `stats_file`.
    """

    keeper: WeightsKeeper
    card: Card
    state_file: Path
    state_every: float = 0.0
    state_at_end: bool = True
    stored_too: Mapping[str, Any] = field(default_factory=dict)
    stats_file: Path | None = None
    board: Path | None = None
    max_epochs: int = 1
    progress: Progress = field(default_factory=Progress)
    history: list[dict[str, Any]] = field(default_factory=list)
    _writer: SummaryWriter | None = None
    _stored: float = float("-inf")

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on with the run that left `state` (`read_state`)."""
        logger.info("resuming after epoch %d", state["run"]["epoch"])
        self.history = list(state.get("history", ()))
        self.progress.done = state["run"]["done"]
        self.keeper.restore(state)

    def begin(self, score: float | None) -> None:
        """The first step comes next; `score`: mean validation Dice before it."""
        if not self.history:
            self.history = [{"epoch": 0, "losses": {}, "score": score}]
        self._write_stats({})
        self.progress.begin(STEPS, 0)

    def study(self, number: int) -> None:
        """The validation study, from 1, that is looked at next."""
        if number == 1:
            self.progress.begin(VALIDATING, len(self.card.validation))
        self.progress.study(number)

    def see(self, epoch: Epoch) -> None:
        logger.info(describe(epoch, epoch.network))
        self.history.append({"epoch": epoch.index, "losses": epoch.losses, "score": epoch.score})
        self._log(epoch)
        kept = self.keeper.keep(epoch, replace(self.card, epoch=epoch.index, score=epoch.score))
        self._write_stats({"epoch": epoch.index, **_measured(epoch), "losses": epoch.losses})
        due = kept or time.monotonic() - self._stored > self.state_every
        if due and (self.state_at_end or epoch.progress < 1):
            self._store(epoch)
        self.progress.begin(STEPS, 0)

    def end(self, outcome: str) -> None:
        """The run is over, and there is nothing to resume."""
        logger.info(outcome)
        self.state_file.unlink(missing_ok=True)
        if self.stats_file is not None:
            self._write_stats({**read_json(self.stats_file), "outcome": outcome})

    def _store(self, epoch: Epoch) -> None:
        known = {"card": self.card.as_dict(), "history": self.history, **self.keeper.state(), **self.stored_too}
        write_tensors({**known, "run": epoch.state}, self.state_file)
        self._stored = time.monotonic()

    def _write_stats(self, extra: Mapping[str, Any]) -> None:
        if self.stats_file is None:
            return
        now = {
            "version": self.keeper.version,
            "history": self.history,
            "total_epochs": self.max_epochs,  # this and the next are what Slicer's progress bars read
            "best_metric": max(one["score"] or 0 for one in self.history),
        }
        write_json(self.stats_file, {**_facts(self.card), "epoch": 0, **extra, **now})

    def _log(self, epoch: Epoch) -> None:
        if self.board is None:
            return
        self._writer = self._writer or SummaryWriter(str(self.board))
        for name, value in epoch.losses.items():
            self._writer.add_scalar(f"loss/{name}", value, epoch.index)
        self._writer.add_scalar("learning_rate", epoch.learning_rate, epoch.index)
        if epoch.validation is not None:
            mean = torch.stack(list(epoch.validation.values())).nanmean(dim=0)
            for region, value in zip(epoch.network.task.regions, mean.tolist(), strict=True):
                self._writer.add_scalar(f"validation Dice, mean of subsets/{region}", value, epoch.index)
        self._writer.flush()


def read_state(file: Path) -> dict[str, Any] | None:
    """What a run left in `file` to be resumed from, `card` as a Card where it holds one; None: there is no such file.

    Raises:
        InputError: it cannot be read.
    """
    if not file.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        known = {"card": card_of(state["card"])} if "card" in state else {}
        complete = {"epoch", "done", "generators"} <= set(state["run"])
    except (RuntimeError, EOFError, KeyError, TypeError, ValueError, AttributeError, pickle.UnpicklingError) as error:
        raise InputError(f"{file.name} cannot be read ({type(error).__name__})") from error
    if not complete:
        raise InputError(f"{file.name} cannot be read (it holds no state of a run)")
    return {**state, **known}


def _measured(epoch: Epoch) -> dict[str, Any]:
    if epoch.validation is None:
        return {}
    return {"dice": table(epoch.validation, epoch.network.task), "score": epoch.score}


def _facts(card: Card) -> dict[str, Any]:
    """What the statistics say of a training's data and settings."""
    known = card.as_dict()
    return {
        **{name: known[name] for name in ("parent", "training", "validation", "seen", "left_out")},
        "held_out": card.held_out,
        "data": known["digests"],
        "config": known["settings"],
    }
