"""A SEG object, whoever wrote it -> a label map on the grid of the series that it refers to."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from ccsd.common.errors import GridMismatchError, InputError, first_line
from ccsd.imaging.dicom_volume import LPS_TO_RAS
from ccsd.imaging.grid import Grid
from ccsd.imaging.seg_codes import value_of
from ccsd.imaging.segment_names import value_of_name
from ccsd.method.task import Task

logger = logging.getLogger(__name__)

NEAR = 0.1  # voxels that a frame may lie beside the series' own


def referenced_series(seg: Dataset) -> str:
    """SeriesInstanceUID of the images that were segmented (PS3.3 C.12.1.1.3); empty if it names none."""
    series = seg.get("ReferencedSeriesSequence")
    return str(series[0].SeriesInstanceUID) if series else ""


def is_automatic(seg: Dataset) -> bool:
    """Whether a program made all segments: then nobody has looked at them."""
    return all(s.get("SegmentAlgorithmType") == "AUTOMATIC" for s in seg.SegmentSequence)


def read_seg(seg: Dataset, grid: Grid, task: Task) -> NDArray[np.uint8]:
    """The label map (D, H, W) on `grid`, the referenced series'. Frames may be cropped, left out, turned by right
    angles and in any order; segments may have any number: their codes tell what they are, else their names.

    Raises:
        InputError: not a binary segmentation, no segment that the task has, or voxels that cannot be read.
        GridMismatchError: frames between the series' voxels.
    """
    if seg.get("SegmentationType") != "BINARY":
        raise InputError(f"the segmentation is {seg.get('SegmentationType')}, expected BINARY")
    values = _values(seg, task)
    pixels = _pixels(seg)
    drawn: dict[int, NDArray[np.bool_]] = {v: np.zeros(grid.shape, dtype=bool) for v in set(values.values())}
    for frame, groups in zip(pixels, seg.PerFrameFunctionalGroupsSequence, strict=True):
        number = int(groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        if number in values and frame.any():
            drawn[values[number]][_voxels(frame, _frame_affine(seg, groups), grid)] = True
    label = np.zeros(grid.shape, dtype=np.uint8)
    for value in task.region_labels.values():  # what lies inside another region goes over it
        if value in drawn:
            label[drawn[value]] = value
    return label


def known_regions(seg: Dataset, task: Task) -> list[str]:
    """The regions that its segments tell of. Raises InputError: it has no segment that the task has."""
    return list(task.annotated(_values(seg, task).values()))


def _values(seg: Dataset, task: Task) -> Mapping[int, int]:
    """Segment number -> label value. Raises InputError if there is none."""
    found = {}
    for segment in seg.SegmentSequence:
        number, name = int(segment.SegmentNumber), str(segment.get("SegmentLabel", ""))
        value = value_of(_codes(segment), task) or value_of_name(name, task.segment_names)
        if value is None:
            logger.info("segment %d %r is none of %s, left out", number, name, ", ".join(task.labels))
        else:
            found[number] = value
    if not found:
        names = ", ".join(repr(str(s.get("SegmentLabel", ""))) for s in seg.SegmentSequence)
        raise InputError(f"the segmentation has the segments {names}, expected some of {', '.join(task.labels)}")
    return found


def _codes(segment: Dataset) -> list[Code]:
    """Of the type and its modifiers."""
    items = list(segment.get("SegmentedPropertyTypeCodeSequence", ()))
    items += [m for item in items for m in item.get("SegmentedPropertyTypeModifierCodeSequence", ())]
    items += list(segment.get("SegmentedPropertyTypeModifierCodeSequence", ()))
    return [
        Code(str(i.CodeValue), str(i.CodingSchemeDesignator), str(i.CodeMeaning)) for i in items if "CodeValue" in i
    ]


def _pixels(seg: Dataset) -> NDArray[np.bool_]:
    """(frames, rows, columns)."""
    try:
        pixels = seg.pixel_array
    except Exception as error:  # pydicom raises whatever the bytes or a missing decoder provoke
        raise InputError(f"the segmentation has voxels that cannot be read ({first_line(error)})") from error
    return np.asarray(pixels.reshape(-1, seg.Rows, seg.Columns) > 0)


def _frame_affine(seg: Dataset, groups: Dataset) -> NDArray[np.float64]:
    """(column, row) of a frame -> world in RAS mm, (4, 3) homogeneous. Functional groups may be shared (PS3.3
    C.7.6.16.1.1)."""
    shared = seg.SharedFunctionalGroupsSequence[0]

    def group(keyword: str) -> Dataset:
        return (groups if keyword in groups else shared)[keyword].value[0]

    position = group("PlanePositionSequence").ImagePositionPatient
    orientation = np.array(group("PlaneOrientationSequence").ImageOrientationPatient, dtype=float)
    between_rows, between_columns = (float(v) for v in group("PixelMeasuresSequence").PixelSpacing)
    affine = np.zeros((4, 3))
    affine[:3, 0] = orientation[:3] * between_columns
    affine[:3, 1] = orientation[3:] * between_rows
    affine[:3, 2] = [float(v) for v in position]
    affine[3, 2] = 1
    return np.asarray(LPS_TO_RAS @ affine)


def _voxels(frame: NDArray[np.bool_], affine: NDArray[np.float64], grid: Grid) -> tuple[NDArray[np.int64], ...]:
    """Indices into the series' volume of a frame's set pixels."""
    rows, columns = np.nonzero(frame)
    where = np.linalg.inv(grid.affine) @ affine @ np.stack([columns, rows, np.ones_like(rows)])
    index = np.rint(where[:3]).astype(np.int64)
    if np.abs(where[:3] - index).max() > NEAR:
        raise GridMismatchError("the segmentation lies between the voxels of its series, expected its grid")
    shape = np.array(grid.shape)[:, None]
    if (index < 0).any() or (index >= shape).any():
        raise GridMismatchError("the segmentation reaches out of its series, expected its grid")
    return index[0], index[1], index[2]
