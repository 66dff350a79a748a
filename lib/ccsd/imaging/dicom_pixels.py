"""Voxels of DICOM files: decoded, cut down to the stored bits, rescaled.

Sources: PS3.5 8.1.1 (Bits Allocated, Bits Stored, High Bit, Pixel Representation), 8.2 and A.4 (compression), PS3.3
C.7.6.3.1.2 (MONOCHROME1) and C.11.1 (rescale). Compressions that pydicom cannot decode go through GDCM, in SimpleITK.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_pixel_data_frame
from pydicom.uid import UID, SecondaryCaptureImageStorage, generate_uid

from ccsd.common.errors import InputError
from ccsd.common.files import scratch
from ccsd.imaging.dicom_header import Slice
from ccsd.imaging.grid import MAX_VOXELS

BY_PYDICOM = {
    "",
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.5",  # RLE
}
NAMES = {  # that pydicom 2.4 does not know
    "1.2.840.10008.1.2.4.110": "JPEG XL Lossless",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
    "1.2.840.10008.1.2.4.201": "High-Throughput JPEG 2000 (Lossless Only)",
    "1.2.840.10008.1.2.4.202": "High-Throughput JPEG 2000 with RPCL (Lossless Only)",
    "1.2.840.10008.1.2.4.203": "High-Throughput JPEG 2000",
}
BY_GDCM = {f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70, 80, 81, 90, 91)}  # JPEG, JPEG-LS, JPEG 2000
IMAGE = ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel")


def check_decodable(piece: Slice, name: str) -> None:
    """Raises InputError: its compression cannot be read here; the sentence names it."""
    if piece.syntax not in BY_PYDICOM | BY_GDCM:
        known = NAMES.get(piece.syntax, UID(piece.syntax).name)
        words = piece.syntax if known == piece.syntax else f"{known} ({piece.syntax})"
        raise InputError(f"{name} is stored as {words}, expected uncompressed, RLE, JPEG, JPEG-LS or JPEG 2000")


def values_of(slices: Sequence[Slice]) -> Iterator[tuple[Slice, NDArray[np.float32]]]:
    """Each slice with its values (rows, columns) after rescaling; each file is read once.

    Raises:
        InputError: voxels that cannot be read, named by their file.
    """
    by_file: dict[Path, list[Slice]] = {}
    for piece in slices:
        by_file.setdefault(piece.path, []).append(piece)
    for pieces in by_file.values():
        stored = _stored(pieces[0])  # (frames, rows, columns)
        for piece in pieces:
            plane = _plane(stored, piece)
            yield piece, (plane.astype(np.float64) * piece.slope + piece.intercept).astype(np.float32)


def _plane(stored: NDArray[np.generic], piece: Slice) -> NDArray[np.generic]:
    index = piece.frame or 0
    if stored.ndim != 3 or stored.shape[1:] != (piece.rows, piece.columns) or index >= len(stored):
        expected = (max(index + 1, piece.frames), piece.rows, piece.columns)
        raise InputError(f"{piece.path.name} has voxels of shape {stored.shape}, expected {expected}")
    plane: NDArray[np.generic] = stored[index]
    return plane


def _stored(piece: Slice) -> NDArray[np.generic]:
    """The stored values of all frames of a file, (frames, rows, columns)."""
    if piece.frames * piece.rows * piece.columns > MAX_VOXELS:
        raise InputError(f"{piece.path.name} declares {piece.frames} frames, expected at most {MAX_VOXELS} voxels")
    check_decodable(piece, piece.path.name)
    try:
        image = pydicom.dcmread(piece.path, force=True)
        if "TransferSyntaxUID" not in image.file_meta:
            image.file_meta.TransferSyntaxUID = _plain(image)
        decoded = _by_gdcm(image, piece.frames) if piece.syntax in BY_GDCM else image.pixel_array
        stored = cut_down(decoded, image)
        return stored if stored.ndim > 2 else stored[None]
    except InputError:
        raise
    except Exception as error:  # pydicom and GDCM raise whatever the bytes or a missing decoder provoke
        text = (str(error).strip() or type(error).__name__).splitlines()[-1][:200]
        raise InputError(f"{piece.path.name} has voxels that cannot be read ({text})") from error


def cut_down(decoded: NDArray[np.generic], image: Dataset) -> NDArray[np.generic]:
    """Only the stored bits, with their sign: the others of a word may hold an overlay, or nothing that is defined.
    MONOCHROME1, whose least value is white, is turned over."""
    if decoded.dtype.kind == "f":
        return decoded
    allocated, stored, high = (int(image.get(k) or 0) for k in ("BitsAllocated", "BitsStored", "HighBit"))
    if not 0 < stored <= allocated:
        return decoded
    low = high + 1 - stored if stored <= high + 1 <= allocated and not _is_compressed(image) else 0
    bits = (decoded.astype(np.int64) >> low) & ((1 << stored) - 1)
    signed = int(image.get("PixelRepresentation") or 0) == 1
    if signed:
        bits -= (bits >> (stored - 1)) << stored
    if str(image.get("PhotometricInterpretation")) == "MONOCHROME1":
        bits = (-1 if signed else (1 << stored) - 1) - bits
    return bits


def _is_compressed(image: Dataset) -> bool:
    return bool(UID(image.file_meta.TransferSyntaxUID).is_compressed)


def _plain(image: Dataset) -> UID:
    """How a file without a meta group is encoded: pydicom has guessed it."""
    if not image.is_little_endian:
        return pydicom.uid.ExplicitVRBigEndian
    return pydicom.uid.ImplicitVRLittleEndian if image.is_implicit_VR else pydicom.uid.ExplicitVRLittleEndian


def _by_gdcm(image: Dataset, frames: int) -> NDArray[np.generic]:
    """Each frame alone as a small file, which says nothing of rescaling: GDCM would apply it, in its own way."""
    with tempfile.TemporaryDirectory(prefix=scratch("frames")) as folder:
        pieces = list(generate_pixel_data_frame(image.PixelData, frames))
        if len(pieces) != frames:
            raise ValueError(f"{len(pieces)} compressed frames, expected {frames}")
        return np.stack([_decoded(Path(folder, "frame.dcm"), image, piece) for piece in pieces])


def _decoded(path: Path, image: Dataset, compressed: bytes) -> NDArray[np.generic]:
    alone = Dataset()
    alone.file_meta = FileMetaDataset()
    alone.file_meta.TransferSyntaxUID = image.file_meta.TransferSyntaxUID
    alone.file_meta.MediaStorageSOPClassUID = alone.SOPClassUID = SecondaryCaptureImageStorage
    alone.file_meta.MediaStorageSOPInstanceUID = alone.SOPInstanceUID = generate_uid()
    for keyword in IMAGE:
        setattr(alone, keyword, image[keyword].value)
    alone.PhotometricInterpretation = "MONOCHROME2"
    alone.PixelData = encapsulate([compressed])
    alone["PixelData"].is_undefined_length = True
    alone.is_little_endian, alone.is_implicit_VR = True, False
    alone.save_as(path, write_like_original=False)
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    values: NDArray[np.generic] = SimpleITK.GetArrayFromImage(reader.Execute())[0]
    return values
