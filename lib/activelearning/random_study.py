"""The strategy `random`: a study without a label, by an image that can be drawn on."""

from __future__ import annotations

import logging
import random
import time
from typing import Any

from monailabel.tasks.activelearning.random import Random

from lib.datastores.local import StudyDatastore
from lib.errors import InputError

logger = logging.getLogger(__name__)


class RandomStudy(Random):
    """MONAI Label's `random`, which would also offer localisers and maps of a study. What was offered long ago is as
    likely there as what never was, what was offered just now is not. A study with an image that cannot be read is not
    offered; the log says why."""

    def __call__(self, request: dict[str, Any], datastore: StudyDatastore) -> dict[str, Any] | None:
        images = datastore.get_unlabeled_images(request.get("label_tag"))
        if not images:
            return None
        offered, now = datastore.offered(request["strategy"]), int(time.time())
        weights = [max(1, now - offered.get(image, 0)) for image in images]
        left = dict(zip(images, weights, strict=True))
        while left:
            (picked,) = random.choices(list(left), weights=list(left.values()))
            if _is_readable(picked, datastore):
                return {"id": datastore.image_to_draw_on(picked), "weight": left[picked]}
            del left[picked]
        return None


def _is_readable(image: str, datastore: StudyDatastore) -> bool:
    """Whether every image of its study can be read."""
    try:
        study = datastore.study(image)
        for source in study.sources.values():
            datastore.read(source)
    except InputError as error:
        logger.warning("the study of %s is not offered: %s", image, error)
        return False
    return bool(study.sources)
