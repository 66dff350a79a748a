"""The index of a folder of studies: which image is which file, and which labels there are, on disk and in memory."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from filelock import FileLock
from monailabel.datastore.local import DataModel, ImageLabelModel, LocalDatastore, LocalDatastoreModel

from ccsd.common.files import flush, remove_leftovers, replacing
from ccsd.imaging import filenames
from ccsd.imaging.patient import Patient
from ccsd.imaging.sources import Source
from ccsd.method.task import Task
from ccsd.server.datastores import unfinished
from ccsd.server.datastores.groups import Groups, grouped, study_of_entry
from ccsd.studies.study import Study, survey

logger = logging.getLogger(__name__)

OWN_FOLDERS = ("labels/*/", "uploads/*/", ".ccsd/")  # what a store writes to, beside its index


class StudyIndex(LocalDatastore):
    """MONAI Label's local datastore, read by many threads and written by several processes; each change is whole."""

    def __init__(self, path: str, task: Task) -> None:
        self._task = task
        self._patients: dict[str, Patient] = {}  # of DICOM studies; in memory alone, the index on disk has no names
        self._read_at: tuple[int, ...] = ()  # the index's file as it was last read or written
        self._groups: Groups | None = None  # of the images, as the index is now; None: not found yet
        self.unrecognised: list[Study] = []
        self._guard = threading.RLock()  # of the index: requests are answered in threads
        for folder in (Path(path), *(f for part in OWN_FOLDERS for f in Path(path).glob(part))):
            remove_leftovers(folder)
        super().__init__(path, extensions=tuple(f"*{e}" for e in filenames.IMAGE_EXTENSIONS), auto_reload=False)
        self._finish_labels()

    def _reconcile_datastore(self) -> None:
        """What is in the index and on disk made the same."""
        studies = self._look()  # takes the longest; others are answered meanwhile
        with self._index(), FileLock(self._lock_file):
            self._init_from_datastore_file()
            tags = [folder.name for folder in Path(self._datastore.label_path(None)).glob("*/")]
            changed = self._remove_non_existing() + self._add_images(studies)
            changed += sum(self._add_non_existing_labels(tag) for tag in tags)
            self._groups = None
            if changed:
                self._update_datastore_file(lock=False)

    @property
    def _root(self) -> Path:
        return Path(self._datastore_path)

    @contextmanager
    def _index(self) -> Iterator[None]:
        """The index for this thread alone, with what other processes wrote: a batch inference saves labels too."""
        with self._guard:
            self._init_from_datastore_file()
            yield

    def _init_from_datastore_file(self, throw_exception: bool = False) -> None:
        """Read the index again if it changed; no lock is needed, it is always written whole."""
        try:
            stamp = self._stamp_of_index()
        except FileNotFoundError:
            return
        if stamp == self._read_at:
            return
        try:
            read = LocalDatastoreModel.model_validate_json(Path(self._datastore_config_path).read_bytes())
        except ValueError as error:
            if throw_exception:
                raise
            logger.error("%s cannot be read (%s)", self._datastore_config_path, error)
            return
        read.base_path = self._datastore_path
        self._datastore, self._read_at, self._groups = read, stamp, None

    def _refresh_if_unknown(self, image_id: str) -> None:
        if image_id not in self._datastore.objects and os.sep not in image_id:  # a path is never an id
            self.refresh()

    def _look(self) -> Sequence[Study]:
        """All studies on disk."""
        return survey(self._root, self._task.modalities)

    def _add_images(self, studies: Sequence[Study]) -> int:
        """Images of the studies that were not known; returns how many, and how many others changed their study."""
        known = {entry.image.info.get("file"): entry for entry in self._datastore.objects.values()}
        changed, root = 0, f"{self._root}{os.sep}"
        self.unrecognised = [study for study in studies if not study.sources]
        self._patients = {study.id: study.patient for study in studies if study.patient}
        for study in studies:
            for source in _images(study):
                file = str(source.path).removeprefix(root)
                entry = known.get(file) or self._add(file, series=source.uid)
                if entry is not None and entry.image.info.get("study") != study.id:
                    known[file], entry.image.info["study"] = entry, study.id
                    changed += 1
        return changed

    def _study_id(self, image_id: str) -> str:
        return study_of_entry(image_id, self._datastore.objects[image_id])

    def _grouped(self) -> Groups:
        """The images by study and by file. Call it, and use what it gives, in `_index`."""
        if self._groups is None:
            self._groups = grouped(self._datastore.objects)
        return self._groups

    def _sisters(self, image_id: str) -> list[str]:
        """All images of the study of an image, in `_index`."""
        return self._grouped().images[self._study_id(image_id)]

    def _is_there(self, image_id: str) -> bool:
        return os.path.isfile(f"{self._datastore_path}/{self._datastore.objects[image_id].image.info.get('file', '')}")

    def _add(self, file: str, *, series: str) -> ImageLabelModel | None:
        """The entry of a new image; None if it has gone since it was found."""
        try:
            changed = int(os.stat(f"{self._datastore_path}/{file}").st_mtime)
        except FileNotFoundError:
            return None
        image_id = series or filenames.strip_extension(os.path.basename(file))
        if image_id in self._datastore.objects:
            image_id = filenames.strip_extension(file).replace(os.sep, "__")
        own = filenames.extension(file)
        extension = filenames.EXTENSIONS[0] if series else filenames.CONVERTED.get(own.lower(), own)
        name = series or filenames.strip_extension(os.path.basename(file))
        info = {"ts": changed, "name": f"{name}{extension}", "file": file}
        if series:
            info["series"] = series
        entry = ImageLabelModel(image=DataModel(info=info, ext=extension))
        self._datastore.objects[image_id] = entry
        return entry

    def _update_datastore_file(self, lock: bool = True) -> None:
        """Write the index whole or not at all: a server that cannot read it does not start."""
        with FileLock(self._lock_file) if lock else nullcontext(), self._or_as_on_disk():
            with replacing(Path(self._datastore_config_path)) as temporary:
                self._write_index(temporary)
            self._read_at = self._stamp_of_index()
            self._groups = None

    def _write_index(self, path: Path) -> None:
        path.write_text(self._datastore.model_dump_json(exclude={"base_path"}, indent=2, fallback=str))
        flush(path)

    @contextmanager
    def _or_as_on_disk(self) -> Iterator[None]:
        """If what is in memory cannot be written it is forgotten: the index is read again."""
        try:
            yield
        except BaseException:
            self._read_at = ()
            self._init_from_datastore_file()
            raise

    def _stamp_of_index(self) -> tuple[int, ...]:
        status = os.stat(self._datastore_config_path)
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _replace_label(
        self, image_id: str, tag: str, info: Mapping[str, object], write: Callable[[Path], None]
    ) -> None:
        """A label and what the index says of it: both as before or both new, on a full disk and after kill -9 too."""
        path = Path(self._datastore.label_path(tag), f"{image_id}.nii.gz")
        whole = {**info, "name": path.name}
        index = Path(self._datastore_config_path)
        with self._index(), FileLock(self._lock_file), self._or_as_on_disk():
            self._init_from_datastore_file()
            with unfinished.label(path) as note, replacing(index) as new_index, replacing(path) as new_label:
                write(new_label)
                note(new_label, whole)
                self._datastore.objects[image_id].labels[tag] = DataModel(info=whole, ext=".nii.gz")
                self._write_index(new_index)  # before the label takes its place: there is room for both
            self._read_at = self._stamp_of_index()

    def _finish_labels(self) -> None:
        """Labels that a process was saving when it was killed: what was to be said of those that are there is said."""
        folder = Path(self._datastore.label_path(None))
        if not unfinished.labels(folder):
            return
        with self._index(), FileLock(self._lock_file):  # who saves now has the lock until there is nothing unfinished
            for label in unfinished.labels(folder):
                info = unfinished.noted(label)
                entry = self._datastore.objects.get(filenames.strip_extension(label.name))
                if info is not None and entry is not None:
                    entry.labels[label.parent.name] = DataModel(info=info, ext=".nii.gz")
                    logger.info("%s was being saved when its server was killed: it is there", label.name)
            self._update_datastore_file(lock=False)
            for label in unfinished.labels(folder):
                unfinished.forget(label)

    def _remove_non_existing(self) -> int:
        """Entries without a file; returns how many. Each folder of labels is listed once."""
        there: dict[str, set[str]] = {}
        removed = 0
        for image_id, entry in list(self._datastore.objects.items()):
            if not self._is_there(image_id):
                del self._datastore.objects[image_id]
                removed += 1
                continue
            for tag, label in list(entry.labels.items()):
                if tag not in there:
                    there[tag] = set(self._label_files(tag))
                if self._filename(image_id, label.ext) not in there[tag]:
                    del entry.labels[tag]
                    removed += 1
        return removed

    def _add_non_existing_labels(self, tag: str) -> int:
        """Labels that were put into the folder by others; returns how many."""
        added, strays = 0, []
        for file in self._label_files(tag):
            image_id = filenames.strip_extension(file)
            entry = self._datastore.objects.get(image_id)
            if entry is None:
                strays.append(file)
            elif tag not in entry.labels:
                info = {"ts": int(time.time()), "name": file}
                entry.labels[tag] = DataModel(info=info, ext=file[len(image_id) :])
                added += 1
        if strays:
            logger.warning("%d labels with the tag %s are of no image that is there", len(strays), tag)
        return added

    def _label_files(self, tag: str) -> list[str]:
        try:
            files = os.listdir(self._datastore.label_path(tag))
        except FileNotFoundError:
            return []
        return sorted(f for f in files if filenames.is_image_file(f))


def _images(study: Study) -> list[Source]:
    """The study's images of known modality, each file once."""
    sources = [*study.sources.values(), *(left.source for left in study.spare)]
    return list({source.path: source for source in sources}.values())
