"""DICOM files -> series with their tags. Only headers are read here; `dicom_volume` reads voxels.

Attributes are those of the MR Image Storage SOP class (PS3.3 A.4 and PS3.4 B.5); keywords are written as in PS3.6.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset

from lib.errors import InputError
from lib.studies.sidecar import clock_seconds
from lib.studies.tags import Tags

logger = logging.getLogger(__name__)

SUFFIXES = {"", ".dcm", ".ima", ".dicom", ".mr"}
MAX_NEIGHBOURS = 1000  # folders beside a series' own that are looked into
PEEK = 20  # files of such a folder of which the first DICOM file is read
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
KEYWORDS = re.findall(
    r"\w+",
    """SOPClassUID SOPInstanceUID Modality ImageType StudyInstanceUID SeriesInstanceUID SeriesNumber
    SeriesDescription ProtocolName SequenceName ScanningSequence SequenceVariant MRAcquisitionType
    RepetitionTime EchoTime InversionTime FlipAngle ContrastBolusAgent ContrastBolusVolume DiffusionBValue
    AngioFlag StudyDescription RequestedProcedureDescription AcquisitionDate SeriesDate
    StudyDate AcquisitionTime AcquisitionDateTime ContentTime SeriesTime InstanceNumber ImagePositionPatient
    ImageOrientationPatient PixelSpacing Rows Columns NumberOfFrames SamplesPerPixel""",
)


@dataclass(frozen=True)
class Slice:
    """The header of one DICOM file.

    Attributes:
        position: ImagePositionPatient in LPS mm; orientation: the row's and the column's direction cosines, 6 values.
        spacing: PixelSpacing, between rows and between columns, in mm.
    """

    path: Path
    study_uid: str
    series_uid: str
    series_number: str
    sop_class: str
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


@dataclass(frozen=True)
class Series:
    """The files of one series, in the order of their instance numbers."""

    slices: tuple[Slice, ...]

    @property
    def uid(self) -> str:
        return self.slices[0].series_uid

    @property
    def number(self) -> str:
        return self.slices[0].series_number

    @property
    def study_uid(self) -> str:
        return self.slices[0].study_uid

    @property
    def tags(self) -> Tags:
        """Of the first slice; the acquisition's time is the earliest of all slices."""
        return self.slices[0].tags

    @property
    def title(self) -> str:
        """How a person knows it: `series 401 T2W_TSE_TRA`."""
        return f"series {self.number or '?'} {self.tags.description or self.tags.protocol}".strip()


def is_dicom_file(path: Path) -> bool:
    """A file with DICOM's mark at byte 128 (PS3.10 7.1), by name at least possible."""
    suffix = path.suffix.lower()
    if path.name.startswith(".") or path.name.upper() == "DICOMDIR":
        return False
    if suffix not in SUFFIXES and not suffix[1:].isdigit():  # names that are UIDs end in a number
        return False
    try:
        with path.open("rb") as stream:
            stream.seek(128)
            return stream.read(4) == b"DICM"
    except OSError:
        return False


def read_slice(path: Path) -> Slice:
    """One file's header.

    Raises:
        InputError: no readable DICOM, or not of a series.
    """
    status = path.stat()
    return _read_slice(path, status.st_mtime_ns, status.st_size)


def group_series(paths: Iterable[Path]) -> list[Series]:
    """Files -> series, by study and series UID, in the order of their series numbers. Files that cannot be read and
    those that are no images (reports, presentation states) are left out with a line in the log."""
    groups: dict[tuple[str, str], list[Slice]] = {}
    for path in paths:
        try:
            piece = read_slice(path)
        except InputError as error:
            logger.warning("left out: %s", error)
            continue
        if not piece.rows:
            logger.info("left out: %s is no image", path.name)
            continue
        groups.setdefault((piece.study_uid, piece.series_uid), []).append(piece)
    found = [Series(tuple(sorted(s, key=lambda p: (p.instance, p.path)))) for s in groups.values()]
    return sorted(found, key=lambda s: (s.study_uid, int(s.number) if s.number.isdigit() else 0, s.uid))


def same_study(path: Path) -> list[Path]:
    """All DICOM files of the study of `path`, in its folder and, where that holds one series, in those beside it."""
    uid = read_slice(path).study_uid
    own = [f for f in dicom_files(path.parent) if _study_uid(f) == uid]
    if len({read_slice(f).series_uid for f in own}) > 1:
        return own
    beside = [f for f in sorted(path.parent.parent.iterdir()) if f.is_dir() and f != path.parent][:MAX_NEIGHBOURS]
    return own + [f for folder in beside if _is_of(folder, uid) for f in dicom_files(folder) if _study_uid(f) == uid]


def dicom_files(folder: Path) -> list[Path]:
    """The DICOM files right in a folder, by name."""
    try:
        return sorted(f for f in folder.iterdir() if f.is_file() and is_dicom_file(f))
    except OSError:
        return []


def _is_of(folder: Path, study_uid: str) -> bool:
    """Whether the first DICOM file among a folder's first ones is of the study."""
    try:
        names = sorted(folder.iterdir())[:PEEK]
    except OSError:
        return False
    first = next((f for f in names if f.is_file() and is_dicom_file(f)), None)
    return first is not None and _study_uid(first) == study_uid


def _study_uid(path: Path) -> str:
    try:
        return read_slice(path).study_uid
    except InputError:
        return ""


@lru_cache(maxsize=100_000)
def _read_slice(path: Path, _changed: int, _size: int) -> Slice:
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(KEYWORDS))
        return _slice(path, header)
    except InputError:
        raise
    except Exception as error:  # pydicom raises whatever the bytes provoke
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{path.name} cannot be read as DICOM ({text})") from error


def _slice(path: Path, header: Dataset) -> Slice:
    uids = _text(header, "StudyInstanceUID"), _text(header, "SeriesInstanceUID")
    if not all(uids):
        raise InputError(f"{path.name} is a DICOM file without StudyInstanceUID or SeriesInstanceUID, expected both")
    return Slice(
        path=path,
        study_uid=uids[0],
        series_uid=uids[1],
        series_number=_text(header, "SeriesNumber"),
        sop_class=_text(header, "SOPClassUID"),
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
    )


def _tags(header: Dataset) -> Tags:
    studies = (_text(header, "StudyDescription"), _text(header, "RequestedProcedureDescription"))
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
    )


def _acquired(header: Dataset) -> float | None:
    """When the acquisition began, else the series: seconds that go on over midnight."""
    moment = _text(header, "AcquisitionDateTime")  # date and time in one, in enhanced images
    times = [_text(header, "AcquisitionTime"), moment[8:], _text(header, "SeriesTime"), _text(header, "ContentTime")]
    dates = [_text(header, k) for k in ("AcquisitionDate", "SeriesDate", "StudyDate")] + [moment[:8]]
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
