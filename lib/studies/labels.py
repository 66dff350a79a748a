"""Reference label maps, as clients and data sets write them -> the values of a task."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

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
) -> tuple[NDArray[np.uint8], Grid]:
    """A label file as (D, H, W) uint8 with values 0..`known`, and its grid.

    Args:
        names: name of a label -> value, for data sets whose own dataset.json says what their values are.

    Raises:
        InputError: unreadable, of unknown values, or of a data set whose labels have other names.
        GridMismatchError: not on `reference`.
    """
    grid = read_grid(path)
    if reference is not None and not grid.matches(reference):
        raise GridMismatchError(
            f"label {path.name} is {grid.describe()} but its image is {reference.describe()}, expected the same grid"
        )
    values = read_values(path, grid)
    meaning = _meaning(path, names) if names else {}
    if meaning:
        values = _translated(values, path.name, meaning)
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
    spelled = {_plain(name): value for name, value in names.items()}
    meaning = {0: 0}
    for first, second in written.items():
        value, name = (int(first), str(second)) if str(first).isdecimal() else (second, str(first))
        if value == 0:
            continue
        if not isinstance(value, int) or _plain(name) not in spelled:
            raise InputError(
                f"dataset.json calls label {value} {name!r}, expected one value each of the task's {', '.join(names)}"
            )
        meaning[value] = spelled[_plain(name)]
    return meaning if written else {}


def _translated(values: NDArray[np.floating], name: str, meaning: Mapping[int, int]) -> NDArray[np.floating]:
    unknown = sorted(set(np.unique(values).tolist()) - set(meaning))
    if unknown:
        raise InputError(f"label {name} has the values {unknown}, its dataset.json names {sorted(meaning)}")
    result = np.zeros_like(values)
    for value, meant in meaning.items():
        result[values == value] = meant
    return result


def _plain(name: str) -> str:
    american = name.lower().replace("tumour", "tumor").replace("oedema", "edema")
    return "".join(c for c in american if c.isalnum())
