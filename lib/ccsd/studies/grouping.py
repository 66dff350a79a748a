"""Which files of a folder belong to one study, from their names alone: no file is opened here."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from ccsd.imaging import filenames
from ccsd.studies import names
from ccsd.studies.identity import Identity, identity_of, is_label_name
from ccsd.studies.names import ImageName
from ccsd.studies.partition import is_series_numbers, named, partition
from ccsd.studies.words import case_part, ends_in_word

_BRATS_YEAR = re.compile(r"^brats[-_]?(?:\d{4}|\d{2}_|[a-z]{3}-)", re.IGNORECASE)
_NUMBER = re.compile(r"^\d{1,4}[-_. ]+")
_LONGEST = 4  # digits of a series number
_WORD = re.compile(r"[A-Za-z0-9]")


@dataclass
class Bundle:
    """Files of one study, by name.

    Attributes:
        id: the case.
        images: file -> its name taken apart (not recognised: to be read as free-form words).
        label: the reference label.
        channels: the order of numbered files and of 4D files, where it is known.
        free: whether a free-form name is among the images.
        note: a sentence where the one image is joined with no other of its folder.
    """

    id: str
    folder: Path
    images: dict[Path, ImageName] = field(default_factory=dict)
    label: Path | None = None
    channels: tuple[str, ...] = ()
    free: bool = False
    note: str = ""


def bundle(
    folder: Path,
    files: Iterable[Path] | Mapping[Path, str],
    modalities: Sequence[str],
    *,
    channels: Sequence[str] = (),
    numbers_known: bool = False,
) -> list[Bundle]:
    """The image files of one folder as studies.

    Strict names tell their case. Free-form names belong to the case that they begin with, and what differs between them
    beside the modality is a study's name, see `partition`; without one they are all of one study, which is named like
    the folder.

    Args:
        files: the images, with the names that they are to be read by where those are not their own.
        channels: the order of `_0000`, `_0001`, ..., where it is known.
        numbers_known: whether `_0000`, ... may be believed to follow that order, or the default.
    """
    read_as = files if isinstance(files, Mapping) else {path: path.name for path in files}
    ordered = sorted(read_as, key=lambda p: (read_as[p], p))
    parsed = {path: names.parse(read_as[path], modalities, channels) for path in ordered}
    parsed = _without_series_numbers(parsed, {path: filenames.strip_extension(n) for path, n in read_as.items()})
    strict, free = _strict_cases(parsed, numbers_known=numbers_known)
    bundles: dict[str, Bundle] = {}
    for path, name in strict.items():
        prepared = name.case if name.bare and name.case != filenames.strip_extension(read_as[path]) else name.entities
        _add(bundles, _case(name, folder), folder, path, replace(name, entities=prepared), channels)
    stems = {c: [filenames.strip_extension(read_as[p]) for p in b.images] for c, b in bundles.items()}
    for path, case in _owners(free, stems, folder).items():
        _add(bundles, case, folder, path, free[path], channels)
        bundles[case].free = True
    return _completed(list(bundles.values()))


def _add(
    bundles: dict[str, Bundle], case: str, folder: Path, path: Path, name: ImageName, channels: Sequence[str]
) -> None:
    held = bundles.setdefault(case, Bundle(case, folder, channels=tuple(channels)))
    if name.is_label and held.label is None:
        held.label = path
    elif name.is_label:
        held.images[path] = ImageName(case, None, False, refused=f"a label beside {held.label and held.label.name}")
    else:
        held.images[path] = name


def _completed(bundles: list[Bundle]) -> list[Bundle]:
    """The studies with their labels, and with what is to be said where an image is alone."""
    for held in bundles:
        if held.label is None:
            _take_label(held)
        held.label = held.label or _label_beside(held)
    bundles = _with_the_only_label(bundles)
    for held in bundles:
        held.note = _note(held, bundles)
    return sorted(bundles, key=lambda b: b.id)


def _take_label(held: Bundle) -> None:
    """The one free-form name that speaks of a segmentation."""
    found = [p for p, n in held.images.items() if not n.recognised and is_label_name(n.case)]
    if len(found) == 1 and len(held.images) > 1:
        del held.images[found[0]]
        held.label = found[0]


def _with_the_only_label(bundles: list[Bundle]) -> list[Bundle]:
    """The one label of a folder of one case belongs to it, whatever its name."""
    cases = [b for b in bundles if b.images]
    labels = [b for b in bundles if not b.images]
    if len(cases) == len(labels) == 1 and cases[0].label is None:
        cases[0].label = labels[0].label
        return cases
    return bundles


def _note(held: Bundle, bundles: Sequence[Bundle]) -> str:
    """A sentence where the names of a folder join an image with no other, though there are others."""
    others = [p.name for b in bundles if b is not held for p in b.images]
    if len(held.images) != 1 or not others or (not held.free and any(len(b.images) > 1 for b in bundles)):
        return ""
    if len({tuple(n.modality for n in b.images.values()) for b in bundles}) == 1 and not held.free:
        return ""  # a folder of one modality
    named = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
    return (
        f"{next(iter(held.images)).name} is used alone: by their names {named} beside it are of another patient or "
        "visit; if they are of the same, name them in the parameter modalities or give all one name and a modality"
    )


def _case(name: ImageName, folder: Path) -> str:
    """A file named by nothing but its modality and its preparation is of the folder's case."""
    return folder.name if name.bare else name.case


def _strict_cases(
    parsed: dict[Path, ImageName], *, numbers_known: bool
) -> tuple[dict[Path, ImageName], dict[Path, ImageName]]:
    """(names to be believed, names to be read as free-form words)."""
    cases: dict[str, list[ImageName]] = defaultdict(list)
    for name in parsed.values():
        if name.recognised:
            cases[name.case].append(name)
    strict, free = {}, {}
    for path, name in parsed.items():
        if not name.recognised:
            free[path] = name
        elif name.channel is not None and not numbers_known:
            strict[path] = _numbered(name, cases[name.case])
        elif name.modality and ends_in_word(name.case) and not _is_shared(cases[name.case]):
            free[path] = ImageName(filenames.strip_extension(path.name), None, False)  # AX_POST_T1: POST counts
        else:
            strict[path] = name
    return strict, free


def _is_shared(siblings: Sequence[ImageName]) -> bool:
    """Whether a case's name is borne by enough modalities to be one, be it `p1_post`."""
    found = {n.modality for n in siblings if n.modality}
    return len(found) >= 3 or {"t1", "t1ce"} <= found


def _numbered(name: ImageName, siblings: Sequence[ImageName]) -> ImageName:
    """`case_0000` is believed to follow the MSD's order if all of its channels are there and its name is not of BraTS,
    which nnU-Net numbers in another order."""
    order = name.rule.split(" of ", 1)[-1].split(", ")
    found = {n.channel for n in siblings if n.channel is not None}
    if _BRATS_YEAR.match(name.case) and not names.parse(name.case).stack:
        why = "nnU-Net numbers BraTS otherwise than the MSD, and no dataset.json says which order this is"
    elif found != set(range(len(order))):
        why = (
            f"the order of channels is not known: {len(found)} of {len(order)} are there, and there is no dataset.json"
        )
    else:
        return name
    return replace(name, modality=None, doubt=why)


def _without_series_numbers(parsed: Mapping[Path, ImageName], stems: Mapping[Path, str]) -> dict[Path, ImageName]:
    """Names of which the case is a number (`301_T1`) read as free-form words, where those numbers are of series."""
    numbered = {p: n for p, n in parsed.items() if n.recognised and n.case.isdigit() and len(n.case) <= _LONGEST}
    others = any(n.recognised and p not in numbered and not n.bare for p, n in parsed.items())
    kinds = [n.modality for n in numbered.values()]
    distinct = len(set(kinds)) == len(kinds) or all(0 < int(n.case) % 100 < 10 for n in numbered.values())
    if others or not distinct or not _are_series_numbers(list(stems.values())):
        return dict(parsed)
    return {path: ImageName(stems[path], None, False) if path in numbered else name for path, name in parsed.items()}


def _owners(free: Mapping[Path, ImageName], strict: Mapping[str, Sequence[str]], folder: Path) -> dict[Path, str]:
    """Free-form file -> the case that it belongs to.

    Args:
        strict: the cases that are known already, with the names of their images.
    """
    stems = {path: name.case for path, name in free.items()}
    if _are_series_numbers(list(stems.values())):
        stems = {path: _NUMBER.sub("", stem) for path, stem in stems.items()}
    alike: dict[Identity, str] = {}  # cases that differ by the times of their series alone are one
    prefixes = {path: _prefix(stem) for path, stem in stems.items()}
    prefixes = {path: alike.setdefault(identity_of(prefix), prefix) for path, prefix in prefixes.items()}
    cases = {*strict, *(p for p in prefixes.values() if p)}
    begun = {path: _begun(free[path].case, cases) or prefix for path, prefix in prefixes.items()}
    owners: dict[Path, str] = {}
    for case in sorted(set(begun.values())):
        members = {
            path: stems[path].removeprefix(_prefix(stems[path]) or case) for path in stems if begun[path] == case
        }
        owners |= _parted(case or folder.name, members, {} if case else strict)
    return owners


def _parted(case: str, members: Mapping[Path, str], strict: Mapping[str, Sequence[str]]) -> dict[Path, str]:
    """File -> `case`, with what tells its study from the others; or the one strict case that it may belong to."""
    only = next(iter(strict)) if len(strict) == 1 else ""
    known = {Path(stem): stem for stem in strict.get(only, ())}
    parts = partition({**members, **known})
    own = {parts[path] for path in known}
    return {
        path: only if only and parts[path] in own else f"{case}_{parts[path]}" if parts[path] else case
        for path in members
    }


def _begun(stem: str, cases: Set[str]) -> str:
    """The longest case that a name begins with, up to where a word of it ends; empty if there is none."""
    ends = [i for i in range(len(stem), 0, -1) if not _WORD.match(stem, i)]
    return next((stem[:i] for i in ends if stem[:i] in cases), "")


def _prefix(stem: str) -> str:
    """The case that a free-form name begins with; none where nothing of the name is understood."""
    case = case_part(stem)
    return "" if case == stem else case


def _are_series_numbers(stems: Sequence[str]) -> bool:
    found = [_NUMBER.match(stem) for stem in stems]
    pairs = [(number[0], named(stem).kind or ("other",)) for number, stem in zip(found, stems, strict=True) if number]
    return is_series_numbers([number for number, _ in pairs], [kind for _, kind in pairs])


def _label_beside(held: Bundle) -> Path | None:
    """The Decathlon's and nnU-Net's label: `labelsTr/case.nii.gz` for `imagesTr/case*.nii.gz`."""
    if not held.folder.name.startswith("images"):
        return None
    folder = held.folder.with_name(held.folder.name.replace("images", "labels", 1))
    return next((f for e in filenames.IMAGE_EXTENSIONS if (f := folder / f"{held.id}{e}").is_file()), None)
