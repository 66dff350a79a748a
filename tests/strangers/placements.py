"""NIfTI headers that say in several ways, or in none, where voxels are.

Sources: issues of nilearn, nibabel, ITK, spinalcordtoolbox and MONAI Label on images whose qform and sform codes are 0
(Analyze, MATLAB, older converters), whose qform is another than the sform, and whose pixdim is not the sform's scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

SHAPE = (10, 12, 9)


@dataclass(frozen=True)
class Placement:
    """What a header says; `pixdim` scales its edges away from those of the forms."""

    qform: NDArray[np.float64]
    sform: NDArray[np.float64]
    qform_code: int
    sform_code: int
    pixdim: float
    units: int
    second: bool = False  # NIfTI-2

    def write(self, path: Path, data: NDArray[np.generic]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = nib.nifti2.Nifti2Image if self.second else nib.nifti1.Nifti1Image
        header = kind.header_class()
        header.set_data_dtype(data.dtype)
        header.set_qform(self.qform, self.qform_code)
        header.set_sform(self.sform, self.sform_code)
        header["pixdim"][1:4] *= self.pixdim
        header["xyzt_units"] = self.units
        nib.loadsave.save(kind(data, None, header), path)
        return path


def turned(angles: tuple[float, ...], edges: tuple[float, ...], flips: tuple[float, ...]) -> NDArray[np.float64]:
    rotation = nib.eulerangles.euler2mat(*np.radians(angles))
    return nib.affines.from_matvec(rotation @ np.diag(np.multiply(edges, flips)), np.multiply(angles, 0.3))


AFFINES = st.builds(
    turned,
    st.tuples(*[st.sampled_from([0.0, 0.0, 90.0, 180.0, 7.0, -31.0])] * 3),
    st.tuples(*[st.sampled_from([1.0, 0.5, 0.9, 6.5])] * 3),
    st.tuples(*[st.sampled_from([1.0, -1.0])] * 3),
)
CODES = st.sampled_from([0, 0, 1, 2, 3, 4])
PLACEMENTS = st.builds(
    Placement, AFFINES, AFFINES, CODES, CODES, st.sampled_from([1.0, 1.0, 0.5, 3.0]), st.sampled_from([2, 10, 0]),
    st.booleans(),
)  # fmt: skip
