"""What a training leaves behind: published versions or a candidate, statistics, its state, and one sentence."""

from __future__ import annotations

import copy
import json
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ccsd.common.files import write_json
from ccsd.evaluation.lattice import table
from ccsd.method.network import CCSDNetwork
from ccsd.models.card import UNTRAINED, Card
from ccsd.models.checkpoint import write_tensors
from ccsd.models.rule import Verdict, judge
from ccsd.server.trainers.own_process import OLD_WEIGHTS_STAY
from ccsd.training.loop import Epoch, describe, mean_dice

if TYPE_CHECKING:
    from ccsd.server.trainers.job import Job

logger = logging.getLogger(__name__)

STATE_EVERY = 30.0  # s between states on disk
NAME = "ccsd"


def read_json(path: Path) -> dict[str, Any]:
    """Empty where there is none, or one that cannot be read."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content


def facts(card: Card) -> dict[str, Any]:
    """What the statistics say of a training's data and settings."""
    known = card.as_dict()
    return {
        **{name: known[name] for name in ("parent", "training", "validation", "seen", "left_out")},
        "held_out": card.held_out,
        "data": known["digests"],
        "config": known["settings"],
    }


@dataclass
class Records:
    """Sees every epoch. An epoch that the publish rule lets pass, and that is not worse than those before it, is
    published at once: what a stopped training has learned stays.

    Args:
        before: validation Dice (R,) by subset of the weights that it starts from.
    """

    job: Job
    before: Mapping[int, Tensor]
    version: str | None = None
    best: float = float("-inf")
    history: list[dict[str, Any]] = field(default_factory=list)
    verdict: Verdict = field(default=Verdict(False, "no epoch was finished"))
    _refused: tuple[float, CCSDNetwork, Card, str] | None = None
    _stored: float = float("-inf")

    def __post_init__(self) -> None:
        self.versions = self.job.versions

    def begin(self) -> None:
        score = mean_dice(self.before) if self.before else None
        if score is not None:
            logger.info("start: version %s, mean validation Dice %.4f", self.job.card.parent, score)
        if not self.history:
            self.history = [{"epoch": 0, "losses": {}, "score": score}]
        self._write({})

    def see(self, epoch: Epoch) -> None:
        logger.info(describe(epoch, epoch.network))
        self.history.append({"epoch": epoch.index, "losses": epoch.losses, "score": epoch.score})
        extra: dict[str, Any] = {"epoch": epoch.index}
        published = self.version
        if epoch.score is not None and epoch.validation is not None:
            task = self.job.task
            extra |= {"dice": table(epoch.validation, task), "score": epoch.score}
            if self.job.card.parent == UNTRAINED:  # random weights may overlap by chance
                verdict = Verdict(True, f"mean validation Dice {epoch.score:.3f}, the first training")
            else:
                verdict = judge(self.before, epoch.validation, self.job.rule, task)
            self._publish(epoch, verdict, replace(self.job.card, **{**extra, "dice": tuple(extra["dice"])}))
        self._write({**extra, "losses": epoch.losses})
        if epoch.progress < 1 and (self.version != published or time.monotonic() - self._stored > STATE_EVERY):
            self._store(epoch)

    def end(self) -> str:
        """The training's outcome in one sentence; a candidate is kept if nothing was published."""
        if self.version is None and self._refused is not None:
            _, network, card, reason = self._refused
            candidate = self.versions.keep_back(network, name=NAME, card=card, reason=reason)
            sentence = f"kept back as candidate {candidate}: {reason}{self._shortened()}"
        elif self.version is None:
            sentence = self._too_short()
        else:
            sentence = f"published {self.version}: {self.verdict.reason}{self._on_what()}{self._shortened()}"
            if self.versions.pinned() not in (None, self.version):
                sentence += f"; {self.versions.pinned()} is pinned and stays served"
        self.job.state_file.unlink(missing_ok=True)
        self._write({**read_json(self.job.stats_file), "outcome": sentence})
        return sentence

    def _on_what(self) -> str:
        return "" if self.job.card.held_out else ", on the training studies: too few to hold one out"

    def _shortened(self) -> str:
        """If there was no time to validate on all studies: on how many."""
        used, listed = len(self.job.card.validation), len(self.job.validation)
        if used == listed:
            return ""
        return f" (on {used} of {listed} validation studies: more do not fit into max_minutes)"

    def _too_short(self) -> str:
        """Why not one step was made."""
        limit, minutes = self.job.progress.limit, self.job.config.max_minutes
        if limit is None or minutes is None:
            return "nothing was trained: all epochs were over"
        if not self.before:
            why = "was over before the weights that it starts from were validated, expected more"
        else:
            needed = minutes - limit.left / 60  # `left` is below 0 by what is missing
            why = (
                f"has no room for a step: one takes about {limit.step:.0f} s, the validation after it "
                f"{limit.rest:.0f} s, and the start took the rest; expected at least {math.ceil(needed)}"
            )
        return f"nothing was trained: max_minutes is {minutes:g}, which {why}; {OLD_WEIGHTS_STAY}"

    def _publish(self, epoch: Epoch, verdict: Verdict, card: Card) -> None:
        score = epoch.score or 0.0
        if not verdict.publish:
            if self._refused is None or score >= self._refused[0]:
                self._refused = (score, copy.deepcopy(epoch.network), card, verdict.reason)
        elif score >= self.best:
            self.best, self.verdict = score, verdict
            self.version = self.versions.publish(
                epoch.network, name=NAME, card=replace(card, reason=verdict.reason), replaces=self.version
            )
            logger.info("published %s: %s", self.version, verdict.reason)

    def _store(self, epoch: Epoch) -> None:
        """Everything that the next training needs to go on with this one, should the process be killed."""
        content = {
            "key": self.job.key,
            "card": self.job.card.as_dict(),
            "weights": list(self.job.weights),
            "before": dict(self.before),
            "history": self.history,
            "best": self.best,
            "version": self.version,
            "verdict": asdict(self.verdict),
            "run": epoch.state,
        }
        write_tensors(content, self.job.state_file)
        self._stored = time.monotonic()

    def restore(self, state: Mapping[str, Any]) -> None:
        self.history, self.best, self.version = list(state["history"]), state["best"], state["version"]
        self.verdict = Verdict(**state["verdict"])

    def _write(self, extra: Mapping[str, Any]) -> None:
        now = {
            "version": self.version,
            "history": self.history,
            "total_epochs": self.job.config.max_epochs,  # this and the next are what Slicer's progress bars read
            "best_metric": max(h["score"] or 0 for h in self.history),
        }
        write_json(self.job.stats_file, {**facts(self.job.card), "epoch": 0, **extra, **now})
