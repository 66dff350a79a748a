"""Strategies that offer the study from which most can be learned, by scores that are made in the background."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from monailabel.interfaces.tasks.strategy import Strategy

from ccsd.method.task import Task
from ccsd.models.served import ServedModel
from ccsd.server.datastores.store import StudyDatastore
from ccsd.server.scoring.scores import Scores
from ccsd.server.strategies.gain import missing_shares, weight
from ccsd.server.strategies.random_study import RandomStudy
from ccsd.server.strategies.readable import why_not

logger = logging.getLogger(__name__)

OFFERED_AGAIN = 15 * 60.0  # s until a study that somebody was given is offered to others


class BySubsetDisagreement(Strategy):
    """The study whose masks differ most with the modalities given (`ccsd.inference.disagreement`).

    Args:
        start_scoring: begins to score, in the background, what has no score; does nothing if that is going on.
    """

    def __init__(self, model: ServedModel, scores: Scores, start_scoring: Callable[[], None], about: str = "") -> None:
        super().__init__(about or "Offers the study whose masks differ most with the modalities given")
        self.model = model
        self.scores = scores
        self.start_scoring = start_scoring
        self._offered: dict[str, tuple[float, str]] = {}
        self._by_chance = RandomStudy()

    def __call__(self, request: dict[str, Any], datastore: StudyDatastore) -> dict[str, Any] | None:
        """`{"id", "score", "scored": studies with a score, "of": studies without a label}`, and `not_offered`, image ->
        reason, if some cannot be read; None: all that can be read have a label.

        Studies without a score wait for the scoring that is begun; while there is none at all, chance decides.
        """
        images = datastore.one_a_study(datastore.get_unlabeled_images(request.get("label_tag")))
        if not images:
            return None
        found, known = self._known(images, datastore)
        if len(known) < len(images):
            self.start_scoring()
        progress = {"scored": len(known), "of": len(images)}
        values = {i: found[i] for i in images if found.get(i, {}).get("score") is not None}
        offered = self._best(self.gains(values, datastore), str(request.get("client_id", "")), datastore)
        if offered is None:  # nothing has a score, or nothing that can be read
            picked = self._by_chance({"strategy": "random", **request}, datastore)
            return {**picked, "score": None, **progress} if picked else None
        return {**offered, **progress}

    def _best(self, gains: dict[str, float], client: str, datastore: StudyDatastore) -> dict[str, Any] | None:
        """The study from which most can be learned, of those that can be read still."""
        reasons: dict[str, str] = {}
        while gains:
            best = max(self._free(gains, client), key=lambda i: (gains[i], i))
            reason = why_not(best, datastore)
            if reason is None:
                self._offered[best] = (time.monotonic(), client)
                return {"id": best, "score": round(gains[best], 5), **({"not_offered": reasons} if reasons else {})}
            reasons[best] = reason
            del gains[best]
        return None

    def gains(self, values: Mapping[str, Mapping[str, Any]], datastore: StudyDatastore) -> dict[str, float]:
        """What labelling each study is worth."""
        return {image: float(value["score"]) for image, value in values.items()}

    def _known(self, images: Sequence[str], datastore: StudyDatastore) -> tuple[dict[str, dict[str, Any]], list[str]]:
        """Scores, and the images whose score is of the served weights. An older one is used until it is made anew."""
        found = self.scores.read()
        version = self.model.current().version
        keys = {image: f"{version} {datastore.stamp(image)}" for image in images}
        return found, [image for image in images if found.get(image, {}).get("key") == keys[image]]

    def _free(self, gains: Mapping[str, float], client: str) -> list[str]:
        """The images that nobody else was given a short while ago; all of them if there are no others."""
        now = time.monotonic()
        taken = {i for i, (at, by) in self._offered.items() if now - at < OFFERED_AGAIN and by != client}
        return [image for image in gains if image not in taken] or list(gains)


class ByExpectedGain(BySubsetDisagreement):
    """As `BySubsetDisagreement`, times how much the study's modalities are missing among those with a label."""

    def __init__(self, model: ServedModel, scores: Scores, start_scoring: Callable[[], None], task: Task) -> None:
        super().__init__(
            model,
            scores,
            start_scoring,
            "As subset_disagreement, but prefers modalities that are missing most among the labelled studies",
        )
        self.task = task

    def gains(self, values: Mapping[str, Mapping[str, Any]], datastore: StudyDatastore) -> dict[str, float]:
        labelled = [set(has) for has in datastore.labelled_modalities()]
        rarity = missing_shares(labelled, self.task.modalities)
        return {i: float(v["score"]) * weight(v["has"], rarity) for i, v in values.items()}
