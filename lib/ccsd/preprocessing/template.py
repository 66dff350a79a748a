"""The standard brain that raw studies are turned to: ICBM152 as nilearn's wheel carries it, in MNI space.

ICBM 152 symmetric 09a, (C) 1993-2009 Louis Collins, McConnell Brain Imaging Centre, Montreal Neurological Institute,
free to use, copy and modify with this notice.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path

import nibabel as nib
import numpy as np

from ccsd.imaging.volumes import Grid, Volume

FILE = "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"


@lru_cache(maxsize=1)
def template() -> Volume:
    """T1 of the brain without skull, every second voxel: (99, 117, 95) of 2 mm, zero outside."""
    spec = importlib.util.find_spec("nilearn")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the template is missing: expected nilearn, as requirements-nodeps.txt installs it")
    image = nib.loadsave.load(Path(spec.origin).parent / "datasets" / "data" / FILE)
    data = np.asarray(image.dataobj, dtype=np.float32)[::2, ::2, ::2]
    a, b, c = data.shape
    return Volume(data, Grid((a, b, c), image.affine @ np.diag([2.0, 2.0, 2.0, 1.0])))
