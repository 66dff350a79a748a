"""Studies of a DICOMweb server: headers of a whole study first, voxels only of the series that are wanted, once."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock
from monailabel.config import settings
from pydicom.dataset import Dataset

from ccsd.common.errors import InputError, NotFoundError, ServerAwayError
from ccsd.common.files import remove_leftovers, writing
from ccsd.imaging.dicom import dicom_files
from ccsd.imaging.patient import Patient
from ccsd.imaging.sources import Source
from ccsd.imaging.volumes import Grid, Volume, read_source, source_grid, write_volume
from ccsd.method.task import Task
from ccsd.server.datastores.dicomweb_server import DICOMwebServer, check_whole, checked
from ccsd.server.datastores.index import Image
from ccsd.server.datastores.parts import Found, Listing, source_of_series
from ccsd.studies.study import study_of, survey

logger = logging.getLogger(__name__)

LISTED_FOR = 30.0  # seconds that the list of series is taken as current; less, if MONAI Label is told so
COMPLETE = ".complete"  # in the folder of a series whose voxels are there; without it, its files are headers


class DICOMwebStudies:
    """The series of a DICOMweb server as images; an image id is a SeriesInstanceUID.

    In the cache folder: `dicom/<study>/<series>/*.dcm`, and `<series>.nii.gz` for clients that download an image.

    Args:
        search: attributes that series must have to be listed (QIDO-RS), such as `{"Modality": "MR"}`.
        cache: folder of this server's copy; two processes may share it.
    """

    def __init__(self, server: DICOMwebServer, task: Task, *, search: Mapping[str, Any], cache: Path) -> None:
        self.server = server
        self._task, self._search, self._cache = task, dict(search), cache
        self._listed: dict[str, str] = {}
        for folder in cache.glob("dicom/*/"):
            remove_leftovers(folder)

    @property
    def name(self) -> str:
        return self.server.url

    @property
    def listed_for(self) -> float:
        return min(LISTED_FOR, float(settings.MONAI_LABEL_DICOMWEB_CACHE_EXPIRY))

    def look(self) -> Listing:
        self._listed = listed = self.server.series(self._search)
        segmentations = self.server.series({"Modality": "SEG"})
        studies = set(listed.values())
        return Listing(
            images=[Found(f"{uid}.nii.gz", study) for uid, study in listed.items()],
            patients=self._patients(),
            segmentations={series: study for series, study in segmentations.items() if study in studies},
        )

    def changed(self, file: str) -> int | None:
        return int(time.time())

    def is_gone(self, image: Image) -> bool:
        """Not while nothing is listed, which may be a mistake, nor with a label."""
        return bool(self._listed) and not image.tags and image.id not in self._listed

    def headers(self, image: Image) -> Path:
        """Headers of every series of the study of the image, as far as they are not there; a file of that series."""
        folder = self._folder(image).parent
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            for uid, count in self.server.series_of(image.study, self._search).items():
                if not _is_whole(folder / uid, count):
                    self._nifti(uid).unlink(missing_ok=True)
                    _put(folder / uid, self.server.headers(image.study, uid), complete=False)
        files = dicom_files(folder / image.id)
        if not files:
            raise NotFoundError(f"series {image.id} has no images")
        return files[0]

    def file(self, image: Image, *, named: Mapping[str, str] | None = None, modality: str | None = None) -> Path:
        first = self.headers(image)
        study = study_of(first, self._task.modalities, named=named, modality=modality)
        self._fetch([file.parent for file in (*study.files.values(), first)])
        return dicom_files(first.parent)[0]

    def own_file(self, image: Image) -> Path | None:
        return None

    def grid(self, image: Image) -> Grid:
        return source_grid(self._volume(image))

    def read(self, source: Source) -> Volume:
        self._fetch([source.path.parent])
        return read_source(source)

    def series(self, image: Image) -> Source:
        """The volume of a series that is used, with its voxels. Raises NotFoundError: it holds no image."""
        source = self._volume(image)
        self._fetch([source.path.parent])
        return source

    def download(self, image: Image) -> Path:
        source, path = self._volume(image), self._nifti(image.id)
        if not path.is_file():
            volume = self.read(source)
            write_volume(path, volume.data, volume.grid)
        return path

    def describe(self, image: Image) -> dict[str, Any]:
        """Without asking the server; the file at `path` is there once the image was downloaded."""
        return {"SeriesInstanceUID": image.id, "StudyInstanceUID": image.study, "path": str(self._nifti(image.id))}

    def image_to_draw_on(self, image: Image) -> str:
        studies = survey(self.headers(image).parent.parent, self._task.modalities)
        used = [source.uid for study in studies for source in study.sources.values()]
        return image.id if image.id in used or not used else used[0]

    def place_for(self, image_id: str, sent: Path) -> Path:
        raise InputError(f"image {image_id}: images are added on the DICOMweb server, not through this one")

    def _folder(self, image: Image) -> Path:
        return self._cache / "dicom" / image.study / image.id

    def _nifti(self, uid: str) -> Path:
        return self._cache / f"{uid}.nii.gz"

    def _volume(self, image: Image) -> Source:
        study = survey(self.headers(image), self._task.modalities)[0]
        source = source_of_series(study, image.id)
        if source is None or source.series is None:
            raise NotFoundError(f"series {image.id} has no images")
        return source

    def _fetch(self, folders: Iterable[Path]) -> None:
        """The voxels of the series in these folders, where only headers are there."""
        for folder in dict.fromkeys(folders):
            with FileLock(folder.parent.with_suffix(".lock")):
                if (folder / COMPLETE).is_file():
                    continue
                started = time.perf_counter()
                instances = self.server.instances(folder.parent.name, folder.name)
                check_whole(instances, folder.name, {file.stem for file in folder.glob("*.dcm")})
                _put(folder, instances, complete=True)
                logger.info("fetched %s: %d files, %.1f s", folder.name, len(instances), time.perf_counter() - started)

    def _patients(self) -> dict[str, Patient]:
        """None where the server does not say: the list then has UIDs."""
        try:
            return self.server.patients()
        except ServerAwayError as error:
            logger.warning("studies are listed without date and description: %s", error)
            return {}


def _is_whole(folder: Path, count: int | None) -> bool:
    """Whether a series' folder holds as many files as the server has by now."""
    there = len(list(folder.glob("*.dcm")))
    return there > 0 and count in (None, there)


def _put(folder: Path, datasets: Sequence[Dataset], *, complete: bool) -> None:
    """Files of a series, written beside `folder` and renamed to it."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=writing()) as temporary:
        new = Path(temporary, "new")
        new.mkdir()
        for dataset in datasets:
            dataset.save_as(new / f"{checked(str(dataset.SOPInstanceUID))}.dcm", write_like_original=False)
        if complete:
            (new / COMPLETE).touch()
        if folder.is_dir():
            folder.rename(Path(temporary, "old"))
        new.rename(folder)
