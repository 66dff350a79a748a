"""Folders that stand for an image or a modality -> the files of a study as if they lay side by side.

BraTS 2013 to 2015 have a folder an image (`VSD.Brain.XX.O.MR_T1c.54512/` with a file of that name), Kaggle's copies a
folder named like the file in it (`x_flair.nii/x_flair.nii`), others a folder a modality (`T1/p1.nii.gz` and
`FLAIR/p1.nii.gz`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ccsd.imaging import filenames
from ccsd.studies import names
from ccsd.studies.evidence import BRAIN
from ccsd.studies.identity import identity_of
from ccsd.studies.partition import named

Files = Mapping[Path, str]  # file -> the name that it is to be read by


def gathered(folders: Mapping[Path, Sequence[Path]]) -> dict[Path, dict[Path, str]]:
    """Folder -> images in it -> the same, with those of folders a modality in the folder above.

    Args:
        folders: folders with the images that lie in each.
    """
    beside: dict[Path, list[Path]] = defaultdict(list)
    for folder, images in folders.items():
        if _kind_of_folder(folder, images):
            beside[folder.parent].append(folder)
    out = {folder: {path: path.name for path in images} for folder, images in folders.items()}
    for parent, members in beside.items():
        if len({_kind_of_folder(m, folders[m]) for m in members}) > 1:
            for member in members:
                out.setdefault(parent, {}).update({p: _read_as(p, folders[member]) for p in out.pop(member)})
    return out


def is_of_one_modality(folder: Path) -> bool:
    """Whether a folder's name tells a modality, or that it holds labels."""
    return _kind(folder.name) is not None


def _kind_of_folder(folder: Path, images: Iterable[Path]) -> str | None:
    """The modality of a folder and of all that is in it; None where it has none, or several."""
    kind = _kind(folder.name)
    own = {_kind(path.name) for path in images} - {None}
    return kind if kind and own <= {kind} else None


def _kind(name: str) -> str | None:
    """A modality, or `label`."""
    parsed = names.parse(name, BRAIN)
    if parsed.modality or parsed.is_label:
        return parsed.modality or "label"
    kind = named(filenames.strip_extension(name)).kind
    if kind is None or kind == ("label",):
        return "label" if kind else None
    return "t1ce" if kind == ("t1", True) else str(kind[0])


def _read_as(path: Path, images: Sequence[Path]) -> str:
    """A folder of one image that has a case's name stands for it; else the file tells the case, and the folder what it
    leaves open."""
    folder = path.parent.name
    if len(images) == 1 and not _is_bare(folder):
        return folder if filenames.is_image_file(folder) else f"{folder}{filenames.EXTENSIONS[0]}"
    if _kind(path.name):
        return path.name
    return f"{filenames.strip_extension(path.name)}_{re.sub(r'[^A-Za-z0-9]+', '_', folder)}{filenames.EXTENSIONS[0]}"


def _is_bare(folder: str) -> bool:
    """Whether nothing in a folder's name says whose image it is: `T1`, `T1_post`, `2_FLAIR`."""
    read = identity_of(filenames.strip_extension(folder))
    return not read.words
