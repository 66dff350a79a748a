"""The strategy `random`: a study without a label, by an image that can be drawn on."""

from __future__ import annotations

from typing import Any

from monailabel.tasks.activelearning.random import Random

from lib.datastores.local import StudyDatastore


class RandomStudy(Random):
    """MONAI Label's `random`, which would also offer localisers and maps of a study."""

    def __call__(self, request: dict[str, Any], datastore: StudyDatastore) -> dict[str, Any] | None:
        picked: dict[str, Any] | None = super().__call__(request, datastore)
        return {**picked, "id": datastore.image_to_draw_on(picked["id"])} if picked else None
