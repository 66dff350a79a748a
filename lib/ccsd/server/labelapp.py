"""The MONAI Label app: which tasks exist. Wiring only."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from monailabel.config import settings
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.batch_infer import BatchInferTask
from monailabel.interfaces.tasks.infer_v2 import InferTask
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy
from monailabel.interfaces.tasks.train import TrainTask
from monailabel.utils.async_tasks.task import AsyncTask

from ccsd import VERSION
from ccsd.common.errors import InputError
from ccsd.common.files import remove_leftovers, remove_scratch
from ccsd.common.settings import read_switch
from ccsd.method.task import Task
from ccsd.server.api.tasks import under_way
from ccsd.server.configs.ccsd import CCSD, DISAGREEMENT
from ccsd.server.datastores.connect import connect
from ccsd.server.datastores.folder import open_folder
from ccsd.server.datastores.uploads import StudySessions
from ccsd.server.infers.images import resolve_image
from ccsd.server.infers.request import named_images
from ccsd.server.starting import end_start
from ccsd.server.trainers.own_process import own_process
from ccsd.studies.archives import unpacked

logger = logging.getLogger(__name__)

CONFIGS = {"ccsd": CCSD}
OTHER_WEB_APP = "monailabel.app"  # what start_server serves by default
START = "monailabel start_server --uvicorn_app ccsd.server.app:app"


class CCSDApp(MONAILabelApp):
    """Brain tumour segmentation from any subset of T1, T1ce, T2 and FLAIR.

    Configuration (`--conf KEY VALUE`): `models ccsd`; `preset small|base`, the network that an untrained start makes;
    `task FILE`, what is segmented from what, if not brain tumours (configs/tasks); `upload_gib N`, how much a request
    may send; `origins URL,URL`, other sites whose pages may use this server; `hosts NAME,NAME`, other names that it
    answers to; `patient_ids on|off`, whether lists show the PatientID of DICOM studies; `replay DIR`, labelled studies
    that retraining sees again; `cache DIR`, for studies in common space.
    """

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        self.models: dict[str, CCSD] = {}
        wanted = [m.strip() for m in conf.get("models", "ccsd").split(",")]
        wanted = list(CONFIGS) if wanted == ["all"] else wanted
        for name in wanted:
            if name not in CONFIGS:
                known = ", ".join(CONFIGS)
                raise InputError(f"--conf models: {name} is not known, expected {known} or all")
            self.models[name] = CONFIGS[name]()
            self.models[name].init(name, os.path.join(app_dir, "model"), conf, None)
        self._patient_ids = read_switch("patient_ids", conf.get("patient_ids", "on"))
        super().__init__(
            app_dir=app_dir,
            studies=studies,
            conf=conf,
            name="CCSD brain tumour segmentation",
            description="Brain tumours from any non-empty subset of T1, T1ce, T2, FLAIR. Research use only.",
            version=VERSION,
        )
        self._auto_update_scoring = False  # else all is scored at start, and again with every study that is offered

    def init_datastore(self) -> Datastore:
        if self.studies.startswith(("http://", "https://")):
            return connect(self.studies, self._task, patient_ids=self._patient_ids)
        return open_folder(Path(self.studies), self._task, patient_ids=self._patient_ids)

    @property
    def _task(self) -> Task:
        return self._model.task

    @property
    def _model(self) -> CCSD:
        return next(iter(self.models.values()))

    def _load_sessions(self, load: bool = False) -> StudySessions | None:
        if not load:
            return None
        return StudySessions(settings.MONAI_LABEL_SESSION_PATH, settings.MONAI_LABEL_SESSION_EXPIRY)

    def init_infers(self) -> dict[str, InferTask]:
        return {name: config.infer() for name, config in self.models.items()}

    def init_strategies(self) -> dict[str, Strategy]:
        return self._model.strategies(self._start_scoring)

    def init_scoring_methods(self) -> dict[str, ScoringMethod]:
        return self._model.scoring()

    def _start_scoring(self) -> None:
        """Score the studies without a label in a process of its own, unless that is going on."""
        if not under_way("scoring"):
            AsyncTask.run("scoring", request={"method": DISAGREEMENT})

    def init_trainers(self) -> dict[str, TrainTask]:
        return {name: config.trainer() for name, config in self.models.items()}

    def cleanup_sessions(self) -> None:
        """As MONAI Label's, also after a restart, when all sessions are on disk only."""
        if self._sessions is not None:
            self._sessions.remove_expired()

    def on_init_complete(self) -> None:
        if OTHER_WEB_APP in sys.modules:
            end_start(f"this app has a web server of its own, expected `{START}`, or ccsd serve")
        remove_scratch()
        models = Path(self.app_dir, "model")
        for folder in (models, *models.glob("*.versions/"), *(config.cache for config in self.models.values())):
            remove_leftovers(folder)
        super().on_init_complete()

    def warm(self) -> None:
        """For a thread beside the start: what the first mask would wait for."""
        for infer in self._infers.values():
            try:
                infer.segmenter.warm()
            except (InputError, RuntimeError) as error:
                logger.warning("the network could not be tried at the start: %s", error)

    def infer(self, request: dict[str, Any], datastore: Datastore | None = None) -> dict[str, Any]:
        """As MONAI Label's, after checking that the image is one that clients may ask for (404 otherwise)."""
        store = datastore or self.datastore()
        named, modality = named_images(request, self._task)
        image = resolve_image(request.get("image"), store, self.sessions(), named=named, modality=modality)
        with unpacked(Path(image)) as path:
            result: dict[str, Any] = super().infer({**request, "image": str(path)}, store)
        return result

    def init_batch_infer(self) -> BatchInferTask:
        return self._model.batch()

    def on_save_label(self, image_id: str, label_id: str) -> dict[str, Any]:
        """For the answer: where the label is in a DICOMweb server, or why it is not there."""
        super().on_save_label(image_id, label_id)
        info = self.datastore().get_label_info(label_id, "final")
        return {"dicom_seg": info["dicom_seg"]} if "dicom_seg" in info else {}

    def train(self, request: dict[str, Any]) -> dict[str, Any]:
        """As MONAI Label's, in a process of its own."""
        with self._own_process():
            result: dict[str, Any] = super().train(request)
        return result

    def batch_infer(self, request: dict[str, Any], datastore: Datastore | None = None) -> dict[str, Any]:
        """As MONAI Label's, in a process of its own."""
        with self._own_process():
            result: dict[str, Any] = super().batch_infer(request, datastore)
        return result

    def scoring(self, request: dict[str, Any], datastore: Datastore | None = None) -> dict[str, Any]:
        """As MONAI Label's, in a process of its own."""
        with self._own_process():
            result: dict[str, Any] = super().scoring(request, datastore)
        return result

    @contextmanager
    def _own_process(self) -> Iterator[None]:
        """Long tasks are run so, unless MONAI Label's `run_sync` has them run in the server."""
        with nullcontext() if self._server_mode else own_process():
            yield
