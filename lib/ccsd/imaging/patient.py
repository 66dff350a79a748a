"""Whose examination of which day a DICOM file says that it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Patient:
    """Compared, to tell patients apart; shown is only `title`.

    Attributes:
        number: PatientID; day: StudyDate, `20190423`; study: StudyDescription.
        name, born: PatientName and PatientBirthDate, never shown.
    """

    number: str = ""
    name: str = ""
    born: str = ""
    day: str = ""
    study: str = ""

    def title(self, *, number: bool) -> str:
        """How a person knows the study: `4711 · 2019-04-23 · MRI BRAIN`, the number only where that is allowed."""
        date = f"{self.day[:4]}-{self.day[4:6]}-{self.day[6:]}" if len(self.day) == 8 else self.day
        return " · ".join(filter(None, (self.number if number else "", date, self.study)))
