"""Sessions: images that a client sends once and asks about several times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, File, UploadFile
from monailabel.endpoints import session
from monailabel.interfaces.utils.app import app_instance

from ccsd.common.errors import InputError, NotFoundError
from ccsd.server.api.auth import USER
from ccsd.server.datastores.uploads import received

FILES = File(...)

router = APIRouter(prefix="/session", tags=["Session"], dependencies=[USER])


@router.put("/")
def create_session(uncompress: bool = False, expiry: int = 0, files: list[UploadFile] = FILES) -> Any:
    """A session of one image, of several files of one study, or of a zip archive, which is unpacked."""
    with received([(f.filename or "", f.file) for f in files]) as path:
        session_id, info = _sessions().add_session(str(path), expiry, uncompress)
    return {"session_id": session_id, "session_info": info.to_json()}


@router.get("/{session_id}")
def get_session(session_id: str, update_ts: bool = False, image: bool = False) -> Any:
    """What is known of a session; with `image` its file, if it is one."""
    info = find_session(session_id)
    if image and Path(info.image).is_dir():
        raise InputError(f"session {session_id} holds several files, expected one of a single image")
    return session.get_session(session_id, update_ts, image)


@router.delete("/{session_id}")
def remove_session(session_id: str) -> Any:
    """End a session and remove its images."""
    find_session(session_id)
    return session.remove_session(session_id)


def find_session(session_id: str) -> Any:
    """Raises NotFoundError: there is none of this name."""
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
