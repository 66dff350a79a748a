"""The strategy `random`: a study without a label, by an image that can be drawn on."""

from __future__ import annotations

import random
import time
from typing import Any

from monailabel.tasks.activelearning.random import Random

from lib.datastores.local import StudyDatastore


class RandomStudy(Random):
    """MONAI Label's `random`, which would also offer localisers and maps of a study. What was offered long ago is as
    likely there as what never was, what was offered just now is not."""

    def __call__(self, request: dict[str, Any], datastore: StudyDatastore) -> dict[str, Any] | None:
        images = datastore.get_unlabeled_images(request.get("label_tag"))
        if not images:
            return None
        offered, now = datastore.offered(request["strategy"]), int(time.time())
        weights = [max(1, now - offered.get(image, 0)) for image in images]
        (picked,) = random.choices(range(len(images)), weights=weights)
        return {"id": datastore.image_to_draw_on(images[picked]), "weight": weights[picked]}
