"""What runs in a process of its own, and who asks for it: batch inference, scoring, the next study to label."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from monailabel.endpoints import activelearning, batch_infer, scoring
from monailabel.endpoints.user.auth import User
from monailabel.interfaces.tasks.batch_infer import BatchInferImageType
from monailabel.interfaces.utils.app import app_instance
from monailabel.utils.async_tasks.task import AsyncTask
from monailabel.utils.async_tasks.utils import tasks

from ccsd.common.errors import BusyError
from ccsd.server.api.auth import ADMIN, ANNOTATOR, USER
from ccsd.server.api.openapi import BUSY
from ccsd.server.api.values import check_known, for_a_task
from ccsd.server.infers.request import named_images
from ccsd.server.page.model import scored

ALL = BatchInferImageType.IMAGES_ALL
LATER = 60  # s after which a client may ask again while a task is running

router = APIRouter()


@router.get("/batch/infer", tags=["Infer"], dependencies=[USER])
def batch_status(all: bool = False, check_if_running: bool = False) -> Any:
    """The last batch inference (`all`: a list of all of this server)."""
    return batch_infer.status(all, check_if_running)


@router.post("/batch/infer/{model}", tags=["Infer"], dependencies=[ADMIN], responses=BUSY)
def start_batch(
    model: str,
    images: BatchInferImageType | None = ALL,
    params: dict[str, Any] | None = None,
    run_sync: bool = False,
) -> Any:
    """Segment every study once and keep the masks as labels with the tag `label_tag` (original)."""
    check_known("model", model, app_instance().models)
    wanted = _read(params, {"model": model})
    return _start("batch_infer", {"model": model, "images": images}, wanted, run_sync)


@router.delete("/batch/infer", tags=["Infer"], dependencies=[ADMIN])
def stop_batch() -> Any:
    """Stop the batch inference that is running; what it kept stays. Answers null if none is."""
    return batch_infer.stop()


@router.get("/scoring/", tags=["Scoring"], dependencies=[USER])
def scoring_status(all: bool = False, check_if_running: bool = False) -> Any:
    """The last scoring (`all`: a list of all of this server); the last one comes with `scores`, the served model
    against the saved labels."""
    found = scoring.status(all, check_if_running)
    return found if isinstance(found, list) else {**found, "scores": scores()}


@router.post("/scoring/{method}", tags=["Scoring"], dependencies=[ANNOTATOR], responses=BUSY)
def start_scoring(method: str, params: dict[str, Any] | None = None, run_sync: bool = False) -> Any:
    """Score the studies by one of the methods in `/info/`, under `scoring`."""
    check_known("method", method, app_instance().info()["scoring"])
    return _start("scoring", {"method": method}, _read(params, {"method": method}), run_sync)


@router.delete("/scoring/", tags=["Scoring"], dependencies=[ANNOTATOR])
def stop_scoring() -> Any:
    """Stop the scoring that is running. Answers null if none is."""
    return scoring.stop()


@router.post("/activelearning/{strategy}", tags=["ActiveLearning"], responses=BUSY)
def next_sample(strategy: str, params: dict[str, Any] | None = None, user: User = USER) -> Any:
    """The study to label next, by one of the strategies in `/info/`."""
    check_known("strategy", strategy, app_instance().info()["strategies"])
    return activelearning.sample(strategy, _read(params, {"strategy": strategy}), user.username)


def scores() -> dict[str, Any]:
    """The served model against the saved labels, as far as it has been scored."""
    config = next(iter(app_instance().models.values()))
    return scored(config.dice.read(), config.model.current().version, config.task)


def under_way(kind: str) -> list[dict[str, Any]]:
    """MONAI Label's tasks of a kind that are running or about to."""
    return [task for task in tasks(kind) if task["status"] in ("SUBMITTED", "RUNNING")]


def _read(body: dict[str, Any] | None, path: dict[str, str]) -> dict[str, Any]:
    wanted = for_a_task(body, path)
    named_images(wanted, next(iter(app_instance().models.values())).task)
    return wanted


def _start(kind: str, request: dict[str, Any], wanted: dict[str, Any], run_sync: bool) -> Any:
    result, _ = AsyncTask.run(kind, request=request, params=wanted, force_sync=run_sync)
    if result is None:
        name = kind.replace("_", " ")
        raise BusyError(f"a {name} task is running, expected it to be over, or stopped by DELETE", retry_after=LATER)
    return result
