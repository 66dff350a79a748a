"""The header of a DICOM file -> its slices with their tags: one, or those of an enhanced multi-frame image.

Attributes are those of the MR Image Storage SOP class (PS3.3 A.4 and PS3.4 B.5); keywords are written as in PS3.6.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset

from ccsd.common.errors import InputError, first_line
from ccsd.imaging import dicom_frames
from ccsd.imaging.patient import Patient
from ccsd.imaging.tags import Tags, clock_seconds

KEYWORDS = [
    *re.findall(
        r"\w+",
        """SOPInstanceUID Modality ImageType StudyInstanceUID SeriesInstanceUID SeriesNumber
        SeriesDescription ProtocolName SequenceName ScanningSequence SequenceVariant MRAcquisitionType
        RepetitionTime EchoTime InversionTime FlipAngle ContrastBolusAgent ContrastBolusVolume DiffusionBValue
        AngioFlag StudyDescription RequestedProcedureDescription AcquisitionDate SeriesDate
        StudyDate AcquisitionTime AcquisitionDateTime ContentTime SeriesTime InstanceNumber ImagePositionPatient
        ImageOrientationPatient PixelSpacing Rows Columns NumberOfFrames SamplesPerPixel PatientID PatientName
        PatientBirthDate RescaleSlope RescaleIntercept TemporalPositionIdentifier AcquisitionNumber""",
    ),
    *dicom_frames.KEYWORDS,
]


@dataclass(frozen=True)
class Slice:
    """One image plane: a DICOM file of its own, or a frame of one.

    Attributes:
        frame: which one of a multi-frame file, counted from 0 (None: the file is one image).
        position: ImagePositionPatient in LPS mm; orientation: the row's and the column's direction cosines, 6 values.
        spacing: PixelSpacing, between rows and between columns, in mm.
        slope, intercept: stored value -> value.
        syntax: how the voxels are stored, TransferSyntaxUID.
        stack: StackID of a frame; moment: which time point; run: AcquisitionNumber.
    """

    path: Path
    study_uid: str
    series_uid: str
    series_number: str
    sop_uid: str
    modality: str
    tags: Tags
    rows: int
    columns: int
    frames: int
    samples: int
    instance: int
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing: tuple[float, ...]
    slope: float
    intercept: float
    syntax: str
    patient: Patient
    frame: int | None = None
    stack: str = ""
    moment: str = ""
    run: str = ""


def read_slice(path: Path) -> Slice:
    """One file's header; of a multi-frame file its first frame.

    Raises:
        InputError: no readable DICOM, or not of a series.
    """
    return read_slices(path)[0]


def read_slices(path: Path) -> tuple[Slice, ...]:
    """One file's header, a slice a frame. Raises InputError as `read_slice`."""
    status = path.stat()
    return _read_slices(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=100_000)
def _read_slices(path: Path, _changed: int, _size: int) -> tuple[Slice, ...]:
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(KEYWORDS), force=True)
        syntax = str(header.file_meta.get("TransferSyntaxUID", ""))
        if not dicom_frames.is_multiframe(header):
            return (_slice(path, header, syntax),)
        return tuple(_slice(path, f, syntax, i) for i, f in enumerate(dicom_frames.frames(header)))
    except InputError:
        raise
    except Exception as error:  # pydicom raises whatever the bytes provoke
        raise InputError(f"{path.name} cannot be read as DICOM ({first_line(error)})") from error


def _slice(path: Path, header: Dataset, syntax: str, frame: int | None = None) -> Slice:
    uids = _text(header, "StudyInstanceUID"), _text(header, "SeriesInstanceUID")
    if not all(uids):
        raise InputError(f"{path.name} is a DICOM file without StudyInstanceUID or SeriesInstanceUID, expected both")
    slope, intercept = _number(header, "RescaleSlope"), _number(header, "RescaleIntercept")
    return Slice(
        path=path,
        study_uid=uids[0],
        series_uid=uids[1],
        series_number=_text(header, "SeriesNumber"),
        sop_uid=_text(header, "SOPInstanceUID"),
        modality=_text(header, "Modality"),
        tags=_tags(header),
        rows=int(_number(header, "Rows") or 0),
        columns=int(_number(header, "Columns") or 0),
        frames=int(_number(header, "NumberOfFrames") or 1),
        samples=int(_number(header, "SamplesPerPixel") or 1),
        instance=int(_number(header, "InstanceNumber") or 0),
        position=_numbers(header, "ImagePositionPatient"),
        orientation=_numbers(header, "ImageOrientationPatient"),
        spacing=_numbers(header, "PixelSpacing"),
        slope=slope or 1.0,
        intercept=intercept or 0.0,
        syntax=syntax,
        patient=_patient(header),
        frame=frame,
        stack=_text(header, "StackID"),
        moment=_text(header, "TemporalPositionIndex") or _text(header, "TemporalPositionIdentifier"),
        run=_text(header, "FrameAcquisitionNumber") or _text(header, "AcquisitionNumber"),
    )


def _patient(header: Dataset) -> Patient:
    keywords = ("PatientID", "PatientName", "PatientBirthDate", "StudyDate", "StudyDescription")
    return Patient(*(_text(header, k) for k in keywords))


def _tags(header: Dataset) -> Tags:
    studies = (_text(header, "StudyDescription"), _text(header, "RequestedProcedureDescription"))
    number = _text(header, "SeriesNumber")
    return Tags(
        image_type=_texts(header, "ImageType"),
        description=_text(header, "SeriesDescription"),
        protocol=_text(header, "ProtocolName"),
        sequence_name=_text(header, "SequenceName"),
        scanning_sequence=_texts(header, "ScanningSequence"),
        variant=_texts(header, "SequenceVariant"),
        acquisition=_text(header, "MRAcquisitionType"),
        repetition_time=_number(header, "RepetitionTime"),
        echo_time=_number(header, "EchoTime"),
        inversion_time=_number(header, "InversionTime"),
        flip_angle=_number(header, "FlipAngle"),
        agent=_text(header, "ContrastBolusAgent") or None,
        dose=_number(header, "ContrastBolusVolume"),
        b_value=_number(header, "DiffusionBValue"),
        angio=_text(header, "AngioFlag").upper() == "Y",
        study_text=" ; ".join(dict.fromkeys(s for s in studies if s)),
        acquired=_acquired(header),
        number=int(number) if number.isdigit() else None,
    )


def _acquired(header: Dataset) -> float | None:
    """When the acquisition began, else the series: seconds that go on over midnight."""
    moment = re.split(r"[+-]", _text(header, "AcquisitionDateTime"))[0]  # date and time in one, then a time zone
    times = [moment[8:], *(_text(header, k) for k in ("AcquisitionTime", "SeriesTime", "ContentTime"))]
    dates = [moment[:8], *(_text(header, k) for k in ("AcquisitionDate", "SeriesDate", "StudyDate"))]
    seconds = next(filter(lambda s: s is not None, map(clock_seconds, times)), None)
    day = next(filter(None, map(_day, dates)), 0)
    return None if seconds is None else day * 86400.0 + seconds


def _day(text: str) -> int | None:
    """`20190423` -> the number of the day."""
    try:
        return datetime.strptime(text, "%Y%m%d").toordinal()
    except ValueError:
        return None


def _text(header: Dataset, keyword: str) -> str:
    value = header.get(keyword)
    return "" if value is None else str(value).strip()


def _texts(header: Dataset, keyword: str) -> tuple[str, ...]:
    value: Any = header.get(keyword)
    if value is None or value == "":
        return ()
    return (str(value),) if isinstance(value, str) else tuple(str(v) for v in value)


def _number(header: Dataset, keyword: str) -> float | None:
    value = header.get(keyword)
    try:
        return None if value is None or value == "" else float(value)
    except (TypeError, ValueError):
        return None


def _numbers(header: Dataset, keyword: str) -> tuple[float, ...]:
    value = header.get(keyword)
    try:
        return () if value is None or value == "" else tuple(float(v) for v in value)
    except (TypeError, ValueError):
        return ()
