"""The index of a datastore: which images there are and which labels they have, on disk and in memory."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock
from monailabel.datastore.local import DataModel, ImageLabelModel, LocalDatastoreModel

from ccsd.common.errors import NotFoundError
from ccsd.common.files import flush, remove_leftovers, replacing
from ccsd.imaging import filenames

logger = logging.getLogger(__name__)

FINAL = "final"  # the tag of labels that somebody is done with
Entries = dict[str, ImageLabelModel]


class Image(NamedTuple):
    """What the index knows of an image.

    Attributes:
        file: path below the folder of the index, `/` between folders; name: of the file that clients get.
        study: the same for all images of a study. An index of an earlier version does not say it: each image counts.
        series: SeriesInstanceUID of a DICOM series in a folder, else empty.
        tags: of its labels.
    """

    id: str
    file: str
    name: str
    study: str
    series: str
    tags: frozenset[str]

    @property
    def labelled(self) -> bool:
        return FINAL in self.tags


class Images(NamedTuple):
    """All images, found once for each state of the index: by id, by study, and the ids by file."""

    by_id: dict[str, Image]
    by_study: dict[str, list[Image]]
    by_file: dict[str, str]


class Index:
    """MONAI Label's `datastore_v2.json`, read by many threads and written by several processes; each change is whole.

    Raises:
        ValueError: the file that is there is no index.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "datastore_v2.json"
        self._lock_file = folder / ".lock"
        self._guard = threading.RLock()  # requests are answered in threads
        self._read_at: tuple[int, ...] = ()  # the file as it was last read or written
        self._images: Images | None = None  # as the entries are now; None: not looked at yet
        self._content = LocalDatastoreModel(name="new-dataset", description="New Dataset", images_dir=".")
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
        self._read(strict=True)

    def images(self) -> Images:
        """With what other processes noted."""
        with self.reading() as entries:
            if self._images is None:
                self._images = _images(entries)
            return self._images

    def get(self, image_id: str) -> Image | None:
        return self.images().by_id.get(image_id)

    def info(self, image_id: str, tag: str | None = None) -> dict[str, Any]:
        """What is noted of an image or of its label with this tag; empty where there is no such label."""
        with self.reading() as entries:
            entry = entries.get(image_id)
            data = entry and (entry.image if tag is None else entry.labels.get(tag))
            return dict(data.info) if data else {}

    def note(self, image_id: str, info: dict[str, Any], tag: str | None = None) -> None:
        """More is known of an image or of its label with this tag. Raises NotFoundError: there is none."""
        with self.locked() as entries:
            entry = entries.get(image_id)
            data = entry and (entry.image if tag is None else entry.labels.get(tag))
            if data is None:
                what = f"image {image_id}" if tag is None else f"the label of {image_id} with the tag {tag}"
                raise NotFoundError(f"{what} does not exist")
            data.info.update(info)
            self.write()

    def stamp(self, images: Iterable[Image]) -> str:
        """Of names, sizes and times of change of the images' files."""
        found = [(file, *_size_and_time(f"{self.folder}/{file}")) for file in sorted(image.file for image in images)]
        return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:16]

    def describe(self) -> dict[str, Any]:
        """All of it, as it is on disk."""
        with self.reading():
            return self._content.model_dump(exclude={"base_path"})

    @contextmanager
    def reading(self) -> Iterator[Entries]:
        """The entries for this thread alone, with what other processes wrote: a batch inference saves labels too."""
        with self._guard:
            self._read()
            yield self._content.objects

    @contextmanager
    def locked(self) -> Iterator[Entries]:
        """The entries, to be changed: no other process changes them meanwhile. What was not written when an error ends
        this is forgotten."""
        with self._guard, FileLock(self._lock_file):
            self._read()
            self._images = None
            try:
                yield self._content.objects
            except BaseException:
                self._read_at = ()
                self._read()
                raise
            finally:
                self._images = None

    def write(self) -> None:
        """Call it in `locked`. Whole or not at all: a server that cannot read its index does not start."""
        with self.replacing() as write:
            write()

    @contextmanager
    def replacing(self) -> Iterator[Callable[[], None]]:
        """`write` in two steps; call it in `locked`. What is given writes the new file, which takes its place when this
        ends without an error."""
        with replacing(self._file) as temporary:
            yield lambda: self._write_to(temporary)
        self._read_at = self._file_state()

    def _write_to(self, path: Path) -> None:
        path.write_text(self._content.model_dump_json(exclude={"base_path"}, indent=2, fallback=str))
        flush(path)

    def _read(self, *, strict: bool = False) -> None:
        """Read the file again if it changed; no lock is needed, it is always written whole."""
        try:
            stamp = self._file_state()
        except FileNotFoundError:
            return
        if stamp == self._read_at:
            return
        try:
            self._content = LocalDatastoreModel.model_validate_json(self._file.read_bytes())
        except ValueError as error:
            if strict:
                raise
            logger.error("%s cannot be read (%s)", self._file, error)
            return
        self._read_at, self._images = stamp, None

    def _file_state(self) -> tuple[int, ...]:
        status = os.stat(self._file)
        return status.st_mtime_ns, status.st_size, status.st_ino


def add_image(entries: Entries, file: str, *, series: str, study: str, changed: int) -> ImageLabelModel:
    """A new entry. Its id is the file's name without extension or the SeriesInstanceUID; where it is taken, the path
    with `/` written as `__`.

    Args:
        file: path below the folder of the index. changed: when it was, in s since 1970.
    """
    name = series or filenames.strip_extension(os.path.basename(file))
    image_id = name if name not in entries else filenames.strip_extension(file).replace(os.sep, "__")
    own = filenames.extension(file)
    extension = filenames.EXTENSIONS[0] if series else filenames.CONVERTED.get(own.lower(), own)
    info = {"ts": changed, "name": f"{name}{extension}", "file": file, **({"series": series} if series else {})}
    info["study"] = study
    return entries.setdefault(image_id, ImageLabelModel(image=DataModel(info=info, ext=extension)))


def _images(entries: Entries) -> Images:
    images = {image_id: _image(image_id, entry) for image_id, entry in entries.items()}
    by_study: dict[str, list[Image]] = defaultdict(list)
    for image in images.values():
        by_study[image.study].append(image)
    return Images(images, dict(by_study), {image.file: image.id for image in images.values()})


def _image(image_id: str, entry: ImageLabelModel) -> Image:
    info = entry.image.info
    return Image(
        image_id,
        file=str(info.get("file", "")),
        name=str(info.get("name", "")),
        study=str(info.get("study", image_id)),
        series=str(info.get("series", "")),
        tags=frozenset(entry.labels),
    )


def _size_and_time(file: str) -> tuple[int, int]:
    try:
        status = os.stat(file)
    except FileNotFoundError:
        return 0, 0
    return status.st_size, status.st_mtime_ns
