"""Masks on request: one inference at a time, what is sent keeps its names and leaves nothing behind."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from fastapi import APIRouter, BackgroundTasks, File, Form, Request, UploadFile
from monailabel.endpoints.infer import ResultType, send_response
from monailabel.endpoints.user.auth import User
from monailabel.interfaces.utils.app import app_instance

from ccsd.common.errors import InputError
from ccsd.server.api.auth import USER
from ccsd.server.api.openapi import BUSY
from ccsd.server.api.queue import InferenceQueue
from ccsd.server.api.sessions import find_session
from ccsd.server.api.values import check_known, read_object
from ccsd.server.datastores.uploads import received

logger = logging.getLogger(__name__)

T = TypeVar("T")

FILE, PARAMS = File(None), Form("{}")

MASK: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "By `output`: `image` the mask's file, `json` what is known of it, else both as multipart",
        "content": {"application/json": {}, "application/octet-stream": {}, "multipart/form-data": {}},
    }
}
router = APIRouter()
queue = InferenceQueue()


@router.post("/infer/{model}", tags=["Infer"], responses={**MASK, **BUSY})
async def infer(
    request: Request,
    background_tasks: BackgroundTasks,
    model: str,
    image: str = "",
    session_id: str = "",
    params: str = PARAMS,
    file: UploadFile | None = FILE,
    output: ResultType | None = None,
    user: User = USER,
) -> Any:
    """A mask of the study that an image belongs to, as soon as it is your turn.

    What is segmented is one of `image` (an id of the datastore), `session_id`, `file` (an image or a zip of a study).
    `params` is JSON: `modalities`, `preprocess`, `device`, `window`, `overlap`, `specks`, `enhancing_value`,
    `result_extension`.
    """
    check_known("model", model, app_instance().models)
    wanted = {"image": image, **read_object("params", params), "model": model}
    if output == ResultType.dicom_seg:  # a mask in another file format
        wanted, output = {**wanted, "result_extension": ".dcm"}, ResultType.image
    whole = output != ResultType.image  # the answer holds the mask itself, its file can go
    cleaning = BackgroundTasks() if whole else background_tasks
    answer = await in_turn(request, user, partial(_answer, wanted, session_id, file, output, cleaning))
    if whole:
        await cleaning()  # before it is sent: MONAI Label's client writes a file of the same name into the same folder
    return answer


def _answer(
    wanted: dict[str, Any],
    session_id: str,
    file: UploadFile | None,
    output: ResultType | None,
    cleaning: BackgroundTasks,
) -> Any:
    if session_id:
        session = find_session(session_id)
        return _segment({**wanted, "image": session.image, "session": session.to_json()}, output, cleaning)
    if file is not None:
        with received([(file.filename or "", file.file)]) as path:
            return _segment({**wanted, "image": str(path)}, output, cleaning)
    if not wanted["image"]:
        raise InputError("no input: expected an image id, a file or a session_id")
    return _segment(wanted, output, cleaning)


def _segment(wanted: dict[str, Any], output: ResultType | None, cleaning: BackgroundTasks) -> Any:
    logger.info("Infer Request: %s", wanted)
    app = app_instance()
    return send_response(app.datastore(), app.infer(wanted), output, cleaning)


async def in_turn(request: Request, user: User, work: Callable[[], T]) -> T:
    """`work()` in the queue of inferences, for the client of a request."""
    host = request.client.host if request.client else ""
    return await queue.run(work, user=f"{user.username} {host}", gone=partial(_left, request))


async def _left(request: Request) -> None:
    """Waits until the client has closed the connection; the body is read by then."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
