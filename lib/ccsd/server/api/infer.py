"""Masks on request: one inference at a time, what is sent keeps its names and leaves nothing behind."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from fastapi import APIRouter, BackgroundTasks, File, Form, Request, UploadFile
from fastapi.responses import Response
from monailabel.endpoints.infer import send_response
from monailabel.endpoints.user.auth import User
from monailabel.interfaces.utils.app import app_instance
from monailabel.utils.others.generic import get_mime_type
from requests_toolbelt import MultipartEncoder

from ccsd.common.errors import InputError
from ccsd.inference.confidence import ONE_MODALITY
from ccsd.inference.mask_file import agreement_beside
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
        "description": "By `output`: `image` the mask's file, `agreement` that of the map of agreement, `json` what is "
        "known of the mask, else mask and JSON as multipart",
        "content": {"application/json": {}, "application/octet-stream": {}, "multipart/form-data": {}},
    }
}


class Output(StrEnum):
    """What is sent. With `confidence`, `all` has the map of agreement as a third part; the answer without `output`,
    which MONAI Label's clients ask for, has it not."""

    image = "image"
    agreement = "agreement"
    json = "json"
    dicom_seg = "dicom_seg"
    all = "all"


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
    output: Output | None = None,
    user: User = USER,
) -> Any:
    """The mask of a study, as soon as it is your turn.

    Name the study by one of `image` (an id of the datastore), `session_id`, `file` (an image or a zip of a study).
    `params` is JSON: `modalities`, `preprocess`, `device`, `window`, `overlap`, `specks`, `enhancing_value`,
    `result_extension`, `confidence`.
    """
    check_known("model", model, app_instance().models)
    wanted = {"image": image, **read_object("params", params), "model": model}
    if output == Output.dicom_seg:  # a mask in another file format
        wanted, output = {**wanted, "result_extension": ".dcm"}, Output.image
    if output == Output.agreement:
        wanted = {**wanted, "confidence": True}
    whole = output not in (Output.image, Output.agreement)  # the answer holds the mask itself, its file can go
    cleaning = BackgroundTasks() if whole else background_tasks
    answer = await in_turn(request, user, partial(_answer, wanted, session_id, file, output, cleaning))
    if whole:
        await cleaning()  # before it is sent: MONAI Label's client writes a file of the same name into the same folder
    return answer


def _answer(
    wanted: dict[str, Any],
    session_id: str,
    file: UploadFile | None,
    output: Output | None,
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


def _segment(wanted: dict[str, Any], output: Output | None, cleaning: BackgroundTasks) -> Any:
    logger.info("Infer Request: %s", wanted)
    app = app_instance()
    result = app.infer(wanted)
    mask = Path(result["file"])
    agreement = agreement_beside(mask)
    try:
        if output == Output.agreement:
            return send_response(app.datastore(), {**result, "file": _of_agreement(mask)}, Output.image, cleaning)
        if output == Output.all and agreement.exists():
            return _three_parts(result["params"], mask, agreement)
        return send_response(app.datastore(), result, output, cleaning)
    finally:
        agreement.unlink(missing_ok=True)


def _of_agreement(mask: Path) -> str:
    """The mask's temporary file, now with the map of agreement. Raises InputError: there is none."""
    agreement = agreement_beside(mask)
    if not agreement.exists():
        mask.unlink(missing_ok=True)
        raise InputError(f"output is agreement, but the study has {ONE_MODALITY}, expected two or more")
    return str(agreement.replace(mask))


def _three_parts(params: Any, mask: Path, agreement: Path) -> Response:
    """As MONAI Label's multipart answer, with the map too; the mask is last, which MONAI Label's client takes."""
    fields: dict[str, Any] = {"params": (None, json.dumps(params), "application/json")}
    for name, path in (("agreement", agreement), ("image", mask)):
        fields[name] = (path.name, path.read_bytes(), get_mime_type(str(path)))
        path.unlink()
    form = MultipartEncoder(fields)
    return Response(form.to_string(), media_type=form.content_type)


async def in_turn(request: Request, user: User, work: Callable[[], T], *, ticket: str = "") -> T:
    """`work()` in the queue of inferences, for the client of a request; see `InferenceQueue.run`."""
    host = request.client.host if request.client else ""
    return await queue.run(work, user=f"{user.username} {host}", gone=partial(_left, request), ticket=ticket)


async def _left(request: Request) -> None:
    """Waits until the client has closed the connection; the body is read by then."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
