"""Labels as files, `labels/<tag>/<image id>.nii.gz` in the folder of the index."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from monailabel.datastore.local import DataModel
from numpy.typing import NDArray

from ccsd.common.errors import NotFoundError
from ccsd.common.files import remove_leftovers, replacing
from ccsd.imaging import filenames
from ccsd.imaging.grid import Grid
from ccsd.imaging.volumes import write_volume
from ccsd.server.datastores import unfinished
from ccsd.server.datastores.annotation import provenance_of
from ccsd.server.datastores.index import FINAL, Entries, Index

logger = logging.getLogger(__name__)

EXTENSION = filenames.EXTENSIONS[0]


class LabelFiles:
    """Labels beside the studies, or in the folder of a server's copy. Files that others put there count too."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._folder = index.folder / "labels"
        for tag in (FINAL, "original"):  # people put labels there
            (self._folder / tag).mkdir(parents=True, exist_ok=True)
        for folder in self._folder.glob("*/"):
            remove_leftovers(folder)
        self._finish()

    def file(self, image_id: str, tag: str) -> str:
        with self._index.reading() as entries:
            label = image_id in entries and entries[image_id].labels.get(tag)
            return os.path.realpath(self._folder / tag / f"{image_id}{label.ext}") if label else ""

    def keep(
        self, image_id: str, tag: str, values: NDArray[np.uint8], grid: Grid, info: Mapping[str, Any], like: Path | None
    ) -> None:
        """Both as before or both new, on a full disk and after kill -9 too."""
        path = self._folder / tag / f"{image_id}{EXTENSION}"
        whole = {**info, "name": path.name}
        with (
            self._index.locked() as entries,
            unfinished.label(path) as note,
            self._index.replacing() as write_index,
            replacing(path) as temporary,
        ):
            write_volume(temporary, values, grid, like=like, provenance=provenance_of(info))
            note(temporary, whole)
            entries[image_id].labels[tag] = DataModel(info=whole, ext=EXTENSION)
            write_index()  # before the label takes its place: there is room for both

    def remove(self, image_id: str, tag: str) -> None:
        with self._index.locked() as entries:
            file = self.file(image_id, tag)
            if not file:
                raise NotFoundError(f"image {image_id} has no label with the tag {tag}")
            Path(file).unlink(missing_ok=True)
            del entries[image_id].labels[tag]
            self._index.write()

    def take(self, segmentations: Mapping[str, str]) -> None:
        """Labels are files here."""

    def compare(self, entries: Entries) -> int:
        tags = {folder.name for folder in self._folder.glob("*/")}
        tags |= {tag for entry in entries.values() for tag in entry.labels}
        return sum(self._compare(tag, entries) for tag in tags)

    def _compare(self, tag: str, entries: Entries) -> int:
        there = self._files(tag)
        gone = [i for i, e in entries.items() if tag in e.labels and f"{i}{e.labels[tag].ext}" not in there]
        for image_id in gone:
            del entries[image_id].labels[tag]
        found = {filenames.strip_extension(file): file for file in reversed(there)}
        new = {i: file for i, file in found.items() if i in entries and tag not in entries[i].labels}
        for image_id, file in new.items():
            info = {"ts": int(time.time()), "name": file}
            entries[image_id].labels[tag] = DataModel(info=info, ext=file[len(image_id) :])
        strays = len(found.keys() - entries.keys())
        if strays:
            logger.warning("%d labels with the tag %s are of no image that is there", strays, tag)
        return len(gone) + len(new)

    def _files(self, tag: str) -> dict[str, None]:
        """In their order."""
        try:
            files = os.listdir(self._folder / tag)
        except FileNotFoundError:
            return {}
        return dict.fromkeys(sorted(f for f in files if filenames.is_image_file(f)))

    def _finish(self) -> None:
        """Labels that a process was saving when it was killed: what was to be said of those that are there is said."""
        if not unfinished.labels(self._folder):
            return
        with self._index.locked() as entries:  # who saves now has the lock until there is nothing unfinished
            left = unfinished.labels(self._folder)
            for label in left:
                info, image_id = unfinished.noted(label), filenames.strip_extension(label.name)
                if info is not None and image_id in entries:
                    entries[image_id].labels[label.parent.name] = DataModel(info=info, ext=EXTENSION)
                    logger.info("%s was being saved when its server was killed: it is there", label.name)
            self._index.write()
            for label in left:
                unfinished.forget(label)
