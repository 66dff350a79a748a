"""A mask as a file: NIfTI, NRRD or DICOM SEG, with how it was made in its header; beside it the map of agreement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ccsd.common.errors import InputError
from ccsd.imaging import filenames
from ccsd.imaging.map_write import make_map
from ccsd.imaging.nrrd import write_nrrd
from ccsd.imaging.seg_write import Author, make_seg
from ccsd.imaging.volumes import shown_grid, write_volume
from ccsd.inference.confidence import ONE_MODALITY
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
    label = found.label
    for value, written in relabel.items():
        label = np.where(label == value, written, label).astype(np.uint8)
    _write_volume(path, label, found, compress=compress)


def agreement_beside(mask: Path) -> Path:
    """Where the map of agreement of a mask is: `p_seg.nii.gz` -> `p_agreement.nii.gz` in the same folder."""
    extension = next(e for e in EXTENSIONS if mask.name.endswith(e))
    return mask.with_name(f"{mask.name.removesuffix(extension).removesuffix('_seg')}_agreement{extension}")


def write_agreement(path: Path, found: Segmentation, *, compress: bool = False) -> None:
    """Write the map of agreement (`ccsd.inference.confidence`) as `write_mask` writes the mask, as 32-bit floats.

    Raises:
        InputError: it was not asked for, or cannot be told of one modality; a .dcm of an image that is no DICOM series.
    """
    if found.confidence is None or found.confidence.agreement is None:
        raise InputError(f"image {found.target.name} has no map of agreement: {ONE_MODALITY}")
    if path.suffix == DICOM_SEG:
        series = _series(found)
        made = make_map(found.confidence.agreement, series, "agreement", _author(found), frames=found.target.frames)
        made.save_as(path, write_like_original=False)
    else:
        _write_volume(path, found.confidence.agreement, found, compress=compress)


def _write_volume(path: Path, data: NDArray[np.generic], found: Segmentation, *, compress: bool) -> None:
    target, made = found.target, found.provenance()
    like = target.path if target.series is None and target.path.is_file() else None
    if path.suffix == ".nrrd":
        placed = shown_grid(like, found.grid) if like else found.grid
        write_nrrd(path, data, placed, compress=compress, provenance=made)
    else:
        write_volume(path, data, found.grid, like=like, provenance=made)


def _write_seg(path: Path, found: Segmentation, relabel: Mapping[int, int]) -> None:
    series = _series(found)
    if relabel:
        raise InputError("enhancing_value is not for DICOM segmentations, whose segments have names and codes")
    seg = make_seg(found.label, series, found.task, _author(found), frames=found.target.frames)
    seg.save_as(path, write_like_original=False)


def _series(found: Segmentation) -> Sequence[Path]:
    if found.target.series is None:
        raise InputError(f"image {found.target.name} is no DICOM series, expected one for a DICOM segmentation")
    return found.target.series


def _author(found: Segmentation) -> Author:
    made = found.provenance()
    return Author("AUTOMATIC", made["model"], f"CCSD {found.task.name} from {made['modalities']}", made)
