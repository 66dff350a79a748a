"""Saving labels and images: MONAI Label's two routes, with the file under its own name and none left behind."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Depends, File, Form, UploadFile
from monailabel.config import settings
from monailabel.endpoints.user.auth import RBAC, User
from monailabel.interfaces.utils.app import app_instance

from lib.datastores.uploads import received
from lib.errors import InputError
from lib.studies import names
from lib.web.openapi import ERRORS

PARAMS = Form("{}")
LABEL, IMAGE = File(...), File(...)  # one each: FastAPI writes the name of the field into them
ANNOTATOR = Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_ANNOTATOR))
FINAL = "final"

router = APIRouter(prefix=settings.MONAI_LABEL_API_STR, tags=["Datastore"])


@router.put("/datastore/label", responses=ERRORS)
def save_label(
    image: str, params: str = PARAMS, tag: str = FINAL, label: UploadFile = LABEL, user: User = ANNOTATOR
) -> dict[str, Any]:
    """Keep a label of an image's study, whole or not at all. `params` is JSON: `label_info` says what the file's values
    are, as 3D Slicer sends it."""
    app, values = app_instance(), _object(params)
    with received([(label.filename or "label.nii.gz", label.file)]) as path:
        label_id = app.datastore().save_label(image, str(path), tag or FINAL, values)
    return {**(app.on_save_label(image, label_id) or {}), "image": image, "label": label_id}


@router.put("/datastore/image", responses=ERRORS)
@router.put("/datastore/", include_in_schema=False)
def add_image(
    image: str | None = None, params: str = PARAMS, file: UploadFile = IMAGE, user: User = ANNOTATOR
) -> dict[str, str]:
    """Keep an image under the id `image`, or its file's name without extension."""
    values = _object(params) | ({"user": user.username} if user else {})
    with received([(file.filename or "image.nii.gz", file.file)]) as path:
        wanted = image or names.strip_extension(path.name)
        return {"image": app_instance().datastore().add_image(wanted, str(path), values)}


def _object(text: str) -> dict[str, Any]:
    values = json.loads(text or "{}")
    if not isinstance(values, dict):
        raise InputError(f"params is {text!r}, expected a JSON object")
    return values
