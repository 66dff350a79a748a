"""Batch inference: every study of the datastore once, one after the other, continued where a run was stopped."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from monailabel.interfaces.datastore import DefaultLabelTag
from monailabel.interfaces.tasks.batch_infer import BatchInferTask

from ccsd.common.errors import InputError
from ccsd.inference.mask_file import agreement_beside
from ccsd.models.served import ServedModel
from ccsd.server.datastores.store import StudyDatastore
from ccsd.server.infers.request import read_request

logger = logging.getLogger(__name__)

FINAL = DefaultLabelTag.FINAL.value


class BatchInfer(BatchInferTask):
    """Keeps a mask a study as a label, with what the infer answer says of it. A study that has one of these weights
    already is passed over, so a run that was stopped is continued by asking again.

    In the request: `images` (all, labeled, unlabeled, or ids), `label_tag` (original), `max_batch_size` studies at most
    (0: all), `overwrite`; everything else goes to the infer task.
    """

    def __init__(self, model: ServedModel) -> None:
        self.model = model

    def __call__(
        self, request: dict[str, Any], datastore: StudyDatastore, infer: Callable[..., dict[str, Any]]
    ) -> dict[str, Any]:
        """`{"done": [ids], "passed_over": [ids], "failed": {id: sentence}}`; each study is also a line of the log.

        Raises:
            InputError: `label_tag` is final, or a parameter of inference is wrong.
        """
        tag = str(request.get("label_tag") or DefaultLabelTag.ORIGINAL.value)
        if tag == FINAL:
            raise InputError(f"label_tag is {FINAL}, expected another: those are the labels that users drew")
        wanted = _first_gpu_or_cpu(request)
        read_request(wanted, self.model.task)
        version = self.model.current().version
        images = datastore.one_a_study(self._wanted(request, datastore))
        images = images[: _most(request.get("max_batch_size"))]
        result: dict[str, Any] = {"done": [], "passed_over": [], "failed": {}}
        for number, image in enumerate(images, start=1):
            where = f"{number} of {len(images)}: {image}"
            known = datastore.get_label_info(image, tag).get("params", {})
            if known.get("model") == version and not request.get("overwrite"):
                result["passed_over"].append(image)
                logger.info("%s has a mask by %s, passed over", where, version)
                continue
            try:
                logger.info("%s: %s", where, _segment(image, wanted, tag, datastore, infer))
                result["done"].append(image)
            except InputError as error:
                result["failed"][image] = str(error)
                logger.warning("%s: failed, %s", where, error)
        counts = ", ".join(f"{len(result[kind])} {kind.replace('_', ' ')}" for kind in result)
        logger.info("batch inference of %d studies: %s", len(images), counts)
        return result

    def _wanted(self, request: dict[str, Any], datastore: StudyDatastore) -> list[str]:
        """Raises InputError: `images` is neither a word nor a list of ids."""
        images = request["images"] if request.get("images") is not None else "all"
        if not isinstance(images, str) and not (isinstance(images, list) and all(isinstance(i, str) for i in images)):
            raise InputError(f"images is {images!r}, expected all, labeled, unlabeled or a list of image ids")
        found: list[str] = self.get_images({"images": images}, datastore)
        return found


def _most(value: Any) -> int | None:
    """`max_batch_size`; None: no limit. Raises InputError: no whole number of at least 0."""
    try:
        most = int(value or 0)
    except (TypeError, ValueError, OverflowError):
        most = -1
    if most < 0:
        raise InputError(f"max_batch_size is {value!r}, expected a whole number of studies, 0 for all")
    return most or None


def _segment(
    image: str, request: dict[str, Any], tag: str, datastore: StudyDatastore, infer: Callable[..., dict[str, Any]]
) -> str:
    """One study: its mask is kept as a label. What to tell of it."""
    started = time.perf_counter()
    answer = infer({**request, "image": image}, datastore)
    file = Path(answer["file"])
    told = answer["params"]["ccsd"]
    try:
        datastore.save_label(image, str(file), tag, {"model": request["model"], "params": told})
    finally:
        for one in (file, agreement_beside(file)):
            one.unlink(missing_ok=True)
    volumes = ", ".join(f"{region} {ml} mL" for region, ml in told["volumes_ml"].items())
    return f"{volumes}, from {', '.join(told['modalities']['used'])}, {time.perf_counter() - started:.1f} s"


def _first_gpu_or_cpu(request: dict[str, Any]) -> dict[str, Any]:
    """MONAI Label's default for batches is the device `cuda`, also where there is none."""
    if request.get("device") == "cuda" and not torch.cuda.is_available():
        return {k: v for k, v in request.items() if k != "device"}
    return request
