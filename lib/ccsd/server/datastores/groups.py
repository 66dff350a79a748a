"""Which images belong together, and which image a file is, found once for all images of an index."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from monailabel.datastore.local import ImageLabelModel


def study_of_entry(image_id: str, entry: ImageLabelModel) -> str:
    """Images of one study have the same; an index of an earlier version does not say it, each image then counts."""
    return str(entry.image.info.get("study", image_id))


@dataclass(frozen=True)
class Groups:
    """`images`: study -> its image ids; `by_file`: path below the studies folder -> image id."""

    images: dict[str, list[str]]
    by_file: dict[str, str]


def grouped(objects: Mapping[str, ImageLabelModel]) -> Groups:
    """The groups of these images, in their order."""
    images: dict[str, list[str]] = defaultdict(list)
    by_file = {}
    for image_id, entry in objects.items():
        images[study_of_entry(image_id, entry)].append(image_id)
        by_file[str(entry.image.info.get("file", ""))] = image_id
    return Groups(dict(images), by_file)
