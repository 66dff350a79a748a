"""One image in every format and under every name that it is sent as, each written by another program than reads it.

Sources: issues of nibabel, ITK and dcm2niix on `.nii.gz` that browsers unpacked on the way and that were packed twice;
BraTS 2013 to 2015 (.mha); FreeSurfer (.mgz); SPM and FSL (.hdr and .img); Slicer (.nrrd, .nhdr, .mhd).
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK
from numpy.typing import NDArray

Data = NDArray[np.generic]
Affine = NDArray[np.float64]
Form = Callable[[Path, Data, Affine], Path]  # (path without extension, voxels, affine) -> the file to ask for


def nifti(data: Data, affine: Affine, *, kind: type = nib.nifti1.Nifti1Image, endian: str = "<") -> bytes:
    image = kind(data, affine, kind.header_class(endianness=endian))
    image.set_data_dtype(data.dtype)
    image.set_sform(affine, 1)
    return bytes(image.to_bytes())


def put(stem: Path, extension: str, content: bytes) -> Path:
    path = stem.with_name(stem.name + extension)
    path.write_bytes(content)
    return path


def packed(content: bytes, times: int = 1) -> bytes:
    for _ in range(times):
        content = gzip.compress(content, 1)
    return content


def by_itk(stem: Path, data: Data, affine: Affine, extension: str, *, compress: bool = False) -> Path:
    """Written by ITK, in LPS."""
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(data.transpose(2, 1, 0)))
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    path = stem.with_name(stem.name + extension)
    SimpleITK.WriteImage(image, str(path), compress)
    return path


def renamed(path: Path, stem: Path, extension: str) -> Path:
    return path.rename(stem.with_name(stem.name + extension))


def pair(stem: Path, data: Data, affine: Affine, *, zipped: bool = False, kind: type = nib.nifti1.Nifti1Pair) -> Path:
    """NIfTI in two files; asked for is the header."""
    image = kind(data, affine)
    for part, extension in (("header", ".hdr"), ("image", ".img")):
        image.file_map[part].filename = str(stem.with_name(f"{stem.name}{extension}{'.gz' * zipped}"))
    image.to_file_map()
    return stem.with_name(f"{stem.name}.hdr{'.gz' * zipped}")


def mgh(stem: Path, data: Data, affine: Affine, extension: str) -> Path:
    kept = data if data.dtype in (np.uint8, np.int16, np.int32, np.float32) else data.astype(np.float32)
    path = stem.with_name(stem.name + extension)
    nib.loadsave.save(nib.freesurfer.mghformat.MGHImage(kept, affine.astype(np.float32)), path)
    return path


def detached_nrrd(stem: Path, data: Data, affine: Affine) -> Path:
    """`.nhdr` and `.raw`, as ITK writes them."""
    return by_itk(stem, data, affine, ".nhdr")


FORMS: dict[str, Form] = {
    "nii.gz": lambda s, d, a: put(s, ".nii.gz", packed(nifti(d, a))),
    "nii": lambda s, d, a: put(s, ".nii", nifti(d, a)),
    "capitals": lambda s, d, a: put(s, ".NII.GZ", packed(nifti(d, a))),
    "nii.gz, not packed": lambda s, d, a: put(s, ".nii.gz", nifti(d, a)),
    "nii, packed": lambda s, d, a: put(s, ".nii", packed(nifti(d, a))),
    "nii.gz, packed twice": lambda s, d, a: put(s, ".nii.gz", packed(nifti(d, a), 2)),
    "nii.gz, packed three times": lambda s, d, a: put(s, ".nii.gz", packed(nifti(d, a), 3)),
    "big-endian": lambda s, d, a: put(s, ".nii.gz", packed(nifti(d, a, endian=">"))),
    "NIfTI-2": lambda s, d, a: put(s, ".nii.gz", packed(nifti(d, a, kind=nib.nifti2.Nifti2Image))),
    "NIfTI pair": pair,
    "NIfTI pair, packed": lambda s, d, a: pair(s, d, a, zipped=True),
    "NIfTI-2 pair": lambda s, d, a: pair(s, d, a, kind=nib.nifti2.Nifti2Pair),
    "mha": lambda s, d, a: by_itk(s, d, a, ".mha"),
    "mha, compressed": lambda s, d, a: by_itk(s, d, a, ".mha", compress=True),
    "mhd and raw": lambda s, d, a: by_itk(s, d, a, ".mhd"),
    "mhd and zraw": lambda s, d, a: by_itk(s, d, a, ".mhd", compress=True),
    "mgz": lambda s, d, a: mgh(s, d, a, ".mgz"),
    "mgh": lambda s, d, a: mgh(s, d, a, ".mgh"),
    "nrrd": lambda s, d, a: by_itk(s, d, a, ".nrrd"),
    "nrrd, compressed": lambda s, d, a: by_itk(s, d, a, ".nrrd", compress=True),
    "nhdr and raw": detached_nrrd,
    "mha as nii.gz": lambda s, d, a: renamed(by_itk(s, d, a, ".mha"), s, ".nii.gz"),
    "nrrd as nii": lambda s, d, a: renamed(by_itk(s, d, a, ".nrrd"), s, ".nii"),
    "nii as nrrd": lambda s, d, a: put(s, ".nrrd", nifti(d, a)),
    "mgz as nii.gz": lambda s, d, a: renamed(mgh(s, d, a, ".mgz"), s, ".nii.gz"),
    "nii as mha": lambda s, d, a: put(s, ".mha", packed(nifti(d, a))),
}
