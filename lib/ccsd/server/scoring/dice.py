"""The scoring method `dice`: the served model against the saved labels, per region and subset."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from monailabel.interfaces.tasks.scoring import ScoringMethod

from ccsd.common.devices import read_device
from ccsd.common.errors import InputError
from ccsd.evaluation.lattice import dice_by_subset, mean_over, table
from ccsd.inference.windows import WindowConfig
from ccsd.models.checkpoint import Checkpoint
from ccsd.models.served import ServedModel
from ccsd.server.datastores.store import StudyDatastore
from ccsd.server.scoring.scores import Scores
from ccsd.studies.study import study_of
from ccsd.training.cases import load_case
from ccsd.training.digest import digest_of

logger = logging.getLogger(__name__)


class DiceOfModel(ScoringMethod):
    """Every subset of what a study has is segmented as inference does it, and compared in the network's space. Studies
    that the model was trained on are marked: on those it is better than on others."""

    def __init__(self, model: ServedModel, scores: Scores) -> None:
        super().__init__("Dice of the served model against the saved labels, per region and subset of modalities")
        self.model = model
        self.scores = scores

    def __call__(self, request: dict[str, Any], datastore: StudyDatastore) -> dict[str, Any]:
        """`{study: [{"modalities": [...], "WT": 0.9, ...}, ...]}`; each study is also a line of the log.

        Raises:
            InputError: no label is saved.
        """
        device = read_device(request.get("device"))
        checkpoint = self.model.current()
        checkpoint.network.to_device(device)
        rows = datastore.datalist()
        if not rows:
            raise InputError("no label with the tag final is saved, expected at least one to compare with")
        trained = checkpoint.card.trained_on
        result = {}
        for number, row in enumerate(rows, start=1):
            study = str(row["study"])
            try:
                found = self._compare(row, checkpoint, trained=study in trained)
            except InputError as error:
                logger.warning("%d of %d: %s cannot be compared: %s", number, len(rows), study, error)
                continue
            result[study] = found["dice"]
            whole = " ".join(f"{k}={v:.3f}" for k, v in found["dice"][0].items() if k != "modalities")
            logger.info("%d of %d: %s with all its modalities %s", number, len(rows), study, whole)
        return result

    def _compare(self, row: dict[str, Any], checkpoint: Checkpoint, *, trained: bool) -> dict[str, Any]:
        task, image, label = self.model.task, Path(row["image"]), Path(row["label"])
        study = study_of(image, task.modalities)
        key = f"{checkpoint.version} {digest_of(study, label, extra=str(row['regions']))}"
        found = self.scores.get(str(row["study"]), key)
        if found is not None:
            return found
        case = load_case(study, label, task, image=image, annotated=row["regions"])
        dice = dice_by_subset(
            checkpoint.network,
            case.volumes.float(),
            case.present,
            case.label,
            annotated=case.annotated,
            window=WindowConfig(),
        )
        now = datetime.now(UTC).isoformat(timespec="seconds")
        values = {"dice": table(mean_over([dice]), task), "trained": trained, "version": checkpoint.version, "at": now}
        self.scores.put(str(row["study"]), key, values)
        return values
