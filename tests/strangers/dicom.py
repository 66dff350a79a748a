"""DICOM as hospitals send it, made from the plain series of `tests.studies.dicom_files`."""

from __future__ import annotations

import locale
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_pixel_data_frame
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"


def edited(path: Path, edit: Callable[[Dataset], None]) -> Path:
    """The same file after a change of its data set."""
    dataset = pydicom.dcmread(path, force=True)
    edit(dataset)
    dataset.save_as(path, write_like_original=False)
    return path


def overlay_above(dataset: Dataset) -> None:
    """12 bits stored in 16, an overlay in the bits above."""
    values = np.frombuffer(dataset.PixelData, np.uint16).copy()
    values[: values.size // 2] |= 0xA000
    dataset.BitsStored, dataset.HighBit, dataset.PixelData = 12, 11, values.tobytes()


def signed_12_bits(dataset: Dataset) -> None:
    """Two's complement of 12 bits, the four above are zero."""
    values = np.frombuffer(dataset.PixelData, np.uint16).astype(np.int32) - 500
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, 1
    dataset.RescaleIntercept, dataset.RescaleSlope = 500, 1
    dataset.PixelData = (values & 0xFFF).astype(np.uint16).tobytes()


def high_bit_15(dataset: Dataset) -> None:
    """12 bits stored in the upper part of 16."""
    values = np.frombuffer(dataset.PixelData, np.uint16) << 4
    dataset.BitsStored, dataset.HighBit, dataset.PixelData = 12, 15, (values | 5).astype(np.uint16).tobytes()


def monochrome1(dataset: Dataset) -> None:
    """The least value is white."""
    values = np.frombuffer(dataset.PixelData, np.uint16)
    dataset.BitsStored, dataset.HighBit, dataset.PhotometricInterpretation = 12, 11, "MONOCHROME1"
    dataset.PixelData = (4095 - values).astype(np.uint16).tobytes()


def stored_as(path: Path, syntax: str) -> None:
    """The file's meta group says another transfer syntax, known to pydicom or not."""
    content = path.read_bytes()
    old = pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID.encode()
    old, new = (uid + b"\0" * (len(uid) % 2) for uid in (old, syntax.encode()))
    before = b"\x02\0\x10\0UI" + len(old).to_bytes(2, "little") + old
    after = b"\x02\0\x10\0UI" + len(new).to_bytes(2, "little") + new
    length = int.from_bytes(content[140:144], "little") + len(after) - len(before)
    path.write_bytes(content[:140] + length.to_bytes(4, "little") + content[144:].replace(before, after, 1))


def without_preamble(path: Path) -> None:
    """The data set alone, of implicit VR, as old archives write it."""
    dataset = pydicom.dcmread(path)
    dataset.file_meta = FileMetaDataset()
    dataset.is_little_endian, dataset.is_implicit_VR = True, True
    dataset.preamble = None
    dataset.save_as(path, write_like_original=True)


def meta_without_preamble(path: Path) -> None:
    """The file without its first 132 bytes."""
    path.write_bytes(path.read_bytes()[132:])


def jpeg_lossless(path: Path, syntax: str = "1.2.840.10008.1.2.4.70") -> None:
    """Process 14, selection value 1, by GDCM; under `syntax` .57 the same stream is process 14 of any selection."""
    original = pydicom.dcmread(path)
    compressed = path.with_name(f"{path.name}.dcm")
    plain = Dataset()
    plain.update(original)
    plain.file_meta = original.file_meta
    for keyword in ("RescaleSlope", "RescaleIntercept"):
        plain.pop(keyword, None)
    plain.is_little_endian, plain.is_implicit_VR = True, False
    plain.save_as(compressed, write_like_original=False)
    before = locale.setlocale(locale.LC_ALL)  # GDCM sets another when it writes
    writer = SimpleITK.ImageFileWriter()
    writer.UseCompressionOn()
    writer.SetCompressor("JPEG")
    writer.SetFileName(str(compressed))
    writer.Execute(SimpleITK.ReadImage(str(compressed)))
    locale.setlocale(locale.LC_ALL, before)
    stream = pydicom.dcmread(compressed).PixelData
    compressed.unlink()
    original.PixelData = encapsulate(list(generate_pixel_data_frame(stream, 1)))
    original["PixelData"].is_undefined_length = True
    original.file_meta.TransferSyntaxUID = syntax
    original.save_as(path, write_like_original=False)


@dataclass
class Frame:
    """A frame of an enhanced image: `pixels` (columns, rows), LPS `position`, and what its groups say beside."""

    pixels: NDArray[np.uint16]
    position: Sequence[float]
    stack: str = "1"
    orientation: Sequence[float] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    echo: float = 120.0
    moment: int = 1
    slope: float = 1.0
    intercept: float = 0.0


@dataclass
class Enhanced:
    """An enhanced MR file.

    Attributes:
        shared: orientation, spacing and times once for all frames, as Siemens writes them; else in each, as Philips.
    """

    frames: Sequence[Frame]
    shared: bool = False
    spacing: tuple[float, float] = (0.9, 1.1)
    study_uid: str = "1.2.3"
    series_uid: str = field(default_factory=generate_uid)
    tags: dict[str, Any] = field(default_factory=dict)


def write_enhanced(path: Path, made: Enhanced) -> Path:
    """One multi-frame file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset = _top(made)
    common, each = Dataset(), []
    for number, frame in enumerate(made.frames, start=1):
        groups = Dataset()
        shared = common if made.shared else groups
        _add(
            groups,
            "FrameContentSequence",
            StackID=frame.stack,
            InStackPositionNumber=number,
            TemporalPositionIndex=frame.moment,
        )
        _add(groups, "PlanePositionSequence", ImagePositionPatient=[float(v) for v in frame.position])
        _add(shared, "PlaneOrientationSequence", ImageOrientationPatient=list(frame.orientation))
        _add(shared, "PixelMeasuresSequence", PixelSpacing=list(made.spacing), SliceThickness=3.0)
        _add(groups, "PixelValueTransformationSequence", RescaleSlope=frame.slope, RescaleIntercept=frame.intercept)
        _add(shared, "MRTimingAndRelatedParametersSequence", RepetitionTime=9000.0, FlipAngle=90.0)
        _add(groups, "MREchoSequence", EffectiveEchoTime=frame.echo)
        _add(shared, "MRModifierSequence", InversionRecovery="YES", InversionTimes=2500.0)
        _add(
            groups,
            "MRImageFrameTypeSequence",
            FrameType=["ORIGINAL", "PRIMARY", "M", "NONE"],
            ComplexImageComponent="MAGNITUDE",
        )
        each.append(groups)
    dataset.SharedFunctionalGroupsSequence, dataset.PerFrameFunctionalGroupsSequence = [common], each
    dataset.PixelData = np.stack([f.pixels.T for f in made.frames]).astype(np.uint16).tobytes()
    for keyword, value in made.tags.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path, write_like_original=False)
    return path


def _add(groups: Dataset, name: str, **values: Any) -> None:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    setattr(groups, name, [item])


def _top(made: Enhanced) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = ENHANCED_MR
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.is_little_endian, dataset.is_implicit_VR = True, False
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = made.study_uid, made.series_uid
    dataset.FrameOfReferenceUID = f"{made.study_uid}.9"
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "MR", 401, 1
    dataset.ImageType, dataset.SeriesDescription = ["ORIGINAL", "PRIMARY", "M", "NONE"], "T2W FLAIR"
    dataset.EchoPulseSequence, dataset.EchoPlanarPulseSequence = "SPIN", "NO"
    dataset.AcquisitionDateTime = "20250101100000.00+0100"
    dataset.NumberOfFrames = len(made.frames)
    dataset.Columns, dataset.Rows = made.frames[0].pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    return dataset
