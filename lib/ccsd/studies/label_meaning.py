"""What the values of a label file mean, where somebody says so: its own header, the client, the data set."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ccsd.common.errors import InputError
from ccsd.imaging.nrrd import Segment, nrrd_segments
from ccsd.imaging.segment_names import is_no_label, value_of_name, values_of_names

# The Decathlon's Task01 (its dataset.json), for copies that came without it.
DECATHLON_CASE = re.compile(r"BRATS_\d{3}\b")
DECATHLON_BRAINS = {"1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"}
# BraTS 2012 to 2015 counted five parts and called its files VSD.Brain_3more.XX.O.OT.54517.
OLD_BRATS_CASE = re.compile(r"VSD\.Brain|\.OT\.")
OLD_BRATS_FOLDER = re.compile(r"VSD\.Brain.*\.OT(\.|$)")
OLD_BRATS = {"1": "necrosis", "2": "edema", "3": "non-enhancing tumor", "4": "enhancing tumour"}


@dataclass(frozen=True)
class Meaning:
    """(layer, value in the file) -> the task's value; `listed`: the task's values that have a name; warnings."""

    values: Mapping[tuple[int, int], int]
    listed: frozenset[int]
    warnings: tuple[str, ...] = ()


def meaning_of(
    path: Path, found: Sequence[set[int]], names: Mapping[str, int], segments: Sequence[Mapping[str, Any]]
) -> Meaning | None:
    """What the values `found` in the layers of a file mean; None: nobody says, they are the task's own.

    The file's own header goes before what the client said, as Slicer counts otherwise in the two.

    Raises:
        InputError: a name that the task does not have, a value without a name, or names that contradict each other.
    """
    of_header = nrrd_segments(path)
    of_client = _listed(segments)
    if not names:
        return None
    if of_header:
        _agree(path.name, of_header, of_client, names)
        return _meaning(path.name, found, of_header, names, said_by="header")
    if of_client:
        return _meaning(path.name, found, _numbered(path.name, of_client, found[0], names), names, said_by="label_info")
    if of_dataset := _of_dataset(path, names):
        return _meaning(path.name, found, of_dataset, names, said_by="dataset.json")
    return _of_old_brats(path, found, names)


def _of_old_brats(path: Path, found: Sequence[set[int]], names: Mapping[str, int]) -> Meaning | None:
    """What BraTS 2012 to 2015 counted, where a file or its folder is named as they named theirs."""
    old = [Segment(name, int(value)) for value, name in OLD_BRATS.items()]
    named = OLD_BRATS_CASE.search(path.name) or OLD_BRATS_FOLDER.match(path.parent.name)
    if not named or any(value_of_name(one.name, names) is None for one in old):
        return None
    meaning = _meaning(path.name, found, old, names, said_by="naming, that of BraTS 2012 to 2015,")
    told = f"{path.name} is named as BraTS 2012 to 2015 named labels: its values are taken for {_told(old)}"
    return Meaning(meaning.values, meaning.listed, (told,))


def description_of(path: Path) -> Path | None:
    """The dataset.json that says what the values of a label are: beside `labelsTr/`, if there is one."""
    file = path.parent.parent / "dataset.json"
    return file if _in_label_folder(path) and file.is_file() else None


def _meaning(
    file: str, found: Sequence[set[int]], segments: Sequence[Segment], names: Mapping[str, int], *, said_by: str
) -> Meaning:
    values = {}
    for layer, present in enumerate(found):
        here = [segment for segment in segments if segment.layer == layer]
        for value in present:
            called = [segment.name for segment in here if segment.value == value]
            values[layer, value] = _one_value(file, value, called, names)
            if not called:
                raise InputError(
                    f"label {file} has the values {sorted(present)}, but its {said_by} names {_told(here)}, expected a "
                    "name for every value"
                )
    return Meaning(values, frozenset(values_of_names((segment.name for segment in segments), names)))


def _one_value(file: str, value: int, called: Sequence[str], names: Mapping[str, int]) -> int:
    """The task's value of segments that all stand for one value in the file; 0: it is no label."""
    meant = {name: 0 if is_no_label(name) else value_of_name(name, names) for name in called}
    unknown = [name for name, known in meant.items() if known is None]
    if unknown:
        raise InputError(f"label {file} has the segment {unknown[0]!r}, expected names from {', '.join(names)}")
    if len(set(meant.values())) > 1:
        raise InputError(
            f"label {file} has one value, {value}, for {' and '.join(map(repr, called))}, expected one each"
        )
    return next(iter(meant.values()), 0) or 0


def _told(segments: Iterable[Segment]) -> str:
    return ", ".join(f"{segment.value} {segment.name!r}" for segment in segments) or "none of them"


def _listed(segments: Sequence[Mapping[str, Any]]) -> list[Segment]:
    """A client's segments, by their idx; background and Slicer's scribbles are none."""
    try:
        listed = [Segment(str(one["name"]), int(one["idx"])) for one in segments]
        if any(float(one["idx"]) != int(one["idx"]) for one in segments):
            raise ValueError("an idx that is not whole")
    except (KeyError, TypeError, ValueError, OverflowError):
        raise InputError(f"label_info is {segments!r}, expected a list of name and idx") from None
    twice = {one.value for one in listed if [other.value for other in listed].count(one.value) > 1}
    if twice:
        raise InputError(f"label_info has the idx {min(twice)} twice, expected an idx for each segment")
    return sorted((one for one in listed if one.value and not is_no_label(one.name)), key=lambda one: one.value)


def _numbered(file: str, listed: Sequence[Segment], found: set[int], names: Mapping[str, int]) -> Sequence[Segment]:
    """The segments with the values that they have in the file.

    Their idx is the value. But Slicer's module counts in idx the segments that it leaves out of the file (background,
    scribbles), while it exports the others as 1, 2, ...: where its idx have gaps, values are counted anew. Where
    both readings are possible and differ, nobody can tell.
    """
    counted = [Segment(one.name, place) for place, one in enumerate(listed, start=1)]
    readings = [one for one in (listed, counted) if found <= {segment.value for segment in one}]
    drawn = [{segment.value: segment.name for segment in one if segment.value in found} for one in readings]
    if len(drawn) == 2 and drawn[0] != drawn[1] and _differ(drawn, names):
        value = next(value for value, name in drawn[0].items() if drawn[1][value] != name)
        raise InputError(
            f"label {file}: label_info has the idx {[one.value for one in listed]}, so the value {value} may be "
            f"{drawn[0][value]!r} by its idx or {drawn[1][value]!r} by its place in the list, expected idx 1, 2, ...: "
            "in Slicer move background and scribbles behind the other segments, or remove them"
        )
    return readings[0] if readings else listed


def _differ(drawn: Sequence[Mapping[int, str]], names: Mapping[str, int]) -> bool:
    meant = [{value: value_of_name(name, names) or name for value, name in one.items()} for one in drawn]
    return meant[0] != meant[1]


def _agree(file: str, header: Sequence[Segment], client: Sequence[Segment], names: Mapping[str, int]) -> None:
    """Raises InputError: the client lists labels that the file's header does not have."""
    of_client = values_of_names((one.name for one in client), names)
    if not of_client <= values_of_names((one.name for one in header), names):
        raise InputError(
            f"label {file}: label_info names {_told(client)}, but its header {_told(header)}, expected the same"
        )


def _of_dataset(path: Path, names: Mapping[str, int]) -> list[Segment]:
    """What a dataset.json calls the labels of the Decathlon and nnU-Net; empty for all others."""
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
    return [one for pair in written.items() if (one := _of_pair(*pair, names)) is not None]


def _of_pair(first: object, second: object, names: Mapping[str, int]) -> Segment | None:
    """`"1": "edema"` (Decathlon) or `"edema": 1` (nnU-Net); None for the background."""
    value, name = (int(first), str(second)) if str(first).isdecimal() else (second, str(first))  # type: ignore[call-overload]
    if value == 0:
        return None
    if not isinstance(value, int) or value_of_name(name, names) is None:
        raise InputError(
            f"dataset.json calls label {value} {name!r}, expected one value each of the task's {', '.join(names)}"
        )
    return Segment(name, value)


def _in_label_folder(path: Path) -> bool:
    return path.parent.name in {"labelsTr", "labelsTs"}
