"""Where an image comes from: a file, one channel of a 4D file, or a DICOM series; and what was left out, and why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ccsd.imaging.patient import Patient


@dataclass(frozen=True)
class Source:
    """One image and why it was taken for what it is.

    Attributes:
        path: the file; of a DICOM series its first slice by position.
        channel: which one of a 4D file, counted from 0 (None: the file is 3D).
        series: the files of a DICOM series in the order of their positions (None: no DICOM), and
        frames: of each, which of its frames (None: it has one).
        rule: the evidence, in words for the user.
        uid: SeriesInstanceUID (0020,000E) of a DICOM series.
        title: how a person knows a DICOM series, `series 401 T2W_TSE_TRA`.
        patient: whose examination it is, of a DICOM series.
        also: other files of a DICOM series that show the same and are not read.
        notes: what the user must know of how it is read, as sentences.
    """

    path: Path
    channel: int | None = None
    series: tuple[Path, ...] | None = None
    frames: tuple[int | None, ...] | None = None
    rule: str = ""
    uid: str = ""
    title: str = ""
    patient: Patient | None = None
    also: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For messages and answers: the file's name, with `[channel]`, or the series' title."""
        if self.series is not None:
            return self.title or self.uid
        return self.path.name if self.channel is None else f"{self.path.name}[{self.channel}]"

    def holds(self, path: Path) -> bool:
        """Whether `path` is this source's file or, of a series, one of its files."""
        return path == self.path or path in self.also or (self.series is not None and path in self.series)


@dataclass(frozen=True)
class LeftOut:
    """An image of a study that is not used, and the reason as a clause for the user."""

    source: Source
    reason: str

    @property
    def name(self) -> str:
        return self.source.name
