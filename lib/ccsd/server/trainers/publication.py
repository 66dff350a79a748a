"""Which of a training's weights are served: the publish rule after each epoch, a candidate where nothing passes."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from torch import Tensor

from ccsd.evaluation.lattice import table
from ccsd.method.network import CCSDNetwork
from ccsd.models.card import UNTRAINED, Card
from ccsd.models.rule import PublishRule, Verdict, judge
from ccsd.models.versions import Versions
from ccsd.training.loop import Epoch

logger = logging.getLogger(__name__)

NAME = "ccsd"


@dataclass
class Publication:
    """An epoch that the publish rule lets pass, and that is not worse than those before it, is published at once: what
    a stopped training has learned stays.

    Args:
        before: validation Dice (R,) by subset of the weights that the training starts from.
    """

    versions: Versions
    rule: PublishRule
    before: Mapping[int, Tensor]
    version: str | None = None
    best: float = float("-inf")
    verdict: Verdict = field(default=Verdict(False, "no epoch was finished"))
    _refused: tuple[float, CCSDNetwork, Card, str] | None = None

    def keep(self, epoch: Epoch, card: Card) -> bool:
        """Whether it is published."""
        if epoch.validation is None:
            return False
        score, task = epoch.score or 0.0, epoch.network.task
        card = replace(card, dice=tuple(table(epoch.validation, task)))
        if card.parent == UNTRAINED:  # random weights may overlap by chance
            verdict = Verdict(True, f"mean validation Dice {score:.3f}, the first training")
        else:
            verdict = judge(self.before, epoch.validation, self.rule, task)
        if not verdict.publish:
            if self._refused is None or score >= self._refused[0]:
                self._refused = (score, copy.deepcopy(epoch.network), card, verdict.reason)
        elif score >= self.best:
            self._publish(epoch.network, replace(card, reason=verdict.reason), verdict, score)
            return True
        return False

    def keep_back(self) -> tuple[str, str] | None:
        """Keep the best refused weights as a candidate: its version and the reason; None: something was published, or
        nothing was refused."""
        if self.version is not None or self._refused is None:
            return None
        _, network, card, reason = self._refused
        return self.versions.keep_back(network, name=NAME, card=card, reason=reason), reason

    def state(self) -> dict[str, Any]:
        return {
            "before": dict(self.before),
            "best": self.best,
            "version": self.version,
            "verdict": asdict(self.verdict),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self.before, self.best, self.version = state["before"], state["best"], state["version"]
        self.verdict = Verdict(**state["verdict"])

    def _publish(self, network: CCSDNetwork, card: Card, verdict: Verdict, score: float) -> None:
        self.best, self.verdict = score, verdict
        self.version = self.versions.publish(network, name=NAME, card=card, replaces=self.version)
        logger.info("published %s: %s", self.version, verdict.reason)
