"""Our routes, in front of MONAI Label's: what is sent keeps its names and leaves nothing behind, inferences queue."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from fastapi import APIRouter, BackgroundTasks, Depends, File, Form, Request, UploadFile
from fastapi.responses import JSONResponse
from monailabel.config import settings
from monailabel.endpoints import datastore as listing
from monailabel.endpoints import infer as inference
from monailabel.endpoints import session as sessions
from monailabel.endpoints.user.auth import RBAC, User
from monailabel.interfaces.utils.app import app_instance

from ccsd.common.errors import InputError, NotFoundError
from ccsd.server.api.openapi import BUSY, ERRORS
from ccsd.server.api.queue import InferenceQueue
from ccsd.server.api.values import read_object
from ccsd.server.datastores.uploads import received

T = TypeVar("T")

FILE, FILES, PARAMS = File(None), File(...), Form("{}")
USER = Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_USER))

MASK: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "By `output`: `image` the mask's file, `json` what is known of it, else both as multipart",
        "content": {"application/json": {}, "application/octet-stream": {}, "multipart/form-data": {}},
    }
}
router = APIRouter(prefix=settings.MONAI_LABEL_API_STR)
queue = InferenceQueue()


@router.post("/infer/{model}", tags=["Infer"], responses={**MASK, **ERRORS, **BUSY})
async def infer(
    request: Request,
    background_tasks: BackgroundTasks,
    model: str,
    image: str = "",
    session_id: str = "",
    params: str = PARAMS,
    file: UploadFile | None = FILE,
    output: inference.ResultType | None = None,
    user: User = USER,
) -> Any:
    """A mask of the study that an image belongs to, as soon as it is your turn.

    What is segmented is one of `image` (an id of the datastore), `session_id`, `file` (an image or a zip of a study).
    `params` is JSON: `modalities`, `preprocess`, `device`, `window`, `overlap`, `specks`, `enhancing_value`,
    `result_extension`.
    """
    wanted = read_object("params", params)
    if output == inference.ResultType.dicom_seg:  # a mask in another file format
        wanted, output = {**wanted, "result_extension": ".dcm"}, inference.ResultType.image
    params = json.dumps({**wanted, "model": model})
    whole = output != inference.ResultType.image  # the answer holds the mask itself, its file can go
    cleaning = BackgroundTasks() if whole else background_tasks

    def work() -> Any:
        if session_id:
            _check_session(session_id)
        if file is None or session_id:
            return inference.run_inference(cleaning, model, image, session_id, params, None, None, output)
        with received([(file.filename or "", file.file)]) as path:
            return inference.run_inference(cleaning, model, str(path), "", params, None, None, output)

    answer = await in_turn(request, user, work)
    if whole:
        await cleaning()  # before it is sent: MONAI Label's client writes a file of the same name into the same folder
    return answer


@router.get("/datastore/", tags=["Datastore"], dependencies=[USER], responses=ERRORS)
def show_datastore(output: listing.ResultType | None = None) -> JSONResponse:
    """As MONAI Label's, without FastAPI's look at every value, which takes seconds for ten thousand studies."""
    return JSONResponse(listing.datastore(output))


@router.put("/session/", tags=["Session"], dependencies=[USER], responses=ERRORS)
def create_session(uncompress: bool = False, expiry: int = 0, files: list[UploadFile] = FILES) -> Any:
    """A session of one image, of several files of one study, or of a zip archive, which is unpacked."""
    with received([(f.filename or "", f.file) for f in files]) as path:
        session_id, info = _sessions().add_session(str(path), expiry, uncompress)
    return {"session_id": session_id, "session_info": info.to_json()}


@router.get("/session/{session_id}", tags=["Session"], dependencies=[USER], responses=ERRORS)
def get_session(session_id: str, update_ts: bool = False, image: bool = False) -> Any:
    """As MONAI Label's; a session of several images has none to download."""
    info = _check_session(session_id)
    if image and Path(info.image).is_dir():
        raise InputError(f"session {session_id} holds several files, expected one of a single image")
    return sessions.get_session(session_id, update_ts, image)


async def in_turn(request: Request, user: User, work: Callable[[], T]) -> T:
    """`work()` in the queue of inferences, for the client of a request."""
    host = request.client.host if request.client else ""
    return await queue.run(work, user=f"{user.username} {host}", gone=partial(_left, request))


async def _left(request: Request) -> None:
    """Waits until the client has closed the connection; the body is read by then."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _check_session(session_id: str) -> Any:
    safe = session_id.replace("-", "").isalnum()  # it is a folder's name
    info = _sessions().get_session(session_id, update_ts=False) if safe else None
    if info is None:
        raise NotFoundError(f"session {session_id} does not exist or has ended")
    return info


def _sessions() -> Any:
    held = app_instance().sessions()
    if held is None:
        raise InputError("sessions are switched off on this server (MONAI_LABEL_SESSIONS)")
    return held
