"""Folders -> the images of each study, found and read as far as recognising them needs."""

from __future__ import annotations

import logging
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lib.errors import InputError, NotFoundError
from lib.studies import names
from lib.studies.candidates import Candidate, folder_channels, knows_brains, of_file, of_series, of_unusable
from lib.studies.dicom import Unusable, is_dicom_file, one_study, same_study, sort_out
from lib.studies.dicom_parts import volumes
from lib.studies.grouping import Bundle, bundle

logger = logging.getLogger(__name__)

MOST_LISTED = 3  # of a folder's files in a sentence
IGNORED_FOLDERS = {"labels", "labelsTr", "labelsTs"}  # MONAI Label's, and the Decathlon's


@dataclass(frozen=True)
class Found:
    """The images of one study, before any is chosen; `damaged`: files of which none can be read."""

    id: str
    folder: Path
    candidates: tuple[Candidate, ...]
    label: Path | None = None
    damaged: bool = False


def under(root: Path, modalities: Sequence[str], *, channels: Sequence[str] = ()) -> list[Found]:
    """All studies under a folder, recursively, sorted by id. Where an id comes twice, the path goes in front. Links to
    folders elsewhere are followed.

    Raises:
        NotFoundError: `root` is no folder.
    """
    if not root.is_dir():
        raise NotFoundError(f"studies folder {root} does not exist")
    found: list[Found] = []
    dicom: list[Path] = []
    followed: set[str] = set()
    for folder, subfolders, files in os.walk(root, followlinks=True):
        wanted = (f for f in sorted(subfolders) if f not in IGNORED_FOLDERS and not f.startswith("."))
        subfolders[:] = [f for f in wanted if _is_to_follow(os.path.join(folder, f), root, followed)]
        place = Path(folder)
        images: list[Path] = []
        for file in sorted(files):
            path = place / file
            if is_dicom_file(path):
                dicom.append(path)
            elif names.is_image_file(file):
                images.append(path)
        found += [_found(b, modalities) for b in _bundles(place, images, modalities, channels)]
    found += _dicom_studies(dicom, modalities)
    return sorted(_told_apart(found, root), key=lambda f: f.id)


def _is_to_follow(folder: str, root: Path, followed: set[str]) -> bool:
    """Of folders that are links, those that lead out of `root` to what was not `followed` yet: no image comes twice,
    and links in a circle end."""
    if not os.path.islink(folder):
        return True
    target = os.path.realpath(folder)
    if target in followed or Path(target).is_relative_to(os.path.realpath(root)):
        return False
    followed.add(target)
    return True


def around(image: Path, modalities: Sequence[str], *, channels: Sequence[str] = ()) -> Found:
    """The study that an image or a DICOM file belongs to, or that a folder holds.

    Raises:
        NotFoundError: no such file.
        InputError: a folder that does not hold exactly one study, or a file that is no image.
    """
    if image.is_dir():
        found = under(image, modalities, channels=channels)
        return _only(image, found)
    if not image.is_file():
        raise NotFoundError(f"image {image.name} does not exist")
    if is_dicom_file(image):
        return _holding(image, _dicom_studies([image, *same_study(image)], modalities))
    if names.is_image_file(image):
        files = [p for p in image.parent.iterdir() if names.is_image_file(p)]
        bundles = _bundles(image.parent, _alone(image, files, modalities), modalities, channels)
        return _found(next(b for b in bundles if image in b.images or image == b.label), modalities)
    raise InputError(f"{image.name} is no image, expected {', '.join(names.IMAGE_EXTENSIONS)} or DICOM")


def listed(clauses: Sequence[str], between: str = "; ") -> str:
    """The first of several clauses, and how many more there are."""
    more = len(clauses) - MOST_LISTED
    return between.join(clauses[:MOST_LISTED]) + (f"{between}and {more} more" if more > 0 else "")


def _bundles(folder: Path, images: Iterable[Path], modalities: Sequence[str], channels: Sequence[str]) -> list[Bundle]:
    images = list(images)
    if not images:
        return []
    order = channels or folder_channels(folder)
    return bundle(folder, images, modalities, channels=order, numbers_known=bool(order) or not knows_brains(modalities))


def _found(held: Bundle, modalities: Sequence[str]) -> Found:
    found = [c for path, name in held.images.items() for c in of_file(path, name, modalities, channels=held.channels)]
    return Found(held.id, held.folder, tuple(found), held.label)


def _alone(image: Path, files: list[Path], modalities: Sequence[str]) -> list[Path]:
    """In the system's folder for temporary files, where strangers' uploads lie side by side, only files of the image's
    own strict case; elsewhere all files."""
    if image.parent.resolve() != Path(tempfile.gettempdir()).resolve():
        return files
    case = names.parse(image, modalities).case
    return [f for f in files if f == image or names.parse(f, modalities).case == case]


def _dicom_studies(paths: Sequence[Path], modalities: Sequence[str]) -> list[Found]:
    """The studies in DICOM files. What of them is no image is told with its study, else with those in its folder, else
    alone."""
    studies: dict[str, list[Candidate]] = defaultdict(list)
    folders: dict[str, Path] = {}
    series, unusable = sort_out(paths)
    for one in one_study(series):
        studies[one.study_uid] += [of_series(v, modalities) for v in volumes(one)]
        folders.setdefault(one.study_uid, one.folder)
    strays: dict[Path, list[Unusable]] = defaultdict(list)
    for file in unusable:
        logger.warning("left out: %s", file.reason)
        homes = [u for u in studies if u == file.study_uid] or [u for u in studies if folders[u] == file.path.parent]
        for uid in homes:
            studies[uid].append(of_unusable(file))
        if not homes:
            strays[file.path.parent].append(file)
    found = [Found(uid, folders[uid], tuple(found)) for uid, found in studies.items()]
    return found + [Found(f.name, f, tuple(map(of_unusable, u)), damaged=True) for f, u in strays.items()]


def _holding(image: Path, found: Iterable[Found]) -> Found:
    """The study with the image."""
    return next(f for f in found if any(c.source.holds(image) for c in f.candidates))


def _only(folder: Path, found: Sequence[Found]) -> Found:
    """The one study in a folder; files of which no image can be made are none.

    Raises:
        InputError: none, or several; the sentence says what is there.
    """
    whole = [f for f in found if not f.damaged] or found
    if len(whole) == 1:
        return whole[0]
    if whole:
        ids = listed([f.id for f in whole], ", ")
        raise InputError(f"folder {folder.name} holds {len(whole)} studies ({ids}), expected one")
    files = sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file())
    there = f"{len(files)} files, {files[0]} among them" if files else "no files"
    raise InputError(f"folder {folder.name} holds no image but {there}, expected NIfTI, NRRD or DICOM")


def _told_apart(found: Sequence[Found], root: Path) -> list[Found]:
    """Studies of the same id get their folder's path in front, `/` written as `__`."""
    count = Counter(f.id for f in found)
    return [f if count[f.id] == 1 else replace(f, id=_with_path(f, root)) for f in found]


def _with_path(found: Found, root: Path) -> str:
    parts = list(found.folder.relative_to(root).parts)
    return "__".join(parts if parts and parts[-1] == found.id else [*parts, found.id])
