"""What a scanner wrote about a series, in DICOM or in a sidecar: the attributes that recognition reads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tags:
    """The attributes that recognition reads; absent ones are None or empty. Times of the sequence are in ms.

    Attributes:
        agent: ContrastBolusAgent (0018,0010) or a sidecar's ContrastBolusIngredient.
        dose: ContrastBolusVolume in mL, where stated.
        study_text: StudyDescription and RequestedProcedureDescription.
        acquired: when the acquisition began, in seconds of one clock for all series of a study.
        number: SeriesNumber (0020,0011); scanners count in the order of acquisition.
    """

    image_type: tuple[str, ...] = ()
    description: str = ""
    protocol: str = ""
    sequence_name: str = ""
    scanning_sequence: tuple[str, ...] = ()
    variant: tuple[str, ...] = ()
    acquisition: str = ""
    repetition_time: float | None = None
    echo_time: float | None = None
    inversion_time: float | None = None
    flip_angle: float | None = None
    agent: str | None = None
    dose: float | None = None
    b_value: float | None = None
    angio: bool = False
    study_text: str = ""
    acquired: float | None = None
    number: int | None = None

    def times(self) -> str:
        """For messages: `TR 6000, TE 120, TI 2000 ms`."""
        named = (("TR", self.repetition_time), ("TE", self.echo_time), ("TI", self.inversion_time))
        return ", ".join(f"{name} {value:.4g}" for name, value in named if value) + " ms"


def clock_seconds(text: str) -> float | None:
    """Time of day `14:42:24.08`, `144224.08` or the end of an ISO date and time -> seconds since midnight."""
    digits = text.strip().split("T")[-1].replace(":", "")
    try:
        hours, minutes, seconds = int(digits[:2]), int(digits[2:4] or 0), float(digits[4:] or 0)
    except ValueError:
        return None
    return hours * 3600.0 + minutes * 60 + seconds
