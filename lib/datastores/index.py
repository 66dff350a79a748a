"""The index of a folder of studies: which image is which file, and which labels there are, on disk and in memory."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from filelock import FileLock
from monailabel.datastore.local import DataModel, ImageLabelModel, LocalDatastore, LocalDatastoreModel

from lib.ccsd.task import Task
from lib.files import remove_leftovers
from lib.studies import names
from lib.studies.dicom import dicom_files, group_series
from lib.studies.sources import Source
from lib.studies.study import Study, survey

logger = logging.getLogger(__name__)


class StudyIndex(LocalDatastore):
    """MONAI Label's local datastore, read by many threads and written by several processes; each change is whole."""

    def __init__(self, path: str, task: Task) -> None:
        self._task = task
        self._read_at = 0.0  # when the index was last read or written: its mtime, s
        self.unrecognised: list[Study] = []
        self._guard = threading.RLock()  # of the index: requests are answered in threads
        for folder in Path(path, "labels").glob("*/"):
            remove_leftovers(folder)
        super().__init__(path, extensions=tuple(f"*{e}" for e in names.IMAGE_EXTENSIONS), auto_reload=False)

    def refresh(self) -> None:
        with self._index():
            super().refresh()

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
            stamp = os.stat(self._datastore_config_path).st_mtime
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
        self._datastore, self._read_at = read, stamp

    def _refresh_if_unknown(self, image_id: str) -> None:
        if image_id not in self._datastore.objects:
            self.refresh()

    def _add_non_existing_images(self) -> int:
        self._init_from_datastore_file()
        known = {entry.image.info.get("file"): entry for entry in self._datastore.objects.values()}
        added = 0
        studies = survey(self._root, self._task.modalities)
        self.unrecognised = [study for study in studies if not study.sources]
        for study in studies:
            for source in _images(study):
                file = str(source.path.relative_to(self._root))
                if file not in known:
                    known[file] = self._add(file, series=source.uid)
                    added += 1
                known[file].image.info["study"] = study.id
        return added

    def _study_id(self, image_id: str) -> str:
        """Images of one study have the same; an index of an earlier version does not say it, each image then counts."""
        return str(self._datastore.objects[image_id].image.info.get("study", image_id))

    def _is_there(self, image_id: str) -> bool:
        return (self._root / self._datastore.objects[image_id].image.info.get("file", "")).is_file()

    def _series_files(self, image_id: str) -> list[Path]:
        """The files of a DICOM series, in any order; none for other images."""
        entry = self._datastore.objects.get(image_id)
        if entry is None or not entry.image.info.get("series"):
            return []
        series = group_series(dicom_files((self._root / entry.image.info["file"]).parent))
        return [piece.path for one in series if one.uid == image_id for piece in one.slices]

    def _add(self, file: str, *, series: str) -> ImageLabelModel:
        image_id = series or names.strip_extension(os.path.basename(file))
        if image_id in self._datastore.objects:
            image_id = names.strip_extension(file).replace(os.sep, "__")
        extension = names.EXTENSIONS[0] if series else file[len(names.strip_extension(file)) :]
        info = {"ts": int((self._root / file).stat().st_mtime), "name": os.path.basename(file), "file": file}
        if series:
            info |= {"name": f"{series}{extension}", "series": series}
        entry = ImageLabelModel(image=DataModel(info=info, ext=extension))
        self._datastore.objects[image_id] = entry
        return entry

    def _update_datastore_file(self, lock: bool = True) -> None:
        """Write the index whole or not at all: a server that cannot read it does not start."""
        with FileLock(self._lock_file) if lock else nullcontext():
            temporary = Path(f"{self._datastore_config_path}.{os.getpid()}.tmp")
            temporary.write_text(json.dumps(self._datastore.model_dump(exclude={"base_path"}), indent=2, default=str))
            os.replace(temporary, self._datastore_config_path)
            self._read_at = os.stat(self._datastore_config_path).st_mtime

    def _remove_non_existing(self) -> int:
        self._init_from_datastore_file()
        removed = 0
        for image_id, entry in list(self._datastore.objects.items()):
            if not self._is_there(image_id):
                del self._datastore.objects[image_id]
                removed += 1
                continue
            for tag, label in list(entry.labels.items()):
                if not Path(self._datastore.label_path(tag), self._filename(image_id, label.ext)).is_file():
                    del entry.labels[tag]
                    removed += 1
        return removed


def _images(study: Study) -> list[Source]:
    """The study's images of known modality, each file once."""
    sources = [*study.sources.values(), *(left.source for left in study.spare)]
    return list({source.path: source for source in sources}.values())
