"""The scoring method `subset_disagreement`: how much the masks of a study differ, for all without a label."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from monailabel.interfaces.tasks.scoring import ScoringMethod

from ccsd.common.devices import read_device
from ccsd.common.errors import InputError
from ccsd.inference.disagreement import subset_disagreement
from ccsd.inference.pipeline import common_input
from ccsd.inference.windows import WindowConfig
from ccsd.models.checkpoint import Checkpoint
from ccsd.models.served import ServedModel
from ccsd.server.datastores.store import StudyDatastore
from ccsd.server.scoring.scores import Scores
from ccsd.studies.study import read_with_target, study_of

logger = logging.getLogger(__name__)


class SubsetDisagreement(ScoringMethod):
    """See `ccsd.inference.disagreement`. What has a score by the served weights is not computed again, so a run that
    was stopped goes on where it was.

    Args:
        cache: folder for studies in common space.
    """

    def __init__(self, model: ServedModel, scores: Scores, *, cache: Path) -> None:
        super().__init__("How much the masks of a study differ with the modalities given; for studies without a label")
        self.model = model
        self.scores = scores
        self.cache = cache

    def __call__(self, request: dict[str, Any], datastore: StudyDatastore) -> dict[str, Any]:
        """`{image id: score}`; each study is also a line of the log. Studies that cannot be read have none."""
        device = read_device(request.get("device"))
        checkpoint = self.model.current()
        checkpoint.network.to_device(device)
        images = datastore.one_a_study(datastore.get_unlabeled_images())
        result = {}
        for number, image in enumerate(images, start=1):
            key = f"{checkpoint.version} {datastore.stamp(image)}"
            found = self.scores.get(image, key)
            if found is None:
                try:
                    found = self._score(image, checkpoint, datastore)
                except InputError as error:
                    found = {"error": str(error)}
                self.scores.put(image, key, found)
            result[image] = found.get("score")
            logger.info("%d of %d: %s %s", number, len(images), image, found.get("score", found.get("error")))
        return result

    def _score(self, image: str, checkpoint: Checkpoint, datastore: StudyDatastore) -> dict[str, Any]:
        target, task = Path(datastore.study_image(image)), self.model.task
        study = study_of(target, task.modalities)
        images, name = read_with_target(study, target)
        prepared, _ = common_input(study, images, name, task, cache=self.cache)
        score = subset_disagreement(checkpoint.network, prepared.volumes, prepared.present, window=WindowConfig())
        return {"score": round(score, 5), "has": list(study.sources)}
