"""Files that are no MR image, or none that can be used: (name, what the sentence says of it), each with its maker."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

SHAPE = (24, 24, 24)


@dataclass(frozen=True)
class Bad:
    """`make()` gives the bytes of a file `name`; `says` is part of the one sentence that refuses it."""

    name: str
    make: Callable[[], bytes]
    says: str


def brain() -> NDArray[np.float32]:
    """(24, 24, 24): a ball of tissue, zero around it."""
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij"))
    noise = np.random.default_rng(0).normal(500, 60, SHAPE)
    return np.where((grid**2).sum(axis=0) < 0.9, noise, 0).astype(np.float32)


def nifti(values: NDArray[np.generic]) -> bytes:
    return bytes(nib.Nifti1Image(values, np.eye(4)).to_bytes())


def packed(values: NDArray[np.generic]) -> bytes:
    return gzip.compress(nifti(values))


def with_header(start: int, form: str, *values: int) -> bytes:
    """A gzipped NIfTI of the brain with some bytes of its header replaced."""
    content = bytearray(nifti(brain()))
    struct.pack_into(form, content, start, *values)
    return gzip.compress(bytes(content))


def with_one(value: float) -> bytes:
    changed = brain()
    changed[12, 12, 12] = value
    return packed(changed)


def wrong_checksum() -> bytes:
    """Voxels that were damaged on the way, and decompress all the same."""
    content = bytearray(packed(brain()))
    content[-8] ^= 0xFF
    return bytes(content)


def bomb() -> bytes:
    """A small archive that says it unpacks to 12 GiB."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("t1", "t2", "flair"):
            archive.writestr(f"a_{name}.nii", b"\0" * 1000)
    content = bytearray(stream.getvalue())
    start = 0
    while (start := content.find(b"PK\x01\x02", start)) >= 0:
        struct.pack_into("<I", content, start + 24, 2**32 - 2)
        start += 4
    return bytes(content)


def climbing() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("../../outside_flair.nii", nifti(brain()))
    return stream.getvalue()


GZ, PLAIN = "scan_flair.nii.gz", "scan_flair.nii"
BAD = {
    "wrong checksum": Bad(GZ, wrong_checksum, "cannot be read"),
    "truncated gzip": Bad(GZ, lambda: packed(brain())[:-2000], "cannot be read"),
    "truncated NIfTI": Bad(PLAIN, lambda: nifti(brain())[:-5000], "cannot be read"),
    "header alone": Bad(PLAIN, lambda: nifti(brain())[:348], "scan_flair.nii"),
    "half a header": Bad(PLAIN, lambda: nifti(brain())[:100], "scan_flair.nii"),
    "nothing": Bad(PLAIN, lambda: b"", "scan_flair.nii"),
    "wrong magic": Bad(GZ, lambda: with_header(344, "4s", b"abcd"), "scan_flair.nii.gz"),  # type: ignore[arg-type]
    "text": Bad(GZ, lambda: b"this is no image", "scan_flair.nii.gz"),
    "NaN": Bad(GZ, lambda: with_one(np.nan), "NaN or infinite"),
    "infinite": Bad(GZ, lambda: with_one(np.inf), "NaN or infinite"),
    "all zero": Bad(GZ, lambda: packed(np.zeros(SHAPE, np.float32)), "is constant (0 everywhere)"),
    "constant": Bad(GZ, lambda: packed(np.full(SHAPE, 7, np.float32)), "is constant (7 everywhere)"),
    "complex": Bad(GZ, lambda: packed(brain().astype(np.complex64)), "complex"),
    "colours": Bad(GZ, lambda: packed(np.zeros(SHAPE, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))), "colours"),
    "three channels": Bad(GZ, lambda: packed(np.stack([brain()] * 3, axis=-1)), "expected"),
    "one voxel": Bad(GZ, lambda: packed(np.ones((1, 1, 1), np.float32)), "expected"),
    "two axes": Bad(GZ, lambda: packed(brain()[0]), "expected a 3D image"),
    "2000^3 declared": Bad(GZ, lambda: with_header(40, "<4h", 3, 2000, 2000, 2000), "expected"),
    "negative size": Bad(GZ, lambda: with_header(40, "<4h", 3, -24, 24, 24), "scan_flair.nii.gz"),
    "affine of zeros": Bad(GZ, lambda: with_header(280, "<12f", *[0] * 12), "scan_flair.nii.gz"),
    "gigantic zip": Bad("study.zip", bomb, "expected at most 20000 files of 8 GiB"),
    "zip that climbs out": Bad("study.zip", climbing, "stay inside the archive"),
    "empty zip": Bad("study.zip", lambda: b"PK\x05\x06" + b"\0" * 18, "study.zip holds no files"),
    "damaged zip": Bad("study.zip", lambda: b"PK\x03\x04 and no more", "study.zip"),
}
GOOD = {
    "8-bit": lambda: packed((brain() / 4).astype(np.uint8)),
    "negative intensities": lambda: packed(np.where(brain() > 0, brain() - 700, 0).astype(np.float32)),
    "64-bit": lambda: packed(brain().astype(np.float64)),
}
