"""Which files of a folder belong to one study, from their names alone: no file is opened here."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from lib.studies import names
from lib.studies.names import ImageName
from lib.studies.words import case_part, ends_in_word, guess_words

_BRATS_YEAR = re.compile(r"^brats[-_]?(?:\d{4}|\d{2}_|[a-z]{3}-)", re.IGNORECASE)
_NUMBER = re.compile(r"^\d{1,4}[-_. ]+")
_WORD = re.compile(r"[A-Za-z0-9]")


@dataclass
class Bundle:
    """Files of one study, by name.

    Attributes:
        id: the case.
        images: file -> its name taken apart (not recognised: to be read as free-form words).
        label: the reference label.
        channels: the order of numbered files and of 4D files, where it is known.
    """

    id: str
    folder: Path
    images: dict[Path, ImageName] = field(default_factory=dict)
    label: Path | None = None
    channels: tuple[str, ...] = ()


def bundle(
    folder: Path,
    files: Iterable[Path],
    modalities: Sequence[str],
    *,
    channels: Sequence[str] = (),
    numbers_known: bool = False,
) -> list[Bundle]:
    """The image files of one folder as studies.

    Strict names tell their case. Free-form names belong to the case that they begin with; without one they are all of
    one study, which is named like the folder.

    Args:
        channels: the order of `_0000`, `_0001`, ..., where it is known.
        numbers_known: whether `_0000`, ... may be believed to follow that order, or the default.
    """
    parsed = {path: names.parse(path, modalities, channels) for path in sorted(files, key=lambda p: p.name)}
    strict, free = _strict_cases(parsed, numbers_known=numbers_known)
    bundles: dict[str, Bundle] = {}

    def add(case: str, path: Path, name: ImageName) -> None:
        held = bundles.setdefault(case, Bundle(case, folder, channels=tuple(channels)))
        if name.is_label and held.label is None:
            held.label = path
        elif name.is_label:
            held.images[path] = ImageName(case, None, False, refused=f"a label beside {held.label and held.label.name}")
        else:
            held.images[path] = name

    for path, name in strict.items():
        add(_case(name, path, folder), path, name)
    owners = _owners(free, list(bundles), folder)
    for path, name in free.items():
        add(owners[path], path, name)
    for held in bundles.values():
        held.label = held.label or _label_beside(held)
    return sorted(bundles.values(), key=lambda b: b.id)


def _case(name: ImageName, path: Path, folder: Path) -> str:
    """A file named by nothing but its modality is of the folder's case."""
    return folder.name if name.case == names.strip_extension(path.name) and not name.stack else name.case


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
            free[path] = ImageName(names.strip_extension(path.name), None, False)  # AX_POST_T1: POST counts
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


def _owners(free: dict[Path, ImageName], strict_cases: list[str], folder: Path) -> dict[Path, str]:
    """Free-form file -> the case that it belongs to."""
    stems = {path: names.strip_extension(path.name) for path in free}
    numbered = _are_series_numbers(list(stems.values()))
    prefixes = {p: _prefix(_NUMBER.sub("", stem) if numbered else stem) for p, stem in stems.items()}
    only = strict_cases[0] if len(strict_cases) == 1 else folder.name
    cases = {*strict_cases, *(p for p in prefixes.values() if p)}
    return {path: _begun(stem, cases) or prefixes[path] or only for path, stem in stems.items()}


def _begun(stem: str, cases: Set[str]) -> str:
    """The longest case that a name begins with, up to where a word of it ends; empty if there is none."""
    ends = [i for i in range(len(stem), 0, -1) if not _WORD.match(stem, i)]
    return next((stem[:i] for i in ends if stem[:i] in cases), "")


def _prefix(stem: str) -> str:
    """The case that a free-form name begins with; none where nothing of the name is understood."""
    case = case_part(stem)
    return "" if case == stem else case


def _are_series_numbers(stems: Sequence[str]) -> bool:
    """Whether the numbers in front of names (`5_T1_AX`) are series of one study: each comes with one kind of image, and
    there are several kinds. Numbers of cases come with several kinds, or all with the same."""
    kinds: dict[str, set[tuple[str | None, bool]]] = defaultdict(set)
    for stem in stems:
        number = _NUMBER.match(stem)
        guess = guess_words(stem)
        kinds[number[0] if number else ""].add((guess.sequence, bool(guess.refused)))
    of_numbers = [k for number, k in kinds.items() if number]
    return len(of_numbers) > 1 and all(len(k) == 1 for k in of_numbers) and len(set.union(*of_numbers)) > 1


def _label_beside(held: Bundle) -> Path | None:
    """The Decathlon's and nnU-Net's label: `labelsTr/case.nii.gz` for `imagesTr/case*.nii.gz`."""
    if not held.folder.name.startswith("images"):
        return None
    folder = held.folder.with_name(held.folder.name.replace("images", "labels", 1))
    return next((f for e in names.IMAGE_EXTENSIONS if (f := folder / f"{held.id}{e}").is_file()), None)
