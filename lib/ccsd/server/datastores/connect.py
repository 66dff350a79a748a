"""A datastore over a DICOMweb server, with MONAI Label's settings."""

from __future__ import annotations

import hashlib
from pathlib import Path

from monailabel.config import settings
from monailabel.datastore.dicom import DICOMwebClientX

from ccsd.method.task import Task
from ccsd.server.datastores.connection import READ, limited_session
from ccsd.server.datastores.dicomweb import DICOMwebStudies
from ccsd.server.datastores.dicomweb_server import DICOMwebServer
from ccsd.server.datastores.index import Index
from ccsd.server.datastores.label_files import LabelFiles
from ccsd.server.datastores.seg_labels import SegLabels
from ccsd.server.datastores.store import StudyDatastore

MONAI_LABEL_READ = 5.0  # its default, too short for a store that makes up a whole series first
MONAI_LABEL_FILTER = {"Modality": "CT"}  # its default, also in the environment of its server


def connect(url: str, task: Task, *, patient_ids: bool = True) -> StudyDatastore:
    """The series of the server at `url` (settings MONAI_LABEL_DICOMWEB_*, QIDO, WADO and STOW prefixes), with labels
    as NIfTI in the cache folder and as SEG in the server; without a filter of the user's own, MR series are listed."""
    own = settings.MONAI_LABEL_DICOMWEB_SEARCH_FILTER
    search = {"Modality": "MR"} if own == MONAI_LABEL_FILTER else own
    folder = settings.MONAI_LABEL_DICOMWEB_CACHE_PATH or Path.home() / ".cache" / "monailabel" / "dicom"
    cache = Path(folder, hashlib.sha256(url.encode()).hexdigest()[:16])
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    studies = DICOMwebStudies(DICOMwebServer(_client(url)), task, search=search, cache=cache)
    index = Index(cache)
    labels = SegLabels(index, LabelFiles(index), studies, task)
    return StudyDatastore(index, studies, labels, task, patient_ids=patient_ids)


def _client(url: str) -> DICOMwebClientX:
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
    return client
