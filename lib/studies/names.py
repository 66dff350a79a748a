"""File names of MRI studies: the one place that knows how BraTS of all years spells its modalities."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

# Spelling in a file name (lower case) -> modality. 2012-2021: t1 t1ce t2 flair; TCGA collections: t1Gd;
# 2023 on: t1n t1c t2w t2f; AURORA and others: fla, t1w, t1post.
SPELLINGS = {
    "t1": "t1",
    "t1n": "t1",
    "t1w": "t1",
    "t1ce": "t1ce",
    "t1c": "t1ce",
    "t1gd": "t1ce",
    "t1post": "t1ce",
    "t2": "t2",
    "t2w": "t2",
    "flair": "flair",
    "fla": "flair",
    "t2f": "flair",
    "t2flair": "flair",
}
BRAIN = ("t1", "t1ce", "t2", "flair")  # the modalities that names are read for where the caller has no others
LABEL_SPELLINGS = ("seg", "label", "glistrboost", "glistrboost_manuallycorrected", "silver")
EXTENSIONS = (".nii.gz", ".nii")

_SUFFIX = re.compile(r"^(?P<case>.+?)[-_. ](?P<kind>[A-Za-z0-9]+)$")


@dataclass(frozen=True)
class ImageName:
    """A file name taken apart: `case`, and either a `modality` or `is_label` (neither: not recognised)."""

    case: str
    modality: str | None
    is_label: bool


def strip_extension(filename: str) -> str:
    """`a.nii.gz` -> `a`; a name without a NIfTI extension stays as it is."""
    for extension in EXTENSIONS:
        if filename.lower().endswith(extension):
            return filename[: -len(extension)]
    return filename


def parse(path: Path | str, modalities: Sequence[str] = BRAIN) -> ImageName:
    """Take a file name apart. Example: `BraTS-GLI-00001-000-t1c.nii.gz` -> case BraTS-GLI-00001-000, t1ce.

    Args:
        modalities: those that a name may end in, each as it is written or in one of SPELLINGS.
    """
    known = _spellings(tuple(modalities))
    stem = strip_extension(Path(path).name)
    match = _SUFFIX.match(stem)
    if match is None:
        return ImageName(stem, known.get(stem.lower()), stem.lower() in LABEL_SPELLINGS)
    kind = match["kind"].lower()
    if kind in known:
        return ImageName(match["case"], known[kind], False)
    if kind in LABEL_SPELLINGS:
        return ImageName(match["case"], None, True)
    return ImageName(stem, None, False)


@lru_cache
def _spellings(modalities: tuple[str, ...]) -> Mapping[str, str]:
    """Spelling in lower case -> modality, for these modalities."""
    return {k: m for k, m in SPELLINGS.items() if m in modalities} | {m.lower(): m for m in modalities}


def is_image_file(path: Path) -> bool:
    """A NIfTI file that is not hidden (downloads and half-written files start with a dot)."""
    return path.name.lower().endswith(EXTENSIONS) and not path.name.startswith(".")
