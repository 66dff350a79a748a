"""DICOM files -> series. Only headers are read here; `dicom_header` says what of them, `dicom_volume` reads voxels."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ccsd.common.errors import InputError
from ccsd.imaging.dicom_header import KEYWORDS, Slice, read_slice, read_slices
from ccsd.imaging.patient import Patient
from ccsd.imaging.tags import Tags

__all__ = ["KEYWORDS", "Series", "Slice", "Unusable", "group_series", "is_dicom_file", "read_slice"]

logger = logging.getLogger(__name__)

MAX_NEIGHBOURS = 1000  # folders beside a series' own that are looked into
PEEK = 20  # files of such a folder of which the first DICOM file is read
VRS = {b"UL", b"UI", b"CS", b"OB", b"DA", b"TM", b"LO", b"SH", b"ST", b"PN", b"DT", b"US"}  # of first elements


@dataclass(frozen=True)
class Series:
    """The slices of one series, in the order of their instance numbers, or those of one volume in it.

    Attributes:
        study_uid: StudyInstanceUID, or that of the first series where each series got its own (`one_study`).
        part: which volume of the series, in words: `TE 100 ms`; empty where there is one.
        notes: what the user must know of how the slices were put together.
        also: files of the series that hold the same once more, and are not read.
    """

    slices: tuple[Slice, ...]
    study_uid: str
    part: str = ""
    notes: tuple[str, ...] = ()
    also: tuple[Path, ...] = ()

    @property
    def uid(self) -> str:
        return self.slices[0].series_uid

    @property
    def number(self) -> str:
        return self.slices[0].series_number

    @property
    def tags(self) -> Tags:
        """Of the first slice; the acquisition's time is the earliest of all slices."""
        times = [s.tags.acquired for s in self.slices if s.tags.acquired is not None]
        return replace(self.slices[0].tags, acquired=min(times, default=None))

    @property
    def title(self) -> str:
        """How a person knows it: `series 401 T2W_TSE_TRA`."""
        part = f" ({self.part})" if self.part else ""
        return f"series {self.number or '?'} {self.tags.description or self.tags.protocol}".strip() + part

    @property
    def folder(self) -> Path:
        return self.slices[0].path.parent


@dataclass(frozen=True)
class Unusable:
    """A file of which no image can be made, and why; `study_uid` is empty where it cannot be read."""

    path: Path
    reason: str
    study_uid: str = ""


def is_dicom_file(path: Path) -> bool:
    """Whether the content is DICOM, whatever the name: its mark at byte 128 (PS3.10 7.1), or, without the preamble, a
    data set that begins with group 0002 or 0008."""
    if path.name.startswith(".") or path.name.upper() == "DICOMDIR":
        return False
    try:
        with path.open("rb") as stream:
            start = stream.read(132)
    except OSError:
        return False
    return start[128:] == b"DICM" or _is_data_set(start)


def _is_data_set(start: bytes) -> bool:
    """Little endian, of explicit or implicit VR (PS3.5 7.1): a tag of the first groups, then a VR or a short length."""
    if len(start) < 132 or start[:2] not in (b"\x02\x00", b"\x08\x00") or start[3] != 0:
        return False
    return start[4:6] in VRS or (start[2] in (0x00, 0x01, 0x05, 0x08, 0x16, 0x18) and start[5:8] == b"\x00\x00\x00")


def group_series(paths: Iterable[Path]) -> list[Series]:
    """Files -> series, by study and series UID, in the order of their series numbers."""
    return sort_out(paths)[0]


def sort_out(paths: Iterable[Path]) -> tuple[list[Series], list[Unusable]]:
    """Files -> series, and the files that cannot be read or are no images (reports, presentation states). Of copies of
    one instance the first counts."""
    groups: dict[tuple[str, str], dict[object, Slice]] = defaultdict(dict)
    unusable = []
    for path in paths:
        try:
            slices = read_slices(path)
        except InputError as error:
            unusable.append(Unusable(path, str(error)))
            continue
        for piece in slices:
            groups[piece.study_uid, piece.series_uid].setdefault(_identity(piece), piece)
    series = [Series(tuple(sorted(g.values(), key=_order)), uid) for (uid, _), g in groups.items()]
    images = [s for s in series if s.slices[0].rows]
    unusable += [_no_image(s) for s in series if not s.slices[0].rows]
    return sorted(images, key=_place), unusable


def _identity(piece: Slice) -> object:
    """Equal for copies of one instance. Some anonymisers give one SOPInstanceUID to all, so it alone does not tell."""
    return (piece.sop_uid, piece.instance, piece.position) if piece.sop_uid else piece.path


def _order(piece: Slice) -> tuple[int, Path, int]:
    return piece.instance, piece.path, piece.frame or 0


def _place(series: Series) -> tuple[str, int, str]:
    return series.study_uid, int(series.number) if series.number.isdigit() else 0, series.uid


def _no_image(series: Series) -> Unusable:
    first = series.slices[0]
    kind = f" (modality {first.modality})" if first.modality else ""
    return Unusable(first.path, f"{first.path.name} holds no pixels{kind}", first.study_uid)


def one_study(series: Sequence[Series]) -> list[Series]:
    """The series with one study UID for those that had got one each when they were made anonymous: of one patient and
    one day, in one folder or in folders beside each other that hold nobody else's."""
    count = Counter(s.study_uid for s in series)
    groups: dict[object, list[Series]] = defaultdict(list)
    for one in series:
        whose = _whose(one.slices[0])
        if count[one.study_uid] == 1 and whose.number and whose.day:
            place = one.folder.parent if _holds_one_patient(one.folder.parent) else one.folder
            groups[whose, place].append(one)
    joined = {s.uid: min(group, key=_in_order).study_uid for group in groups.values() if len(group) > 1 for s in group}
    return [_joined(s, joined[s.uid]) if s.uid in joined else s for s in series]


def _in_order(series: Series) -> tuple[int, str]:
    return series.tags.number or 0, series.uid


def _joined(series: Series, uid: str) -> Series:
    note = "each series has a StudyInstanceUID of its own; with the same patient, day and folder they are one study"
    return replace(series, study_uid=uid, notes=(*series.notes, note))


def _whose(piece: Slice) -> Patient:
    return replace(piece.patient, study="")


def _holds_one_patient(folder: Path) -> bool:
    """Whether the DICOM folders in a folder are of one patient and day, by the first file of each."""
    found = {_whose(read_slice(f)) for f in map(_first, _folders(folder)) if f is not None and _study_uid(f)}
    return len(found) == 1


def same_study(path: Path) -> list[Path]:
    """The DICOM files of the study of `path`, in its folder and, where that holds one series, in those beside it; where
    the study is one series, those too whose study may have been the same (`one_study`)."""
    first = read_slice(path)
    own = [f for f in dicom_files(path.parent) if _belongs(f, first)]
    exact = [f for f in own if _study_uid(f) == first.study_uid]
    if len({read_slice(f).series_uid for f in exact}) > 1:
        return exact
    beside = (f for f in _folders(path.parent.parent) if f != path.parent)
    of_study = [f for f in beside if (found := _first(f)) is not None and _belongs(found, first)]
    return own + [f for folder in of_study for f in dicom_files(folder) if _belongs(f, first)]


def _belongs(path: Path, first: Slice) -> bool:
    """To the study of `first`, or to its patient and day."""
    try:
        piece = read_slice(path)
    except InputError:
        return False
    return piece.study_uid == first.study_uid or (bool(piece.patient.number) and _whose(piece) == _whose(first))


def dicom_files(folder: Path) -> list[Path]:
    """The DICOM files right in a folder, by name."""
    try:
        return sorted(f for f in folder.iterdir() if f.is_file() and is_dicom_file(f))
    except OSError:
        return []


def _folders(folder: Path) -> list[Path]:
    try:
        return [f for f in sorted(folder.iterdir()) if f.is_dir()][:MAX_NEIGHBOURS]
    except OSError:
        return []


def _first(folder: Path) -> Path | None:
    """The first DICOM file among a folder's first ones."""
    try:
        names = sorted(folder.iterdir())[:PEEK]
    except OSError:
        return None
    return next((f for f in names if f.is_file() and is_dicom_file(f)), None)


def _study_uid(path: Path) -> str:
    try:
        return read_slice(path).study_uid
    except InputError:
        return ""
