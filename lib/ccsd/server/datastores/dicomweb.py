"""Studies of a DICOMweb server: headers of a whole study first, voxels only of the series that are wanted, once."""

from __future__ import annotations

import hashlib
import logging
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from dicomweb_client import DICOMwebClient
from filelock import FileLock
from monailabel.config import settings
from monailabel.datastore.dicom import DICOMwebClientX
from monailabel.datastore.local import DataModel, ImageLabelModel
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from ccsd import VERSION
from ccsd.common.errors import InputError, NotFoundError, ServerAwayError
from ccsd.common.files import remove_leftovers, writing
from ccsd.imaging.dicom import KEYWORDS, dicom_files
from ccsd.imaging.patient import Patient
from ccsd.imaging.seg_write import Author, make_seg
from ccsd.imaging.sources import Source
from ccsd.imaging.volumes import Grid, Volume, read_source, read_values, source_grid, write_volume
from ccsd.method.task import Task
from ccsd.server.datastores.connection import READ, limited_session
from ccsd.server.datastores.local import StudyDatastore
from ccsd.server.datastores.seg_labels import SegLabels
from ccsd.studies.study import Study, study_of, survey

logger = logging.getLogger(__name__)
T = TypeVar("T")

UID = re.compile(r"[0-9.]{1,64}")
LISTED_FOR = 30.0  # seconds that the list of series is taken as current; less, if MONAI Label is told so
MONAI_LABEL_READ = 5.0  # its default, too short for a store that makes up a whole series first
MONAI_LABEL_FILTER = {"Modality": "CT"}  # its default, also in the environment of its server
FINAL = "final"
COMPLETE = ".complete"  # in the folder of a series whose voxels are there; without it, its files are headers


def connect(url: str, task: Task, *, patient_ids: bool = True) -> DICOMwebStudies:
    """The store at `url`, with MONAI Label's settings (MONAI_LABEL_DICOMWEB_*, QIDO, WADO and STOW prefixes); without a
    filter of the user's own, MR series are listed."""
    user, password = settings.MONAI_LABEL_DICOMWEB_USERNAME, settings.MONAI_LABEL_DICOMWEB_PASSWORD
    read = settings.MONAI_LABEL_DICOMWEB_READ_TIMEOUT
    client = DICOMwebClientX(
        url=url,
        session=limited_session(user, password, read=READ if read == MONAI_LABEL_READ else read),
        qido_url_prefix=settings.MONAI_LABEL_QIDO_PREFIX,
        wado_url_prefix=settings.MONAI_LABEL_WADO_PREFIX,
        stow_url_prefix=settings.MONAI_LABEL_STOW_PREFIX,
    )
    client.set_http_retry_params(retry=False)  # it would keep everybody waiting for half a minute
    own = settings.MONAI_LABEL_DICOMWEB_SEARCH_FILTER
    search = {"Modality": "MR"} if own == MONAI_LABEL_FILTER else own
    folder = settings.MONAI_LABEL_DICOMWEB_CACHE_PATH or Path.home() / ".cache" / "monailabel" / "dicom"
    name = hashlib.sha256(url.encode()).hexdigest()[:16]
    return DICOMwebStudies(client, task, search=search, cache=Path(folder, name), patient_ids=patient_ids)


class DICOMwebStudies(StudyDatastore):
    """The series of a DICOMweb server (PS3.18) as images; an image id is a SeriesInstanceUID.

    In the cache folder: `dicom/<study>/<series>/*.dcm`, `<series>.nii.gz` for clients that download an image, and the
    labels as NIfTI. Final labels are also stored in the DICOMweb server as SEG, and read from there.

    Args:
        client: of the server.
        search: attributes that series must have to be listed (QIDO-RS), such as `{"Modality": "MR"}`.
        cache: folder of this server's copy; two processes may share it.
    """

    def __init__(
        self, client: DICOMwebClient, task: Task, *, search: Mapping[str, Any], cache: Path, patient_ids: bool = True
    ) -> None:
        self._client = client
        self._search = dict(search)
        self._listed = float("-inf")
        self._found: dict[str, str] = {}
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in cache.glob("dicom/*/"):
            remove_leftovers(folder)
        super().__init__(str(cache), task, patient_ids=patient_ids)
        self._segs = SegLabels(
            cache / "segmentations.json",
            task,
            retrieve=partial(self._ask, client.retrieve_series),
            grid_of=self._grid_of_listed,
            newest=lambda image_id: self._final(image_id).get("ts", 0),
            keep=lambda image_id, label, grid, info: self._keep_label(image_id, FINAL, label, grid, info),
        )
        try:
            self.refresh()
        except ServerAwayError as error:  # it may come back
            logger.error("%s", error)

    def name(self) -> str:
        url: str = self._client.base_url
        return url

    def get_image_uri(self, image_id: str) -> str:
        """The series as a NIfTI file, made on the first call."""
        self._refresh_if_unknown(image_id)
        if image_id not in self._datastore.objects:
            return ""
        path = self._root / f"{image_id}.nii.gz"
        folder = self._headers(image_id).parent
        if not path.is_file():
            self._fetch([folder])
            volume = read_source(self._volume_of(image_id))
            write_volume(path, volume.data, volume.grid)
        return str(path)

    def get_image_info(self, image_id: str) -> dict[str, Any]:
        """What is known without asking the server; the file at `path` is there once the image was downloaded."""
        self._refresh_if_unknown(image_id)
        if image_id not in self._datastore.objects:
            raise NotFoundError(f"image {image_id} does not exist")
        info = self._datastore.objects[image_id].image.info
        uids = {"SeriesInstanceUID": image_id, "StudyInstanceUID": info["study"]}
        return {**info, **uids, "path": str(self._root / f"{image_id}.nii.gz")}

    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any]) -> str:
        raise InputError(f"image {image_id}: images are added on the DICOMweb server, not through this one")

    def study_image(self, image_id: str, *, named: Mapping[str, str] | None = None, modality: str | None = None) -> str:
        """A file of the series, beside all series of its study that a segmentation needs.

        Args:
            named: modality -> series, where a request says so itself.
            modality: what the series is if it cannot be recognised.

        Raises:
            NotFoundError: no such series, or a name that is not in the study.
            ServerAwayError: the server does not answer.
        """
        self._refresh_if_unknown(image_id)
        if image_id not in self._datastore.objects:
            return ""
        first = self._headers(image_id)
        study = study_of(first, self._task.modalities, named=named, modality=modality)
        self._fetch([file.parent for file in (*study.files.values(), first)])
        return str(dicom_files(first.parent)[0])

    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        """As in `StudyDatastore`; a final label is also stored in the DICOMweb server, as a SEG. If that fails the
        label stays here, and `dicom_seg` of its info says why."""
        label_id = super().save_label(image_id, label_filename, label_tag, label_info)
        if label_tag == FINAL:
            drawn = self._final(label_id).get("regions", list(self._task.regions))
            whole = set(drawn) == set(self._task.regions)
            partial = f"not stored: the label knows {', '.join(drawn)} only"
            self.update_label_info(label_id, label_tag, {"dicom_seg": self._store_seg(label_id) if whole else partial})
        return label_id

    def _store_seg(self, image_id: str) -> str:
        """SOPInstanceUID, or what failed."""
        folder = self._headers(image_id).parent
        try:
            self._fetch([folder])
            label = read_values(Path(self.get_label_uri(image_id, FINAL)), self._grid(image_id)).astype(np.uint8)
            author = Author("MANUAL", VERSION, f"{self._task.name}, label of a user")
            source = self._volume_of(image_id)
            seg = make_seg(label, source.series or (), self._task, author, frames=source.frames)
            self._segs.mark(str(seg.SeriesInstanceUID), f"is the label of {image_id}, stored from here")
            self._ask(self._client.store_instances, [seg])
        except InputError as error:
            logger.warning("the label of %s is kept here but not in the DICOMweb server: %s", image_id, error)
            return f"not stored: {error}"
        return str(seg.SOPInstanceUID)

    def _final(self, image_id: str) -> dict[str, Any]:
        """What is known of the final label of exactly this image."""
        with self._index():
            entry = self._datastore.objects.get(image_id)
            return dict(entry.labels[FINAL].info) if entry and FINAL in entry.labels else {}

    def _grid_of_listed(self, image_id: str) -> Grid:
        if image_id not in self._datastore.objects:
            raise InputError(f"refers to series {image_id or '(none)'}, which is not listed here")
        return self._grid(image_id)

    def read(self, source: Source) -> Volume:
        """As in `StudyDatastore`, fetched on the first call. Raises ServerAwayError too."""
        self._fetch([source.path.parent])
        return super().read(source)

    def _recognised_by(self, image_id: str) -> str:
        self._refresh_if_unknown(image_id)
        return str(self._headers(image_id)) if image_id in self._datastore.objects else ""

    def image_to_draw_on(self, image_id: str) -> str:
        """A series of the same study that is segmented from: `image_id` itself, if it is one, or if there is none."""
        studies = survey(self._headers(image_id).parent.parent, self._task.modalities)
        used = [source.uid for study in studies for source in study.sources.values()]
        return image_id if image_id in used or not used else used[0]

    def status(self) -> dict[str, Any]:
        """As the local datastore's; of what was listed last, where the server is away now."""
        try:
            self.list_images()
        except ServerAwayError as error:
            logger.warning("the status is that of the last list: %s", error)
        return self._status()

    def list_images(self) -> list[str]:
        if time.monotonic() - self._listed > min(LISTED_FOR, settings.MONAI_LABEL_DICOMWEB_CACHE_EXPIRY):
            self.refresh()
        return list(super().list_images())

    def _own_file(self, image_id: str) -> Path | None:
        return None  # a series; the file that clients download is made from it

    def _grid(self, image_id: str) -> Grid:
        return source_grid(self._volume_of(image_id))

    def _volume_of(self, image_id: str) -> Source:
        """The volume of a series that is used. Raises NotFoundError: it holds no image."""
        source = self._of_series(image_id)
        if source is None or source.series is None:
            raise NotFoundError(f"series {image_id} has no images")
        return source

    def _headers(self, image_id: str) -> Path:
        """Headers of every series of the study of `image_id`, as far as they are not there; a file of that series."""
        study_uid = str(self._datastore.objects[image_id].image.info["study"])
        folder = self._root / "dicom" / study_uid
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            series = self._ask(self._client.search_for_series, study_uid, search_filters=self._search)
            for found in series:
                uid = _uid(found, "0020000E")
                if not _is_whole(folder / uid, found):
                    (self._root / f"{uid}.nii.gz").unlink(missing_ok=True)
                    answer = self._ask(self._client.retrieve_series_metadata, study_uid, uid)
                    _put(folder / uid, [self._ask(_header_of, found) for found in answer], complete=False)
        files = dicom_files(folder / image_id)
        if not files:
            raise NotFoundError(f"series {image_id} has no images")
        return files[0]

    def _fetch(self, folders: Iterable[Path]) -> None:
        """The voxels of the series in these folders, where only headers are there."""
        for folder in dict.fromkeys(folders):
            with FileLock(folder.parent.with_suffix(".lock")):
                if (folder / COMPLETE).is_file():
                    continue
                started = time.perf_counter()
                instances = self._ask(self._client.retrieve_series, folder.parent.name, folder.name)
                _check_whole(instances, folder)
                _put(folder, instances, complete=True)
                logger.info("fetched %s: %d files, %.1f s", folder.name, len(instances), time.perf_counter() - started)

    def _ask(self, call: Callable[..., T], *args: Any, **filters: Any) -> T:
        try:
            return call(*args, **filters)
        except Exception as error:  # the client and pydicom raise whatever the bytes provoke
            reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise ServerAwayError(f"the DICOMweb server {self._client.base_url} failed ({reason})") from error

    def refresh(self) -> None:
        """List the series anew, and read segmentations that are new. Raises ServerAwayError."""
        self._found = self._series(self._search)
        segmentations = self._series({"Modality": "SEG"})
        self._patients = self._listed_patients()
        self._listed = time.monotonic()
        super().refresh()
        studies = set(self._found.values())
        self._segs.take({series: study for series, study in segmentations.items() if study in studies})

    def _series(self, search: Mapping[str, Any]) -> dict[str, str]:
        """Series -> study, of all that the server lists (QIDO-RS)."""
        found = self._ask(self._client.search_for_series, search_filters=dict(search))
        return {_uid(series, "0020000E"): _uid(series, "0020000D") for series in found}

    def _listed_patients(self) -> dict[str, Patient]:
        """Whose each study is; none where the server does not say: the list then has UIDs."""
        try:
            found = self._ask(self._client.search_for_studies, fields=["StudyDescription"])
            return {_uid(study, "0020000D"): _patient(study) for study in found}
        except ServerAwayError as error:
            logger.warning("studies are listed without date and description: %s", error)
            return {}

    def _look(self) -> Sequence[Study]:
        return ()  # studies are on the other server, `refresh` lists them

    def _add_images(self, studies: Sequence[Study]) -> int:
        if not self._found:  # nothing listed yet, or nothing there
            return 0
        for image_id in set(self._datastore.objects) - set(self._found):
            if not self._datastore.objects[image_id].labels:
                del self._datastore.objects[image_id]
        new = [image_id for image_id in self._found if image_id not in self._datastore.objects]
        for image_id in new:
            name = f"{image_id}.nii.gz"
            info = {"ts": int(time.time()), "name": name, "file": name, "study": self._found[image_id]}
            self._datastore.objects[image_id] = ImageLabelModel(image=DataModel(info=info, ext=".nii.gz"))
        return len(new)

    def _is_there(self, image_id: str) -> bool:
        return True  # a series is on the other server


def _check_whole(instances: Sequence[Dataset], folder: Path) -> None:
    """An answer that was cut off between or within the instances of a series is not kept.

    Raises:
        ServerAwayError: it has not all instances whose headers are in the folder, or too few voxels of one.
    """
    came = {str(one.get("SOPInstanceUID", "")) for one in instances}
    missing = {file.stem for file in folder.glob("*.dcm")} - came
    short = [one for one in instances if not _has_all_voxels(one)]
    if missing or short or not instances:
        raise ServerAwayError(
            f"the DICOMweb server sent {len(came)} instances of series {folder.name}, {len(missing)} are missing and "
            f"{len(short)} are cut off, expected all of them whole"
        )


def _has_all_voxels(instance: Dataset) -> bool:
    """Whether uncompressed PixelData are as long as their header says (PS3.5 8.1.1); compressed ones are taken on
    trust."""
    if "PixelData" not in instance or instance.file_meta.TransferSyntaxUID.is_compressed:
        return True
    voxels = int(instance.Rows) * int(instance.Columns) * int(instance.get("SamplesPerPixel") or 1)
    bits = voxels * int(instance.get("NumberOfFrames") or 1) * int(instance.BitsAllocated)
    return len(instance.PixelData) * 8 >= bits


def _is_whole(folder: Path, found: Mapping[str, Any]) -> bool:
    """Whether a series' folder holds as many files as the server has by now (NumberOfSeriesRelatedInstances)."""
    there = len(list(folder.glob("*.dcm")))
    return there > 0 and found.get("00201209", {}).get("Value", [there])[0] == there


def _put(folder: Path, datasets: Sequence[Dataset], *, complete: bool) -> None:
    """Files of a series, written beside `folder` and renamed to it."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=writing()) as temporary:
        new = Path(temporary, "new")
        new.mkdir()
        for dataset in datasets:
            dataset.save_as(new / f"{_checked(str(dataset.SOPInstanceUID))}.dcm", write_like_original=False)
        if complete:
            (new / COMPLETE).touch()
        if folder.is_dir():
            folder.rename(Path(temporary, "old"))
        new.rename(folder)


def _header_of(instance: Mapping[str, Any]) -> Dataset:
    """What recognising needs of an instance in DICOM JSON (PS3.18 F), as a file without voxels; values that would have
    to be fetched one by one are left out."""
    full = Dataset.from_json({tag: value for tag, value in instance.items() if "BulkDataURI" not in value})
    header = Dataset()
    for keyword in KEYWORDS:
        if keyword in full:
            header[keyword] = full[keyword]
    header.file_meta = FileMetaDataset()
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.is_little_endian, header.is_implicit_VR = True, False
    return header


def _uid(answer: Mapping[str, Any], tag: str) -> str:
    try:
        return _checked(str(answer[tag]["Value"][0]))
    except (KeyError, IndexError, TypeError):
        raise ServerAwayError(f"the DICOMweb server lists something without the UID {tag}, expected one") from None


def _patient(study: Mapping[str, Any]) -> Patient:
    def value(tag: str) -> str:
        values = study.get(tag, {}).get("Value") or [""]
        return str(values[0] or "").strip()

    return Patient(number=value("00100020"), day=value("00080020"), study=value("00081030"))


def _checked(uid: str) -> str:
    """UIDs become names of files and folders here.

    Raises:
        ServerAwayError: it is no UID (PS3.5 9.1).
    """
    if not UID.fullmatch(uid) or set(uid) <= {"."}:
        raise ServerAwayError(f"the DICOMweb server names {uid!r}, expected a UID of digits and points")
    return uid
