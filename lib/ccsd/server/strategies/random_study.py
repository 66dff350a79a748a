"""The strategy `random`: a study without a label, by an image that can be drawn on."""

from __future__ import annotations

import random
import time
from typing import Any

from monailabel.tasks.activelearning.random import Random

from ccsd.server.datastores.store import StudyDatastore
from ccsd.server.strategies.readable import why_not


class RandomStudy(Random):
    """MONAI Label's `random`, which would also offer localisers and maps of a study. What was offered long ago is as
    likely there as what never was, what was offered just now is not. A study with an image that cannot be read is not
    offered; the log and `not_offered` in the answer say why."""

    def __call__(self, request: dict[str, Any], datastore: StudyDatastore) -> dict[str, Any] | None:
        images = datastore.get_unlabeled_images(request.get("label_tag"))
        if not images:
            return None
        offered, now = datastore.offered(request["strategy"]), int(time.time())
        weights = [max(1, now - offered.get(image, 0)) for image in images]
        left = dict(zip(images, weights, strict=True))
        reasons: dict[str, str] = {}
        while left:
            (picked,) = random.choices(list(left), weights=list(left.values()))
            reason = why_not(picked, datastore)
            if reason is None:
                told = {"not_offered": reasons} if reasons else {}
                return {"id": datastore.image_to_draw_on(picked), "weight": left[picked], **told}
            reasons[picked] = reason
            del left[picked]
        return None
