"""A map of values on the grid of a DICOM series -> a Parametric Map object (PS3.3 A.75), written by highdicom."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.sr.coding import Code

from ccsd.imaging.seg_write import SERIES_NUMBER, Author, new_series, on_series

NO_UNIT = Code("1", "UCUM", "no units")


def make_map(
    values: NDArray[np.float32],
    files: Sequence[Path],
    name: str,
    author: Author,
    *,
    frames: Sequence[int | None] | None = None,
) -> Dataset:
    """A map of shares, 0 to 1 and without a unit, as 32-bit floats.

    Args:
        values: (D, H, W) on the grid that `ccsd.imaging.dicom_volume.read_series` gives for `files`.
        files, frames: as `ccsd.imaging.seg_write.make_seg` takes them.
        name: of what is mapped, at most 16 characters.

    Raises:
        InputError: a file without FrameOfReferenceUID, to which a map must refer.
    """
    sources, planes, places = on_series(values, files, frames)
    mapping = hd.pm.RealWorldValueMapping(
        lut_label=name,
        lut_explanation=name,
        unit=NO_UNIT,
        value_range=(0.0, 1.0),
        slope=1,
        intercept=0,
    )
    made = hd.pm.ParametricMap(
        source_images=sources,
        pixel_array=planes.astype(np.float32),
        **places,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        window_center=0.5,
        window_width=1.0,
        content_label=name.upper(),
        **new_series(author, SERIES_NUMBER + 1),
    )
    made.SharedFunctionalGroupsSequence[0].FrameAnatomySequence = Items([_brain()])
    return made


def _brain() -> Dataset:
    """The Frame Anatomy macro (PS3.3 C.7.6.16.2.8), without which dcmqi, and so 3D Slicer, crashes."""
    anatomy = Dataset()
    anatomy.AnatomicRegionSequence = Items([hd.sr.CodedConcept("12738006", "SCT", "Brain")])
    anatomy.FrameLaterality = "U"
    return anatomy
