"""Small DICOM MR series written for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

MR_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.4"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


@dataclass
class Made:
    """A series to write: `data` (columns, rows, slices) of stored values.

    Attributes:
        step: from one slice to the next in LPS mm; None: along the normal, `gap` mm.
        order: in which the slices get instance numbers and file names.
        without: slices that are left away.
        tags: further attributes by keyword.
    """

    data: NDArray[np.uint16]
    orientation: Sequence[float] = AXIAL
    origin: Sequence[float] = (-20.0, -30.0, 10.0)
    spacing: Sequence[float] = (0.9, 1.1)
    gap: float = 3.0
    step: Sequence[float] | None = None
    order: Sequence[int] | None = None
    without: Sequence[int] = ()
    study_uid: str = "1.2.3"
    series_uid: str = field(default_factory=generate_uid)
    number: int = 1
    tags: dict[str, Any] = field(default_factory=dict)


def some_data(shape: tuple[int, int, int] = (10, 12, 8), seed: int = 0) -> NDArray[np.uint16]:
    return np.random.default_rng(seed).integers(0, 1000, shape).astype(np.uint16)


def write_series(folder: Path, made: Made) -> list[Path]:
    """The files of a series, in the order of their instance numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    normal = np.cross(made.orientation[:3], made.orientation[3:])
    step = np.array(made.step if made.step is not None else normal * made.gap)
    written = []
    for instance, index in enumerate(made.order or range(made.data.shape[2]), start=1):
        if index in made.without:
            continue
        path = folder / f"IM-{made.number:04d}-{instance:04d}.dcm"
        dataset = _header(path, made, instance)
        dataset.ImagePositionPatient = [round(float(v), 6) for v in np.array(made.origin) + index * step]
        dataset.PixelData = np.ascontiguousarray(made.data[:, :, index].T).tobytes()
        for keyword, value in made.tags.items():
            setattr(dataset, keyword, value)
        dataset.save_as(path, write_like_original=False)
        written.append(path)
    return written


def _header(path: Path, made: Made, instance: int) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MR_IMAGE_STORAGE
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.is_little_endian, dataset.is_implicit_VR = True, False
    dataset.SOPClassUID, dataset.SOPInstanceUID = MR_IMAGE_STORAGE, meta.MediaStorageSOPInstanceUID
    dataset.Modality = "MR"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = made.study_uid, made.series_uid
    dataset.FrameOfReferenceUID = f"{made.study_uid}.9"
    dataset.SeriesNumber, dataset.InstanceNumber = made.number, instance
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M_SE", "M", "SE"]
    dataset.Columns, dataset.Rows = made.data.shape[0], made.data.shape[1]
    dataset.PixelSpacing = [made.spacing[0], made.spacing[1]]  # between rows, between columns
    dataset.ImageOrientationPatient = [float(v) for v in made.orientation]
    dataset.SliceThickness = made.gap
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    return dataset
