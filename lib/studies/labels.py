"""Reference label maps, as clients and data sets write them -> the values of a task."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lib.errors import GridMismatchError, InputError
from lib.studies.volumes import Grid, read_grid, read_values

# The Decathlon's Task01 (its dataset.json), for copies that came without it.
DECATHLON_CASE = re.compile(r"BRATS_\d{3}\b")
DECATHLON_BRAINS = {"1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"}


def normalise_label(
    values: NDArray[np.floating], name: str, *, known: int, aliases: Mapping[int, int]
) -> NDArray[np.uint8]:
    """Label values -> contiguous 0..`known`, an alias (BraTS's 4) becoming what it stands for (3).

    Raises:
        InputError: values that are not whole, an alias together with what it stands for, or unknown values.
    """
    found = np.unique(values)
    if not np.array_equal(found, np.round(found)):
        raise InputError(f"label {name} has fractional values, expected whole numbers 0 to {known}")
    present = {int(v) for v in found}
    for alias, value in aliases.items():
        if alias in present:
            if value in present:
                raise InputError(f"label {name} has both {value} and {alias}, which stand for the same, expected one")
            values = np.where(values == alias, value, values)
            present = (present - {alias}) | {value}
    unknown = sorted(present - set(range(known + 1)))
    if unknown:
        accepted = "".join(f" ({alias} is accepted for {value})" for alias, value in aliases.items())
        raise InputError(f"label {name} has the values {unknown}, expected 0 to {known}{accepted}")
    return values.astype(np.uint8)


def read_label(
    path: Path,
    *,
    known: int,
    aliases: Mapping[int, int],
    names: Mapping[str, int] | None = None,
    reference: Grid | None = None,
    segments: Sequence[Mapping[str, Any]] = (),
) -> tuple[NDArray[np.uint8], Grid]:
    """A label file as (D, H, W) uint8 with values 0..`known`, and its grid.

    Args:
        names: name of a label -> value, for data sets whose own dataset.json says what their values are.
        segments: what the client says that the file's values are, as 3D Slicer does: `{"name": "oedema", "idx": 1}`.

    Raises:
        InputError: unreadable, of unknown values, or of labels that have other names.
        GridMismatchError: not on `reference`.
    """
    grid = read_grid(path)
    if reference is not None and not grid.matches(reference):
        raise GridMismatchError(
            f"label {path.name} is {grid.describe()} but its image is {reference.describe()}, expected the same grid"
        )
    values = read_values(path, grid)
    if not np.isfinite(values).all():
        raise InputError(f"label {path.name} has values that are NaN or infinite, expected whole numbers 0 to {known}")
    if segments and names:
        values = _translated(values, path.name, _said(segments, values, names, path.name), said_by="label_info")
    elif names and (meaning := _meaning(path, names)):
        values = _translated(values, path.name, meaning, said_by="dataset.json")
    return normalise_label(values, path.name, known=known, aliases=aliases), grid


def description_of(path: Path) -> Path | None:
    """The dataset.json that says what the values of a label are: beside `labelsTr/`, if there is one."""
    file = path.parent.parent / "dataset.json"
    return file if _in_label_folder(path) and file.is_file() else None


def _in_label_folder(path: Path) -> bool:
    return path.parent.name in {"labelsTr", "labelsTs"}


def _meaning(path: Path, names: Mapping[str, int]) -> dict[int, int]:
    """Value in the file -> the task's value, for labels of the Decathlon and nnU-Net; empty for all others."""
    file = description_of(path)
    try:
        content = json.loads(file.read_text(encoding="utf-8")) if file else {}
    except (OSError, ValueError):
        raise InputError(f"dataset.json beside {path.parent.name} is not valid JSON") from None
    written = content.get("labels") if isinstance(content, dict) else None
    if not written:
        written = DECATHLON_BRAINS if _in_label_folder(path) and DECATHLON_CASE.match(path.name) else {}
    if not isinstance(written, dict):
        raise InputError(f"dataset.json: labels is a {type(written).__name__}, expected names and values")
    spelled = {plain_name(name): value for name, value in names.items()}
    meaning = {0: 0}
    for first, second in written.items():
        value, name = (int(first), str(second)) if str(first).isdecimal() else (second, str(first))
        if value == 0:
            continue
        if not isinstance(value, int) or plain_name(name) not in spelled:
            raise InputError(
                f"dataset.json calls label {value} {name!r}, expected one value each of the task's {', '.join(names)}"
            )
        meaning[value] = spelled[plain_name(name)]
    return meaning if written else {}


def _said(
    segments: Sequence[Mapping[str, Any]], values: NDArray[np.floating], names: Mapping[str, int], file: str
) -> dict[int, int]:
    """Value in the file -> the task's value, by the names of a client's segments.

    `idx` is the value; where the file has others, the segments in that order are 1, 2, ... (3D Slicer counts segments
    that it leaves out of the file). Segments that nobody drew in may have any name.
    """
    by_value = _named(segments)
    found = {int(v) for v in np.unique(values)} - {0}
    if not found <= set(by_value):
        by_value = dict(enumerate((by_value[idx] for idx in sorted(by_value)), start=1))
    spelled = {plain_name(name): value for name, value in names.items()}
    drawn = {value: name for value, name in by_value.items() if value in found}
    unknown = [name for name in drawn.values() if plain_name(name) not in spelled]
    if unknown:
        raise InputError(f"label {file} has the segment {unknown[0]!r}, expected names from {', '.join(names)}")
    return {0: 0, **{value: spelled[plain_name(name)] for value, name in drawn.items()}}


def listed_values(segments: Sequence[Mapping[str, Any]], names: Mapping[str, int]) -> set[int]:
    """The task's values of the segments that a client lists, drawn in or not; segments of other names do not count.

    Raises:
        InputError: not a list of names and values.
    """
    spelled = {plain_name(name): value for name, value in names.items()}
    return {spelled[plain_name(name)] for name in _named(segments).values() if plain_name(name) in spelled}


def _named(segments: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    try:
        return {int(s["idx"]): str(s["name"]) for s in segments}
    except (KeyError, TypeError, ValueError, OverflowError):
        raise InputError(f"label_info is {segments!r}, expected a list of name and idx") from None


def _translated(
    values: NDArray[np.floating], name: str, meaning: Mapping[int, int], *, said_by: str
) -> NDArray[np.floating]:
    unknown = sorted(set(np.unique(values).tolist()) - set(meaning))
    if unknown:
        raise InputError(f"label {name} has the values {unknown}, its {said_by} names {sorted(meaning)}")
    result = np.zeros_like(values)
    for value, meant in meaning.items():
        result[values == value] = meant
    return result


def plain_name(name: str) -> str:
    """A label's name without what spellings differ in: case, separators, British or American."""
    american = name.lower().replace("tumour", "tumor").replace("oedema", "edema")
    return "".join(c for c in american if c.isalnum())
