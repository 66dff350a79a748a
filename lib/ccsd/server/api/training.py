"""Training over HTTP: one at a time, wrong requests are refused at once, the status says in a sentence how it ended."""

from __future__ import annotations

import threading
import time
from typing import Any

from fastapi import APIRouter
from monailabel.endpoints import train as training
from monailabel.interfaces.utils.app import app_instance
from monailabel.utils.async_tasks.task import AsyncTask
from monailabel.utils.async_tasks.utils import processes, tasks

from ccsd.common.devices import read_device
from ccsd.common.errors import BusyError, InputError
from ccsd.server.api.auth import ADMIN, USER
from ccsd.server.api.openapi import BUSY
from ccsd.server.api.tasks import LATER, under_way
from ccsd.server.api.values import check_known, for_a_task
from ccsd.server.trainers.own_process import OLD_WEIGHTS_STAY
from ccsd.server.trainers.train_request import read_train_request
from ccsd.training.progress import told

STARTS_WITHIN = 10.0  # s from a request to its process

router = APIRouter(prefix="/train", tags=["Train"])
_starting = threading.Lock()


@router.post("/{model}", dependencies=[ADMIN], responses=BUSY)
def start(model: str, params: dict[str, Any] | None = None, enqueue: bool = False) -> Any:
    """Train on the saved labels, in a separate process. With `enqueue` it waits for one that is running; else
    the request is refused.

    The parameters are in `/info/`, under `trainers`: `max_epochs`, `max_minutes`, `val_split`, and so on.
    """
    trainers = app_instance().info()["trainers"]
    check_known("model", model, trainers)
    wanted = for_a_task(params, {"model": model})
    read_train_request(wanted)
    read_device(wanted.get("device"))
    if not app_instance().datastore().get_labeled_images("final"):
        raise InputError("no label with the tag final is saved, expected at least one labelled study to train on")
    with _starting:
        running = under_way("train")
        if running and not enqueue:
            raise BusyError(
                f"a training is running since {running[0]['start_ts']}, expected it to be over, or stopped by "
                "DELETE /train/",
                retry_after=LATER,
            )
        result, _ = AsyncTask.run("train", request={}, params=wanted, enqueue=True)
    return result


@router.post("/", include_in_schema=False, dependencies=[ADMIN])
def start_all(params: dict[str, Any] | None = None) -> Any:
    """What OHIF's Update Model asks for."""
    models = app_instance().info()["trainers"]
    given = params or {}
    own = {name: given[name] if isinstance(given.get(name), dict) else {} for name in models}
    return {name: {"result": start(name, {**given, **own[name]})} for name in models}


@router.get("/", dependencies=[USER])
def status(all: bool = False, check_if_running: bool = False) -> Any:
    """The last training (`all`: a list of all of this server): `status` is SUBMITTED, RUNNING, DONE, STOPPED or ERROR,
    `details` the last lines of its log, `outcome` one sentence once it is over, `progress` what it is doing until then
    (`says`: the same in words)."""
    found = training.status(all, check_if_running)
    return [with_outcome(task) for task in found] if isinstance(found, list) else with_outcome(found)


@router.delete("/", dependencies=[ADMIN])
def stop() -> Any:
    """Stop the training that is running; what it published stays. Answers null if none is."""
    deadline = time.monotonic() + STARTS_WITHIN
    while tasks("train") and tasks("train")[-1]["status"] == "SUBMITTED" and time.monotonic() < deadline:
        time.sleep(0.1)  # its process is about to start
    return training.stop()


def with_outcome(task: dict[str, Any]) -> dict[str, Any]:
    """A task of MONAI Label with `outcome`, how it ended in a sentence (None: it has not), and `progress`, what it is
    doing (None: it is not running)."""
    lines = [str(line) for line in task.get("details") or ()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    outcome = None
    if task["status"] == "DONE" and task is tasks("train")[-1]:
        outcome = app_instance().info()["train_stats"][task["request"]["model"]].get("outcome")
    elif task["status"] == "STOPPED":
        outcome = "stopped; what was published stays"
    elif task["status"] == "ERROR":
        killed = f"the training process ended without a word: it was killed, or memory ran out; {OLD_WEIGHTS_STAY}"
        failed = f"the training failed, its log is in details and in /logs/; {OLD_WEIGHTS_STAY}"
        outcome = errors[-1] if errors else failed if any("Traceback" in line for line in lines) else killed
    return {**task, "outcome": outcome, "progress": _progress(task)}


def _progress(task: dict[str, Any]) -> dict[str, Any] | None:
    process = processes("train").get(task["id"])
    if task["status"] != "RUNNING" or process is None:
        return None
    return told(app_instance().models[task["request"]["model"]].trainer().progress_file, process.pid)
