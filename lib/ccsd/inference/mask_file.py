"""A mask as a file: NIfTI, NRRD or DICOM SEG, with how it was made in its header."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from ccsd.common.errors import InputError
from ccsd.imaging import filenames
from ccsd.imaging.nrrd import write_nrrd
from ccsd.imaging.seg_write import Author, make_seg
from ccsd.imaging.volumes import shown_grid, write_volume
from ccsd.inference.segmentation import Segmentation

DICOM_SEG = ".dcm"
EXTENSIONS = (*filenames.EXTENSIONS, ".nrrd", DICOM_SEG)


def write_mask(
    path: Path, found: Segmentation, *, relabel: Mapping[int, int] = MappingProxyType({}), compress: bool = False
) -> None:
    """Write the mask in the format of the path's extension; NIfTI and NRRD lie where readers put the target image.

    Args:
        relabel: label value -> value to write instead.
        compress: a .nrrd.

    Raises:
        InputError: a DICOM SEG of an image that is no DICOM series, or with other values.
    """
    if path.suffix == DICOM_SEG:
        _write_seg(path, found, relabel)
        return
    label, target, made = found.label, found.target, found.provenance()
    for value, written in relabel.items():
        label = np.where(label == value, written, label).astype(np.uint8)
    like = target.path if target.series is None and target.path.is_file() else None
    if path.suffix == ".nrrd":
        placed = shown_grid(like, found.grid) if like else found.grid
        write_nrrd(path, label, placed, compress=compress, provenance=made)
    else:
        write_volume(path, label, found.grid, like=like, provenance=made)


def _write_seg(path: Path, found: Segmentation, relabel: Mapping[int, int]) -> None:
    series, made = found.target.series, found.provenance()
    if series is None:
        raise InputError(f"image {found.target.name} is no DICOM series, expected one for a DICOM segmentation")
    if relabel:
        raise InputError("enhancing_value is not for DICOM segmentations, whose segments have names and codes")
    author = Author("AUTOMATIC", made["model"], f"CCSD {found.task.name} from {made['modalities']}", made)
    seg = make_seg(found.label, series, found.task, author, frames=found.target.frames)
    seg.save_as(path, write_like_original=False)
