"""A folder of studies as a MONAI Label datastore: sub-folders are read, reference labels are not listed as images."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from ccsd.common.errors import InputError, NotFoundError
from ccsd.common.files import replacing
from ccsd.imaging import filenames
from ccsd.imaging.sources import Source
from ccsd.imaging.volumes import (
    Grid,
    Volume,
    read_grid,
    read_source,
    read_stack_grid,
    read_volume,
    source_grid,
    write_volume,
)
from ccsd.method.task import Task
from ccsd.server.datastores import downloads
from ccsd.server.datastores.archive import write_archive
from ccsd.server.datastores.drawn import known_of, read_on
from ccsd.server.datastores.groups import study_of_entry
from ccsd.server.datastores.index import StudyIndex
from ccsd.studies import names
from ccsd.studies.study import Study, survey

FINAL = "final"  # the tag of labels that somebody is done with
IMAGE_ID = re.compile(r"(?!\.)[^/\\\x00-\x1f]{1,150}")


@dataclass(frozen=True)
class Listed:
    """An image of the index: its id, its file's name, and whether a final label was drawn on it."""

    image: str
    name: str
    labelled: bool


class StudyDatastore(StudyIndex):
    """MONAI Label's local datastore over a tree of studies.

    An image id is the file's name without extension (`BraTS-GLI-00001-000-t1c`); where two folders hold the same name,
    the later ones get the path in front, `/` written as `__`. Labels are kept under `labels/<tag>/<image id>.nii.gz`.
    A DICOM series is one image: its id is its SeriesInstanceUID. Clients that download it, or an image in two files or
    in a format that its name does not say, get NIfTI, kept under `.ccsd/`. Listed are the images of a known modality,
    the second choices among them too; `unrecognised` are the studies that have none.

    Args:
        patient_ids: whether lists show the PatientID of DICOM studies; their date and description are always shown.
    """

    def __init__(self, path: str, task: Task, *, patient_ids: bool = True) -> None:
        self._patient_ids = patient_ids
        self._adding = threading.Lock()  # of images, one at a time: two of one name are compared
        super().__init__(path, task)

    def get_image_uri(self, image_id: str) -> str:
        self._refresh_if_unknown(image_id)
        source = self._volume_of_series(image_id)
        if source is not None:
            return str(downloads.of_series(image_id, source, self._root / ".ccsd"))
        own = self.study_image(image_id)
        return str(downloads.of_file(image_id, Path(own), self._root / ".ccsd")) if own else ""

    def study_image(self, image_id: str, *, named: Mapping[str, str] | None = None, modality: str | None = None) -> str:
        """A file of the image, beside those of its study; empty if there is none. Raises nothing."""
        self._refresh_if_unknown(image_id)
        entry = self._datastore.objects.get(image_id)
        # an image that is a link (git-annex, DataLad) has its name, and its sisters, where the link is
        return os.path.join(os.path.realpath(self._root), entry.image.info["file"]) if entry else ""

    def one_a_study(self, images: Iterable[str]) -> list[str]:
        """Of the images of a study one that can be drawn on, in the order of the studies' ids.

        Raises:
            NotFoundError: no such image.
        """
        first: dict[str, str] = {}
        for image in sorted(images):
            if image not in self._datastore.objects:
                raise NotFoundError(f"image {image} does not exist")
            first.setdefault(self._study_id(image), image)
        return [self.image_to_draw_on(first[study]) for study in sorted(first)]

    def study(self, image_id: str) -> Study:
        """What is recognised in the study of an image, from names and headers. Raises NotFoundError: no such image."""
        path = self._recognised_by(image_id)
        if not path:
            raise NotFoundError(f"image {image_id} does not exist")
        return survey(Path(path), self._task.modalities)[0]

    def read(self, source: Source) -> Volume:
        """The voxels of an image of a study that `study` gave. Raises InputError as `read_source`."""
        return read_source(source)

    def image_id(self, source: Source) -> str:
        """What clients ask for this image by; empty where it is not listed."""
        file = os.path.relpath(source.path, os.path.realpath(self._root))
        with self._index():
            return source.uid or self._grouped().by_file.get(file, "")

    def _recognised_by(self, image_id: str) -> str:
        return self.study_image(image_id)

    def image_to_draw_on(self, image_id: str) -> str:
        """An image of the same study that is segmented from: `image_id` itself, all that are listed here are."""
        return image_id

    def list_images(self) -> list[str]:
        """The ids of all images, those too that another process has noted since."""
        with self._index():
            return list(self._datastore.objects)

    def status(self) -> dict[str, Any]:
        """How many studies there are, and how many of them have a label; tags count labels."""
        self.list_images()
        return self._status()

    def _status(self) -> dict[str, Any]:
        with self._index():
            entries = self._datastore.objects.values()
            tags = Counter(tag for entry in entries for tag in entry.labels)
            return {"total": len(self._grouped().images), "completed": len(self._done()), "label_tags": dict(tags)}

    def json(self) -> Any:
        with self._index():
            return super().json()

    def get_labeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        """The images of all studies that have a final label, whichever image it was drawn on."""
        return self._images_where(lambda study, done: study in done)

    def get_unlabeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        """The images of all studies without a label: what is offered next is a study that nobody has done."""
        return self._images_where(lambda study, done: study not in done)

    def _images_where(self, wanted: Callable[[str, Set[str]], bool]) -> list[str]:
        """The images of the studies that are `wanted`, which is told a study and those that have a final label."""
        images = self.list_images()
        with self._index():
            done, known = self._done(), self._datastore.objects
            return [i for i in images if i in known and wanted(self._study_id(i), done)]

    def offered(self, strategy: str) -> dict[str, int]:
        """When the images were last offered by a strategy, in s since 1970; those that never were are not in it."""
        with self._index():
            infos = {i: entry.image.info.get("strategy", {}) for i, entry in self._datastore.objects.items()}
        return {i: int(info[strategy]["ts"]) for i, info in infos.items() if strategy in info}

    def _done(self) -> set[str]:
        """The studies that have a final label."""
        return {study_of_entry(i, entry) for i, entry in self._datastore.objects.items() if FINAL in entry.labels}

    def by_study(self) -> dict[str, list[Listed]]:
        """Study -> its images, from the index alone."""
        self.list_images()
        with self._index():
            objects = self._datastore.objects
            return {
                study: [
                    Listed(i, str(objects[i].image.info.get("name", "")), labelled=FINAL in objects[i].labels)
                    for i in images
                ]
                for study, images in self._grouped().images.items()
            }

    def title(self, study: str) -> str:
        """How a person knows a DICOM study; empty for others."""
        patient = self._patients.get(study)
        return patient.title(number=self._patient_ids) if patient else ""

    def get_label_uri(self, label_id: str, label_tag: str) -> str:
        """The label's file: the image's own, or one of its study on the same grid; else empty."""
        uri: str = super().get_label_uri(self._label_holder(label_id, label_tag), label_tag)
        return uri

    def get_label_info(self, label_id: str, label_tag: str) -> dict[str, Any]:
        """Of the label that `get_label_uri` finds."""
        info: dict[str, Any] = super().get_label_info(self._label_holder(label_id, label_tag), label_tag)
        return info

    def remove_label(self, label_id: str, label_tag: str) -> None:
        """Raises NotFoundError: there is no such label."""
        holder = self._label_holder(label_id, label_tag)
        file = self.get_label_uri(holder, label_tag)
        if not file:
            raise NotFoundError(f"image {label_id} has no label with the tag {label_tag}")
        with self._index(), FileLock(self._lock_file):
            self._init_from_datastore_file()
            Path(file).unlink(missing_ok=True)
            self._datastore.objects[holder].labels.pop(label_tag, None)
            self._update_datastore_file(lock=False)

    def get_dataset_archive(self, limit_cases: int | None) -> str:
        """A zip of `<study>/<image>` and `<study>/<image>_label.nii.gz`, of `limit_cases` labelled studies or all.

        Raises:
            NotFoundError: no study has a final label.
        """
        return str(write_archive(self, self._root / ".ccsd" / "dataset.zip", limit_cases))

    def images_of(self, study: str) -> list[str]:
        """The images of the study with this id."""
        self.list_images()
        with self._index():
            return list(self._grouped().images.get(study, ()))

    def _label_holder(self, image_id: str, tag: str) -> str:
        """The image that the label was drawn on: `image_id` itself, or one of its study on the same grid."""
        with self._index():
            objects = self._datastore.objects
            if image_id not in objects or tag in objects[image_id].labels:
                return image_id
            sisters = [i for i in self._sisters(image_id) if tag in objects[i].labels]
        if not sisters:
            return image_id
        grid = self._grid(image_id)
        files = {i: Path(super(StudyDatastore, self).get_label_uri(i, tag)) for i in sisters}
        return next((i for i, file in files.items() if read_grid(file).matches(grid)), image_id)

    def _volume_of_series(self, image_id: str) -> Source | None:
        """The volume of a DICOM series that is used, else its first; None for other images."""
        entry = self._datastore.objects.get(image_id)
        if entry is None or not entry.image.info.get("series"):
            return None
        return self._of_series(image_id)

    def _of_series(self, uid: str) -> Source | None:
        study = self.study(uid)
        left_out = (o.source for o in (*study.spare, *study.unknown, *study.refused))
        return next((s for s in (*study.sources.values(), *left_out) if s.uid == uid), None)

    def _grid(self, image_id: str) -> Grid:
        """Where the image's voxels are, from its header. Raises InputError where they make up no volume."""
        source = self._volume_of_series(image_id)
        return source_grid(source) if source else read_stack_grid(Path(self.study_image(image_id)))[0]

    def get_image_info(self, image_id: str) -> dict[str, Any]:
        path = self.get_image_uri(image_id)
        if not path:
            raise NotFoundError(f"image {image_id} does not exist")
        return {**self._datastore.objects[image_id].image.info, "path": path}

    def datalist(self, full_path: bool = True) -> list[dict[str, Any]]:
        """Labelled studies, each once with its newest label: `{"id": image id, "image": path, "label": path,
        "ts": seconds, "study": id, "regions": those that were drawn, None: all}`."""
        self.refresh()
        with self._index():
            final = self._datastore.filter_by_tag("final").items()
            found = {image_id: dict(entry.labels["final"].info) for image_id, entry in final}
        rows = {}
        for image_id, info in sorted(found.items(), key=lambda item: (item[1].get("ts", 0), item[0])):
            image, label = self.study_image(image_id), super().get_label_uri(image_id, "final")
            if not full_path:
                image, label = (os.path.relpath(p, self._root) for p in (image, label))
            study, saved = self._study_id(image_id), info.get("ts", 0)
            rows[study] = {"id": image_id, "image": image, "label": label, "ts": saved, "study": study}
            rows[study]["regions"] = info.get("regions")
        return list(rows.values())

    def labelled_modalities(self) -> list[list[str]]:
        """The modalities of each study that has a final label."""
        images = self.one_a_study(self.get_labeled_images("final"))
        return [list(self.study(image).sources) for image in images]

    def stamp(self, image_id: str) -> str:
        """Changes when the images of the study do: names, sizes and times of change, without reading them."""
        with self._index():
            entries = [self._datastore.objects[i] for i in self._sisters(image_id)]
            files = [e.image.info.get("file", "") for e in entries]
        found = [(name, *_size_and_time(f"{self._datastore_path}/{name}")) for name in sorted(files)]
        return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:16]

    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        """Check a label against its image and keep it, whole or not at all, with the task's values.

        Args:
            label_info: `label_info` in it says what the file's values are, where its own header does not
                (`ccsd.studies.labels.read_drawn`), and with that which regions were drawn: of those that no segment
                stands for nothing is known. What is kept of it has `warnings` too.

        Raises:
            NotFoundError: no such image. InputError: unreadable, on another grid, or of unknown values.
        """
        self._refresh_if_unknown(image_id)
        if image_id not in self._datastore.objects:
            raise NotFoundError(f"image {image_id} does not exist")
        if not label_tag.isidentifier():
            raise InputError(f"tag is {label_tag!r}, expected letters, digits and _")
        segments, grid = label_info.get("label_info") or (), self._grid(image_id)
        label = read_on(self._own_file(image_id), grid, Path(label_filename), segments, self._task)
        info = {**label_info, **known_of(label, self._task), "ts": self._later_than_others(image_id, label_tag)}
        self._keep_label(image_id, label_tag, label.values, label.grid, info)
        return image_id

    def _own_file(self, image_id: str) -> Path | None:
        """The image's file; None for a DICOM series."""
        file = self._datastore.objects[image_id].image.info.get("file", "")
        return self._root / file if filenames.is_image_file(file) else None

    def _later_than_others(self, image_id: str, tag: str) -> int:
        """Now, in s since 1970, but after all labels of the study: the last one saved is the newest, also within one
        second and where the clock went back."""
        with self._index():
            labels = [self._datastore.objects[i].labels for i in self._sisters(image_id)]
            others = [of_image[tag].info.get("ts", 0) for of_image in labels if tag in of_image]
        return max(int(time.time()), *(int(ts) + 1 for ts in others), 0)

    def _keep_label(
        self, image_id: str, tag: str, values: NDArray[np.uint8], grid: Grid, info: Mapping[str, Any]
    ) -> None:
        own = self._own_file(image_id)
        self._replace_label(image_id, tag, info, lambda path: write_volume(path, values, grid, like=own))

    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any]) -> str:
        """Keep an image that a client sends, in `uploads/`, beside those of its case that were sent before.

        3D Slicer sends the volume with every first label of a session, so the same one again is no error.

        Raises:
            InputError: not an image, a name that cannot be a file's or tells no modality, or one that is taken.
        """
        sent = Path(image_filename)
        name = f"{image_id}{filenames.extension(sent)}"
        if not IMAGE_ID.fullmatch(image_id):
            raise InputError(f"image is {image_id!r}, expected a name without / and control characters")
        try:
            volume = read_volume(sent)
        except InputError as error:
            raise InputError(str(error).replace(sent.name, name)) from None
        if not filenames.is_image_file(name):
            raise InputError(f"image {sent.name}: expected a name with one of {', '.join(filenames.IMAGE_EXTENSIONS)}")
        with self._adding:
            return self._add_new(image_id, name, sent, volume, image_info or {})

    def _add_new(self, image_id: str, name: str, sent: Path, volume: Volume, info: dict[str, Any]) -> str:
        there = self.get_image_uri(image_id)
        if there:
            own = read_volume(Path(there))
            if not (own.grid.matches(volume.grid) and np.array_equal(own.data, volume.data)):
                raise InputError(f"image {image_id} exists with other content, expected another name")
            return image_id
        parsed = names.parse(name, self._task.modalities)
        path = self._root / "uploads" / (parsed.case if parsed.modality else image_id) / name
        try:
            with replacing(path) as temporary:
                shutil.copyfile(sent, temporary)
            self.refresh()
            if image_id not in self._datastore.objects:
                known = ", ".join(self._task.modalities)
                raise InputError(f"image {image_id}: its name tells no modality, expected one that ends in {known}")
            self.update_image_info(image_id, info)
        except BaseException:
            path.unlink(missing_ok=True)
            with suppress(OSError):
                self.refresh()
            with suppress(OSError):  # they hold others' images
                path.parent.rmdir()
                path.parent.parent.rmdir()
            raise
        return image_id

    def update_image_info(self, image_id: str, info: dict[str, Any]) -> None:
        with self._index():
            super().update_image_info(image_id, info)

    def update_label_info(self, label_id: str, label_tag: str, info: dict[str, Any]) -> None:
        with self._index():
            super().update_label_info(self._label_holder(label_id, label_tag), label_tag, info)

    def remove_image(self, image_id: str) -> None:
        raise InputError(f"image {image_id}: images are removed in the studies folder, not through the server")


def _size_and_time(file: str) -> tuple[int, int]:
    try:
        status = os.stat(file)
    except FileNotFoundError:
        return 0, 0
    return status.st_size, status.st_mtime_ns
