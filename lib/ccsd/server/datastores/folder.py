"""Studies of a folder: its sub-folders are read, reference labels are no images."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ccsd.common.errors import InputError
from ccsd.common.files import remove_leftovers
from ccsd.imaging import filenames
from ccsd.imaging.sources import Source
from ccsd.imaging.volumes import Grid, Volume, read_source, read_stack_grid, source_grid
from ccsd.method.task import Task
from ccsd.server.datastores import downloads
from ccsd.server.datastores.index import Image, Index
from ccsd.server.datastores.label_files import LabelFiles
from ccsd.server.datastores.parts import Found, Listing, source_of_series
from ccsd.server.datastores.store import StudyDatastore
from ccsd.studies import names
from ccsd.studies.study import Study, survey

IMAGE_ID = re.compile(r"(?!\.)[^/\\\x00-\x1f]{1,150}")


def open_folder(path: Path, task: Task, *, patient_ids: bool = True) -> StudyDatastore:
    """A datastore of the studies below `path`, with the labels in its `labels` folder."""
    index = Index(path)
    return StudyDatastore(index, StudyFolder(path, task), LabelFiles(index), task, patient_ids=patient_ids)


class StudyFolder:
    """A tree of studies. Listed are the images of a known modality, the second choices among them too.

    A DICOM series is one image. Clients that download it, or an image in two files or in a format that its name does
    not say, get NIfTI, kept under `.ccsd/`. What clients send is kept in `uploads/`, beside the images of its case.
    """

    listed_for = math.inf  # people ask for a new look, and so does an image that is not known

    def __init__(self, root: Path, task: Task) -> None:
        self._root, self._task = root, task
        self._kept = root / ".ccsd"
        for folder in (self._kept, *root.glob("uploads/*/")):
            remove_leftovers(folder)

    @property
    def name(self) -> str:
        return str(self._root)

    def look(self) -> Listing:
        studies, start = survey(self._root, self._task.modalities), f"{self._root}{os.sep}"
        return Listing(
            images=[
                Found(str(s.path).removeprefix(start), study.id, s.uid) for study in studies for s in _images(study)
            ],
            patients={study.id: study.patient for study in studies if study.patient},
            unrecognised=[study for study in studies if not study.sources],
        )

    def changed(self, file: str) -> int | None:
        try:
            return int(os.stat(f"{self._root}/{file}").st_mtime)
        except FileNotFoundError:
            return None

    def is_gone(self, image: Image) -> bool:
        return not os.path.isfile(f"{self._root}/{image.file}")

    def headers(self, image: Image) -> Path:
        # an image that is a link (git-annex, DataLad) has its name, and its sisters, where the link is
        return Path(os.path.realpath(self._root), image.file)

    def file(self, image: Image, *, named: Mapping[str, str] | None = None, modality: str | None = None) -> Path:
        return self.headers(image)

    def own_file(self, image: Image) -> Path | None:
        return None if image.series or not filenames.is_image_file(image.file) else self._root / image.file

    def grid(self, image: Image) -> Grid:
        source = self._volume(image)
        return source_grid(source) if source else read_stack_grid(self.headers(image))[0]

    def read(self, source: Source) -> Volume:
        return read_source(source)

    def download(self, image: Image) -> Path:
        source = self._volume(image)
        if source is not None:
            return downloads.of_series(image.id, source, self._kept)
        return downloads.of_file(image.id, self.headers(image), self._kept)

    def describe(self, image: Image) -> dict[str, Any]:
        return {"path": str(self.download(image))}

    def image_to_draw_on(self, image: Image) -> str:
        return image.id  # all that are listed can be

    def place_for(self, image_id: str, sent: Path) -> Path:
        if not IMAGE_ID.fullmatch(image_id):
            raise InputError(f"image is {image_id!r}, expected a name without / and control characters")
        name = f"{image_id}{filenames.extension(sent)}"
        parsed = names.parse(name, self._task.modalities)
        return self._root / "uploads" / (parsed.case if parsed.modality else image_id) / name

    def _volume(self, image: Image) -> Source | None:
        """The volume of a DICOM series; None for other images."""
        if not image.series:
            return None
        return source_of_series(survey(self.headers(image), self._task.modalities)[0], image.series)


def _images(study: Study) -> list[Source]:
    """The study's images of known modality, each file once."""
    sources = [*study.sources.values(), *(left.source for left in study.spare)]
    return list({source.path: source for source in sources}.values())
