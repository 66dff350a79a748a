"""JSON sidecars of dcm2niix and BIDS -> tags. Their times are in seconds, ours in milliseconds.

Fields: BIDS specification 1.9, Magnetic Resonance Imaging data; dcm2niix's own are ImageType, ScanningSequence and the
other DICOM keywords, lists written with `_` or as lists.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ccsd.imaging.tags import Tags, clock_seconds

MAX_BYTES = 4_000_000  # a sidecar has some kilobytes
MAX_NUMBER = 1e9  # of a field; JSON may hold numbers that no float can, and NaN


def read_sidecar(path: Path) -> Tags | None:
    """The tags in a JSON file, or None where it holds no such fields or cannot be read: a sidecar is a hint."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return _tags(content) if isinstance(content, dict) else None


def _tags(content: Mapping[str, Any]) -> Tags:
    def text(*keys: str) -> str:
        return next((str(content[k]) for k in keys if isinstance(content.get(k), (str, int, float))), "")

    def number(key: str, scale: float = 1.0) -> float | None:
        value = content.get(key)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not abs(value) < MAX_NUMBER:
            return None
        return value * scale

    def values(key: str) -> tuple[str, ...]:
        value = content.get(key)
        items = value if isinstance(value, list) else str(value).replace("\\", "_").split("_") if value else []
        return tuple(str(v).strip() for v in items)

    order = number("SeriesNumber")
    agent = text("ContrastBolusIngredient", "ContrastBolusAgent") or None
    return Tags(
        image_type=tuple(str(v) for v in _list(content.get("ImageType"))),
        description=text("SeriesDescription"),
        protocol=text("ProtocolName"),
        sequence_name=text("SequenceName", "PulseSequenceName"),
        scanning_sequence=values("ScanningSequence"),
        variant=values("SequenceVariant"),
        acquisition=text("MRAcquisitionType"),
        repetition_time=number("RepetitionTime", 1000),
        echo_time=number("EchoTime", 1000),
        inversion_time=number("InversionTime", 1000),
        flip_angle=number("FlipAngle"),
        agent=agent,
        study_text=text("StudyDescription", "ProcedureStepDescription"),
        acquired=clock_seconds(text("AcquisitionTime", "AcquisitionDateTime")),
        number=None if order is None else int(order),
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
