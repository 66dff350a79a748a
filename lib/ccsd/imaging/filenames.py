"""Which file names are those of images, and what such a name is without its extension."""

from __future__ import annotations

import os
from pathlib import Path

EXTENSIONS = (".nii.gz", ".nii")  # what masks are written as
# Of images in two files it is the header's: the voxels beside it (.img, .raw) are of no use alone.
IMAGE_EXTENSIONS = (*EXTENSIONS, ".nrrd", ".nhdr", ".mha", ".mhd", ".mgz", ".mgh", ".hdr", ".hdr.gz")
# Extension -> what clients get instead, where they could not read the file by its name.
CONVERTED = {
    ".nii": ".nii",
    **dict.fromkeys([".nii.gz", ".nhdr", ".mhd", ".mgz", ".mgh", ".hdr", ".hdr.gz"], ".nii.gz"),
}


def strip_extension(filename: str) -> str:
    """`a.nii.gz` -> `a`; a name without an image's extension stays as it is."""
    for extension in IMAGE_EXTENSIONS:
        if filename.lower().endswith(extension):
            return filename[: -len(extension)]
    return filename


def extension(path: Path | str) -> str:
    """`a.nii.gz` -> `.nii.gz`, as it is written; empty for a name without an image's extension."""
    name = os.path.basename(path)
    return name[len(strip_extension(name)) :]


def is_image_file(path: Path | str) -> bool:
    """Whether a name is an image file's, and not hidden (downloads and half-written files start with a dot)."""
    name = os.path.basename(path)
    return name.lower().endswith(IMAGE_EXTENSIONS) and not name.startswith(".")
