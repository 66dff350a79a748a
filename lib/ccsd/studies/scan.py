"""Folders -> the images of each study, found and read as far as recognising them needs."""

from __future__ import annotations

import logging
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ccsd.common.errors import InputError, NotFoundError
from ccsd.imaging import filenames
from ccsd.imaging.content import kind_in_words, kind_of
from ccsd.imaging.dicom import Unusable, is_dicom_file, one_study, same_study, sort_out
from ccsd.studies import names
from ccsd.studies.candidates import Candidate, folder_channels, knows_brains, of_file, of_series, of_unusable
from ccsd.studies.dicom_parts import volumes
from ccsd.studies.grouping import Bundle, bundle
from ccsd.studies.layout import Files, gathered, is_of_one_modality

logger = logging.getLogger(__name__)

MAX_LISTED = 3  # of a folder's files in a sentence
VOXELS_ALONE = {".img", ".raw", ".zraw"}  # their headers are other files
IGNORED_FOLDERS = {"labels", "labelsTr", "labelsTs"}  # MONAI Label's, and the Decathlon's


@dataclass(frozen=True)
class Found:
    """The images of one study, before any is chosen; `damaged`: files of which none can be read."""

    id: str
    folder: Path
    candidates: tuple[Candidate, ...]
    label: Path | None = None
    note: str = ""
    damaged: bool = False


def under(root: Path, modalities: Sequence[str]) -> list[Found]:
    """All studies under a folder, recursively, sorted by id. Where an id comes twice, the path goes in front. Links to
    folders elsewhere are followed.

    Raises:
        NotFoundError: `root` is no folder.
    """
    if not root.is_dir():
        raise NotFoundError(f"studies folder {root} does not exist")
    dicom: list[Path] = []
    folders: dict[Path, list[Path]] = {}
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
            elif filenames.is_image_file(file):
                images.append(path)
        folders[place] = images
    places = gathered(folders) if knows_brains(modalities) else _as_named(folders)
    found = [_found(b, modalities) for f, files in places.items() for b in _bundles(f, files, modalities)]
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


def around(image: Path, modalities: Sequence[str]) -> Found:
    """The study that an image or a DICOM file belongs to, or that a folder holds.

    Raises:
        NotFoundError: no such file.
        InputError: a folder that does not hold exactly one study, or a file that is no image.
    """
    if image.is_dir():
        found = under(image, modalities)
        if not found:
            raise InputError(f"folder {image.name} holds no study: {_told(image)}, expected {_known()}")
        found = [f for f in found if not f.damaged] or found
        if len(found) > 1:
            ids = listed([f.id for f in found], ", ")
            raise InputError(f"folder {image.name} holds {len(found)} studies ({ids}), expected one")
        return found[0]
    if not image.is_file():
        raise NotFoundError(f"image {image.name} does not exist")
    if is_dicom_file(image):
        return _holding(image, _dicom_studies([image, *same_study(image)], modalities))
    if not filenames.is_image_file(image):
        _check_content(image)
    folder, files = _beside(image, modalities)
    bundles = _bundles(folder, files, modalities)
    return _found(next(b for b in bundles if image in b.images or image == b.label), modalities)


def listed(clauses: Sequence[str], between: str = "; ") -> str:
    """The first of several clauses, and how many more there are."""
    more = len(clauses) - MAX_LISTED
    return between.join(clauses[:MAX_LISTED]) + (f"{between}and {more} more" if more > 0 else "")


def _told(folder: Path) -> str:
    """What a folder holds that is no study."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    clauses = [kind_in_words(p) for p in files[:MAX_LISTED]] + [""] * (len(files) - MAX_LISTED)
    return listed(clauses) if files else "there are no files in it"


def _known() -> str:
    return f"{', '.join(filenames.IMAGE_EXTENSIONS)} or DICOM"


def _check_content(file: Path) -> None:
    """A file whose name is not an image's may be one. Raises InputError: it is none, with what it is."""
    if file.suffix.lower() in VOXELS_ALONE:
        raise InputError(f"{file.name} holds voxels without their header, expected both, as a zip archive")
    try:
        kind_of(file)
    except InputError:
        raise InputError(f"{kind_in_words(file)} and is no image, expected {_known()}") from None


def _beside(image: Path, modalities: Sequence[str]) -> tuple[Path, Files]:
    """The folder that holds an image's study, and the images in it with the names that they are to be read by."""
    beside = sorted({image, *_images_in(image.parent)})
    if _is_in_temporary_folder(image):
        return image.parent, {p: p.name for p in _alone(image, beside, modalities)}
    if knows_brains(modalities) and is_of_one_modality(image.parent):
        around = [p for p in image.parent.parent.iterdir() if p.is_dir() and is_of_one_modality(p)]
        folders = {p: _images_in(p) for p in (image.parent.parent, *around)}
        folders[image.parent] = beside
        return next((f, files) for f, files in gathered(folders).items() if image in files)
    return image.parent, {p: p.name for p in beside}


def _images_in(folder: Path) -> list[Path]:
    return [p for p in folder.iterdir() if filenames.is_image_file(p) and not p.is_dir()]


def _as_named(folders: Mapping[Path, Sequence[Path]]) -> dict[Path, Files]:
    return {folder: {path: path.name for path in images} for folder, images in folders.items()}


def _bundles(folder: Path, images: Files, modalities: Sequence[str]) -> list[Bundle]:
    if not images:
        return []
    order = folder_channels(folder)
    return bundle(folder, images, modalities, channels=order, numbers_known=bool(order) or not knows_brains(modalities))


def _found(held: Bundle, modalities: Sequence[str]) -> Found:
    found = [c for path, name in held.images.items() for c in of_file(path, name, modalities, channels=held.channels)]
    return Found(held.id, held.folder, tuple(found), held.label, held.note)


def _is_in_temporary_folder(image: Path) -> bool:
    """Whether strangers' uploads lie beside an image."""
    return image.parent.resolve() == Path(tempfile.gettempdir()).resolve()


def _alone(image: Path, files: Iterable[Path], modalities: Sequence[str]) -> list[Path]:
    """Of strangers' files only those of the image's own strict case."""
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


def _holding(image: Path, found: Sequence[Found]) -> Found:
    """The study with the image."""
    return next((f for f in found if any(c.source.holds(image) for c in f.candidates)), found[0])


def _told_apart(found: Sequence[Found], root: Path) -> list[Found]:
    """Studies of the same id get their folder's path in front, `/` written as `__`."""
    count = Counter(f.id for f in found)
    return [f if count[f.id] == 1 else replace(f, id=_with_path(f, root)) for f in found]


def _with_path(found: Found, root: Path) -> str:
    parts = list(found.folder.relative_to(root).parts)
    return "__".join(parts if parts and parts[-1] == found.id else [*parts, found.id])
