"""The datastore that MONAI Label sees: studies from somewhere, and labels kept somewhere."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from monailabel.interfaces.datastore import Datastore

from ccsd.common.errors import InputError, NotFoundError, ServerAwayError
from ccsd.common.files import replacing
from ccsd.imaging import filenames
from ccsd.imaging.sources import Source
from ccsd.imaging.volumes import Volume, read_grid, read_volume
from ccsd.method.task import Task
from ccsd.server.datastores.annotation import checked_origin, known_of, read_on
from ccsd.server.datastores.archive import write_archive
from ccsd.server.datastores.index import FINAL, Entries, Image, Index, add_image
from ccsd.server.datastores.parts import Labels, Listing, Studies
from ccsd.studies.study import Study, survey

logger = logging.getLogger(__name__)


class StudyDatastore(Datastore):
    """Images by study, and their labels.

    An image id is the file's name without extension (`BraTS-GLI-00001-000-t1c`); where two folders hold the same name,
    the later ones get the path in front, `/` written as `__`. A DICOM series is one image: its id is its
    SeriesInstanceUID. A label that was drawn on one image of a study is that of the others on the same grid, too.

    Args:
        index: which images there are, and which labels.
        studies: where studies come from; labels: where labels are kept.
        patient_ids: whether lists show the PatientID of DICOM studies; their date and description are always shown.
    """

    def __init__(self, index: Index, studies: Studies, labels: Labels, task: Task, *, patient_ids: bool = True) -> None:
        self.index, self.studies, self.labels = index, studies, labels
        self._task, self._patient_ids = task, patient_ids
        self._listing, self._listed_at = Listing(), float("-inf")
        self._adding = threading.Lock()  # of images, one at a time: two of one name are compared
        try:
            self.refresh()
        except ServerAwayError as error:  # it may come back
            logger.error("%s", error)

    # Which studies and images there are

    def name(self) -> str:
        return self.studies.name

    def set_name(self, name: str) -> None:
        raise InputError("the name of a datastore is that of its studies")

    def description(self) -> str:
        return ""

    def set_description(self, description: str) -> None:
        raise InputError("a datastore has no description")

    def refresh(self) -> None:
        """What is in the index and what is there made the same. Raises ServerAwayError."""
        listing = self.studies.look()  # takes the longest; others are answered meanwhile
        self._listed_at = time.monotonic()
        with self.index.locked() as entries:
            if self._forget_gone(entries) + self._note_found(entries, listing) + self.labels.compare(entries):
                self.index.write()
        self._listing = listing
        self.labels.take(listing.segmentations)

    def list_images(self) -> list[str]:
        """The ids of all images, those too that another process has noted since."""
        self._look_again_in_time()
        return list(self.index.images().by_id)

    def by_study(self) -> dict[str, list[Image]]:
        """Study -> its images, from the index alone."""
        self._look_again_in_time()
        return self.index.images().by_study

    def title(self, study: str) -> str:
        """How a person knows a DICOM study; empty for others."""
        patient = self._listing.patients.get(study)
        return patient.title(number=self._patient_ids) if patient else ""

    @property
    def unrecognised(self) -> list[Study]:
        """The studies that have no image of a known modality."""
        return list(self._listing.unrecognised)

    def status(self) -> dict[str, Any]:
        """How many studies there are, and how many of them have a label; tags count labels. Where a server is away,
        of what was listed last."""
        try:
            self._look_again_in_time()
        except ServerAwayError as error:
            logger.warning("the status is that of the last list: %s", error)
        images = self.index.images()
        tags = Counter(tag for image in images.by_id.values() for tag in image.tags)
        return {"total": len(images.by_study), "completed": len(self._done()), "label_tags": dict(tags)}

    def json(self) -> dict[str, Any]:
        return self.index.describe()

    def get_labeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        """The images of all studies that have a final label, whichever image it was drawn on."""
        return self._images_of(done=True)

    def get_unlabeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        """The images of all studies without a label: what is offered next is a study that nobody has done."""
        return self._images_of(done=False)

    def one_a_study(self, images: Iterable[str]) -> list[str]:
        """Of the images of a study one that can be drawn on, in the order of the studies' ids.

        Raises:
            NotFoundError: no such image.
        """
        first: dict[str, str] = {}
        for image_id in sorted(images):
            image = self.index.get(image_id)
            if image is None:
                raise NotFoundError(f"image {image_id} does not exist")
            first.setdefault(image.study, image_id)
        return [self.image_to_draw_on(first[study]) for study in sorted(first)]

    def image_to_draw_on(self, image_id: str) -> str:
        """An image of the same study that is segmented from: `image_id` itself, if it is one, or if there is none."""
        return self.studies.image_to_draw_on(self._image(image_id))

    def offered(self, strategy: str) -> dict[str, int]:
        """When the images were last offered by a strategy, in s since 1970; those that never were are not in it."""
        with self.index.reading() as entries:
            infos = {i: entry.image.info.get("strategy", {}) for i, entry in entries.items()}
        return {i: int(info[strategy]["ts"]) for i, info in infos.items() if strategy in info}

    # Images

    def study(self, image_id: str) -> Study:
        """What is recognised in the study of an image, from names and headers. Raises NotFoundError: no such image."""
        return survey(self.studies.headers(self._image(image_id)), self._task.modalities)[0]

    def read(self, source: Source) -> Volume:
        """The voxels of an image of a study that `study` gave. Raises InputError as `read_source`, ServerAwayError."""
        return self.studies.read(source)

    def image_id(self, source: Source) -> str:
        """What clients ask for this image by; empty where it is not listed."""
        file = os.path.relpath(source.path, os.path.realpath(self.index.folder))
        return source.uid or self.index.images().by_file.get(file, "")

    def study_image(self, image_id: str, *, named: Mapping[str, str] | None = None, modality: str | None = None) -> str:
        """A file of the image, beside those of its study that a segmentation needs; empty: no such image.

        Args:
            named: modality -> image, where a request says so itself.
            modality: what the image is if it cannot be recognised.

        Raises:
            NotFoundError: a name that is not in the study. ServerAwayError: a server does not answer.
        """
        image = self._find(image_id)
        return str(self.studies.file(image, named=named, modality=modality)) if image else ""

    def get_image_uri(self, image_id: str) -> str:
        image = self._find(image_id)
        return str(self.studies.download(image)) if image else ""

    def get_image(self, image_id: str, params: Any = None) -> bytes | None:
        return _content(self.get_image_uri(image_id))

    def get_image_info(self, image_id: str) -> dict[str, Any]:
        more = self.studies.describe(self._image(image_id))
        return {**self.index.info(image_id), **more}

    def update_image_info(self, image_id: str, info: dict[str, Any]) -> None:
        self.index.note(image_id, info)

    def stamp(self, image_id: str) -> str:
        """Changes when the images of the study do: names, sizes and times of change, without reading them."""
        return self.index.stamp(self._sisters(self._image(image_id)))

    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any]) -> str:
        """Keep an image that a client sends. 3D Slicer sends the volume with every first label of a session, so the
        same one again is no error.

        Raises:
            InputError: not an image, a name that cannot be a file's or tells no modality, or one that is taken.
        """
        sent = Path(image_filename)
        place = self.studies.place_for(image_id, sent)
        try:
            volume = read_volume(sent)
        except InputError as error:
            raise InputError(str(error).replace(sent.name, place.name)) from None
        if not filenames.is_image_file(place):
            raise InputError(f"image {sent.name}: expected a name with one of {', '.join(filenames.IMAGE_EXTENSIONS)}")
        with self._adding:
            there = self.get_image_uri(image_id)
            if not there:
                self._add_new(image_id, sent, place, image_info or {})
            elif not _is_same(read_volume(Path(there)), volume):
                raise InputError(f"image {image_id} exists with other content, expected another name")
        return image_id

    def remove_image(self, image_id: str) -> None:
        raise InputError(f"image {image_id}: images are removed in the studies folder, not through the server")

    # Labels

    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        """Check a label against its image and keep it, whole or not at all, with the task's values.

        Args:
            label_info: `label_info` in it says what the file's values are, where its own header does not
                (`ccsd.studies.labels.read_annotation`), and so which regions are annotated: nothing is known of
                those that no segment stands for. `corrected_from` names the weights whose mask was corrected. What is
                kept of it has `warnings` too.

        Raises:
            NotFoundError: no such image. InputError: unreadable, on another grid, or of unknown values.
        """
        image = self._image(image_id)
        checked_origin(label_info)
        if not label_tag.isidentifier():
            raise InputError(f"tag is {label_tag!r}, expected letters, digits and _")
        segments, grid, own = label_info.get("label_info") or (), self.studies.grid(image), self.studies.own_file(image)
        label = read_on(own, grid, Path(label_filename), segments, self._task)
        info = {**label_info, **known_of(label, self._task), "ts": self._later_than_others(image, label_tag)}
        self.labels.keep(image_id, label_tag, label.values, label.grid, info, own)
        return image_id

    def get_label_uri(self, label_id: str, label_tag: str) -> str:
        """The label's file: the image's own, or one of its study on the same grid; else empty."""
        return self.labels.file(self._label_holder(label_id, label_tag), label_tag)

    def get_label(self, label_id: str, label_tag: str, params: Any = None) -> bytes | None:
        return _content(self.get_label_uri(label_id, label_tag))

    def get_label_info(self, label_id: str, label_tag: str) -> dict[str, Any]:
        """Of the label that `get_label_uri` finds."""
        return self.index.info(self._label_holder(label_id, label_tag), label_tag)

    def update_label_info(self, label_id: str, label_tag: str, info: dict[str, Any]) -> None:
        self.index.note(self._label_holder(label_id, label_tag), info, label_tag)

    def get_labels_by_image_id(self, image_id: str) -> dict[str, str]:
        image = self.index.get(image_id)
        return dict.fromkeys(image.tags, image_id) if image else {}

    def get_label_by_image_id(self, image_id: str, tag: str) -> str:
        return self.get_labels_by_image_id(image_id).get(tag, "")

    def remove_label(self, label_id: str, label_tag: str) -> None:
        """Raises NotFoundError: there is no such label."""
        self.labels.remove(self._label_holder(label_id, label_tag), label_tag)

    def datalist(self) -> list[dict[str, Any]]:
        """Labelled studies, each once with its newest label: `{"id": image id, "image": path, "label": path,
        "ts": seconds, "study": id, "regions": those that are annotated, None: all}`."""
        self.refresh()
        images = self.index.images().by_id.items()
        found = [(image, self.index.info(i, FINAL)) for i, image in images if image.labelled]
        newest = {i.study: (i, info) for i, info in sorted(found, key=lambda one: (one[1].get("ts", 0), one[0].id))}
        return [
            {
                "id": image.id,
                "image": str(self.studies.file(image)),
                "label": self.labels.file(image.id, FINAL),
                "ts": info.get("ts", 0),
                "study": study,
                "regions": info.get("regions"),
            }
            for study, (image, info) in newest.items()
        ]

    def get_dataset_archive(self, limit_cases: int | None) -> str:
        """A zip of `<study>/<image>` and `<study>/<image>_label.nii.gz`, of `limit_cases` labelled studies or all.

        Raises:
            NotFoundError: no study has a final label.
        """
        rows = self.datalist()[:limit_cases]
        studies = self.index.images().by_study
        images = [[str(self.studies.download(image)) for image in studies.get(row["study"], ())] for row in rows]
        return str(write_archive(rows, images, self.index.folder / ".ccsd" / "dataset.zip"))

    def labelled_modalities(self) -> list[list[str]]:
        """The modalities of each study that has a final label."""
        return [list(self.study(image).sources) for image in self.one_a_study(self.get_labeled_images())]

    # What the above is made of

    def _find(self, image_id: str) -> Image | None:
        """Looks again for one that is not known; a path is never an id."""
        if self.index.get(image_id) is None and os.sep not in image_id:
            self.refresh()
        return self.index.get(image_id)

    def _image(self, image_id: str) -> Image:
        image = self._find(image_id)
        if image is None:
            raise NotFoundError(f"image {image_id} does not exist")
        return image

    def _look_again_in_time(self) -> None:
        if time.monotonic() - self._listed_at > self.studies.listed_for:
            self.refresh()

    def _done(self) -> set[str]:
        """The studies that have a final label."""
        return {image.study for image in self.index.images().by_id.values() if image.labelled}

    def _images_of(self, *, done: bool) -> list[str]:
        """The images of all studies that have a final label, or of all that have none."""
        self._look_again_in_time()
        labelled = self._done()
        return [i for i, image in self.index.images().by_id.items() if (image.study in labelled) is done]

    def _sisters(self, image: Image) -> list[Image]:
        """All images of the study of an image."""
        return self.index.images().by_study.get(image.study, [])

    def _forget_gone(self, entries: Entries) -> int:
        """Returns how many images were forgotten."""
        gone = [i for i, image in self.index.images().by_id.items() if self.studies.is_gone(image)]
        for image_id in gone:
            del entries[image_id]
        return len(gone)

    def _note_found(self, entries: Entries, listing: Listing) -> int:
        """Images that were not known; returns how many, and how many others changed their study."""
        known = {entry.image.info.get("file"): entry for entry in entries.values()}
        changed = 0
        for file, study, series in listing.images:
            entry = known.get(file)
            if entry is None and (at := self.studies.changed(file)) is not None:
                known[file] = add_image(entries, file, series=series, study=study, changed=at)
                changed += 1
            elif entry is not None and entry.image.info.get("study") != study:
                entry.image.info["study"] = study
                changed += 1
        return changed

    def _add_new(self, image_id: str, sent: Path, place: Path, info: dict[str, Any]) -> None:
        try:
            with replacing(place) as temporary:
                shutil.copyfile(sent, temporary)
            self.refresh()
            if self.index.get(image_id) is None:
                known = ", ".join(self._task.modalities)
                raise InputError(f"image {image_id}: its name tells no modality, expected one that ends in {known}")
            self.update_image_info(image_id, info)
        except BaseException:
            place.unlink(missing_ok=True)
            with suppress(OSError):
                self.refresh()
            with suppress(OSError):  # they hold others' images
                place.parent.rmdir()
                place.parent.parent.rmdir()
            raise

    def _label_holder(self, image_id: str, tag: str) -> str:
        """The image that the label was drawn on: `image_id` itself, or one of its study on the same grid."""
        image = self.index.get(image_id)
        if image is None or tag in image.tags:
            return image_id
        sisters = [i for i in self._sisters(image) if tag in i.tags]
        if not sisters:
            return image_id
        grid = self.studies.grid(image)
        return next((i.id for i in sisters if read_grid(Path(self.labels.file(i.id, tag))).matches(grid)), image_id)

    def _later_than_others(self, image: Image, tag: str) -> int:
        """Now, in s since 1970, but after all labels of the study: the last one saved is the newest, also within one
        second and where the clock went back."""
        others = [self.index.info(i.id, tag).get("ts", 0) for i in self._sisters(image) if tag in i.tags]
        return max(int(time.time()), *(int(ts) + 1 for ts in others), 0)


def _is_same(one: Volume, other: Volume) -> bool:
    return one.grid.matches(other.grid) and np.array_equal(one.data, other.data)


def _content(uri: str) -> bytes | None:
    return Path(uri).read_bytes() if uri else None
