"""Routes that go before MONAI Label's of the same address: what is sent keeps its names and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, BackgroundTasks, Depends, File, Form, UploadFile
from monailabel.config import settings
from monailabel.endpoints import infer as inference
from monailabel.endpoints import session as sessions
from monailabel.endpoints.user.auth import RBAC
from monailabel.interfaces.utils.app import app_instance

from lib.datastores.uploads import received
from lib.errors import InputError, NotFoundError

FILE, FILES, PARAMS = File(None), File(...), Form("{}")
USER = [Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_USER))]

router = APIRouter(prefix=settings.MONAI_LABEL_API_STR, dependencies=USER)


def install_routes() -> None:
    """Put the routes in front of MONAI Label's."""
    from monailabel.app import app  # not at import: reading it builds the whole web app

    app.include_router(router)
    app.router.routes.insert(0, app.router.routes.pop())


@router.post("/infer/{model}", tags=["Infer"])
async def infer(
    background_tasks: BackgroundTasks,
    model: str,
    image: str = "",
    session_id: str = "",
    params: str = PARAMS,
    file: UploadFile | None = FILE,
    output: inference.ResultType | None = None,
) -> Any:
    """As MONAI Label's. Raises NotFoundError for a session that is not there."""
    if output == inference.ResultType.dicom_seg:
        raise InputError("output is dicom_seg, expected image, json or all")
    if session_id:
        _check_session(session_id)
    whole = output != inference.ResultType.image  # the answer holds the mask itself, its file can go
    cleaning = BackgroundTasks() if whole else background_tasks
    if file is None or session_id:
        answer = inference.run_inference(cleaning, model, image, session_id, params, None, None, output)
    else:
        with received([(file.filename or "", file.file)]) as path:
            answer = inference.run_inference(cleaning, model, str(path), "", params, None, None, output)
    if whole:
        await cleaning()  # before it is sent: MONAI Label's client writes a file of the same name into the same folder
    return answer


@router.put("/session/", tags=["Session"])
async def create_session(uncompress: bool = False, expiry: int = 0, files: list[UploadFile] = FILES) -> Any:
    """A session of one image, of several files of one study, or of a zip archive, which is unpacked."""
    with received([(f.filename or "", f.file) for f in files]) as path:
        session_id, info = _sessions().add_session(str(path), expiry, uncompress)
    return {"session_id": session_id, "session_info": info.to_json()}


@router.get("/session/{session_id}", tags=["Session"])
async def get_session(session_id: str, update_ts: bool = False, image: bool = False) -> Any:
    """As MONAI Label's; a session of several images has none to download."""
    info = _check_session(session_id)
    if image and Path(info.image).is_dir():
        raise InputError(f"session {session_id} holds several files, expected one of a single image")
    return sessions.get_session(session_id, update_ts, image)


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
