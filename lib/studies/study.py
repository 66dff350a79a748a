"""A study: which file is which modality, found from a folder or from any one of its files."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lib.errors import InputError, NotFoundError
from lib.studies import names

logger = logging.getLogger(__name__)

IGNORED_FOLDERS = {"labels"}  # MONAI Label keeps its label files there


@dataclass(frozen=True)
class Study:
    """One examination of one patient.

    Attributes:
        id: the case part of its file names.
        files: modality -> image file, in the order in which the names sort.
        label: the reference label beside the images, if there is one.
    """

    id: str
    files: dict[str, Path]
    label: Path | None = None

    def restricted(self, modalities: Iterable[str]) -> Study:
        """The same study with only `modalities`.

        Raises:
            InputError: a modality that the study does not have.
        """
        wanted = list(dict.fromkeys(modalities))
        absent = [m for m in wanted if m not in self.files]
        if absent or not wanted:
            raise InputError(
                f"modalities: study {self.id} has no {', '.join(absent) or 'modality of an empty list'}, "
                f"expected some of {', '.join(self.files)}"
            )
        return replace(self, files={m: f for m, f in self.files.items() if m in wanted})


def find_studies(root: Path, modalities: Sequence[str] = names.BRAIN) -> list[Study]:
    """All studies under `root`, recursively, sorted by id. A study is a folder's files with one case name.

    Only files of `modalities` count. A study that cannot be used (two files for one modality) is left out with a
    warning in the log.

    Raises:
        NotFoundError: `root` is no folder.
    """
    if not root.is_dir():
        raise NotFoundError(f"studies folder {root} does not exist")
    groups: dict[tuple[Path, str], list[Path]] = {}
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = sorted(f for f in subfolders if f not in IGNORED_FOLDERS and not f.startswith("."))
        for file in sorted(files):
            path = Path(folder, file)
            if names.is_image_file(path):
                groups.setdefault((path.parent, names.parse(path, modalities).case), []).append(path)
    studies = []
    for (_, case), paths in groups.items():
        try:
            studies.append(_assemble(case, paths, modalities))
        except InputError as error:
            logger.warning("left out: %s", error)
    return sorted((s for s in studies if s.files), key=lambda s: s.id)


def study_of(image: Path, modalities: Sequence[str] = names.BRAIN, *, modality: str | None = None) -> Study:
    """The study that `image` belongs to: the files beside it that share its case name.

    Args:
        image: any modality's file.
        modalities: those that file names are read for.
        modality: what the image is, for a file whose name does not tell; it is then a study of its own.

    Raises:
        NotFoundError: no such file.
        InputError: the name tells no modality and none is given, or two files claim the same one.
    """
    if not image.is_file():
        raise NotFoundError(f"image {image.name} does not exist")
    name = names.parse(image, modalities)
    if name.modality is None:
        if modality is None:
            raise InputError(
                f"cannot tell the modality of {image.name}: expected a name that ends in one of "
                f"{', '.join(modalities)}, or a request whose parameter modalities names the one modality that it is"
            )
        return Study(name.case, {modality: image})
    files = [p for p in image.parent.iterdir() if names.is_image_file(p)]
    siblings = [p for p in files if names.parse(p, modalities).case == name.case]
    return _assemble(name.case, sorted(siblings), modalities)


def _assemble(case: str, paths: Sequence[Path], modalities: Sequence[str]) -> Study:
    files: dict[str, Path] = {}
    label = None
    for path in paths:
        name = names.parse(path, modalities)
        if name.is_label:
            label = path
        elif name.modality is not None:
            if name.modality in files:
                taken = files[name.modality].name
                raise InputError(f"study {case} has two files for {name.modality}: {taken} and {path.name}")
            files[name.modality] = path
    return Study(case, files, label)
