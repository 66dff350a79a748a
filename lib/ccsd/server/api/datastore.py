"""Images, labels and notes on them. What is saved keeps its name and leaves no file behind; the index is out of reach
of what clients note."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Query, UploadFile
from fastapi.responses import FileResponse, JSONResponse
from monailabel.endpoints import datastore as listing
from monailabel.endpoints.user.auth import User
from monailabel.interfaces.utils.app import app_instance

from ccsd.common.errors import InputError, NotFoundError
from ccsd.imaging import filenames
from ccsd.server.api.auth import ADMIN, ANNOTATOR, USER
from ccsd.server.api.values import read_object, refuse, without
from ccsd.server.datastores.uploads import received

PARAMS, INFO = Form("{}"), Form("{}")
LABEL, IMAGE = File(...), File(...)  # one each: FastAPI writes the name of the field into them
FINAL = "final"
# What the index and training go by; clients' notes lie beside it.
OF_IMAGES = {"file", "name", "series", "strategy", "study", "ts"}
OF_LABELS = {"dicom_seg", "name", "params", "regions", "ts", "warnings"}
CHECKSUMS = ("SHA256", "SHA512", "MD5")

MAX_CASES = 2**31 - 1

router = APIRouter(prefix="/datastore", tags=["Datastore"])


@router.put("/label")
def save_label(
    image: str, params: str = PARAMS, tag: str = FINAL, label: UploadFile = LABEL, user: User = ANNOTATOR
) -> dict[str, Any]:
    """Save a label for the study of an image. `params` is JSON: `label_info` says what the values in the file mean, as
    3D Slicer sends it (a `.seg.nrrd` contains this itself); `corrected_from` names the weights whose mask was
    corrected. `warnings` of the answer say how the label was understood."""
    app, values = app_instance(), without(read_object("params", params), OF_LABELS)
    with received([(label.filename or "label.nii.gz", label.file)]) as path:
        label_id = app.datastore().save_label(image, str(path), tag or FINAL, values)
    warnings = app.datastore().get_label_info(label_id, tag or FINAL).get("warnings", [])
    return {**(app.on_save_label(image, label_id) or {}), "image": image, "label": label_id, "warnings": warnings}


@router.put("/image")
@router.put("/", include_in_schema=False)
def add_image(
    image: str | None = None, params: str = PARAMS, file: UploadFile = IMAGE, user: User = ANNOTATOR
) -> dict[str, str]:
    """Save an image under the id `image`, or under its file name without extension."""
    values = without(read_object("params", params), OF_IMAGES) | ({"user": user.username} if user else {})
    with received([(file.filename or "image.nii.gz", file.file)]) as path:
        wanted = image or filenames.strip_extension(path.name)
        return {"image": app_instance().datastore().add_image(wanted, str(path), values)}


@router.put("/image/info")
def note_on_image(image: str, info: str = INFO, user: User = ANNOTATOR) -> Any:
    """Save notes on an image, as a JSON object."""
    return app_instance().datastore().update_image_info(image, _notes(info, OF_IMAGES, user))


@router.put("/label/info")
def note_on_label(label: str, tag: str, info: str = INFO, user: User = ANNOTATOR) -> Any:
    """Save notes on a label, as a JSON object."""
    return app_instance().datastore().update_label_info(label, tag, _notes(info, OF_LABELS, user))


@router.put("/updatelabelinfo", include_in_schema=False)
def note_on_label_by_its_old_name(label: str, tag: str, params: str = PARAMS, user: User = ANNOTATOR) -> Any:
    """As `note_on_label`: by this name Slicer's module MONAILabelReviewer asks for it (`updateLabelInfo`)."""
    return note_on_label(label, tag, params, user)


@router.head("/image", dependencies=[USER])
def check_image(image: str, check_sum: str = "") -> dict[str, Any]:
    """404 if there is no such image, or if its file has another `check_sum` (`SHA256:<hex>`, `SHA512:`, `MD5:`)."""
    file = Path(app_instance().datastore().get_image_uri(image))
    if not file.is_file():
        raise NotFoundError(f"image {image} does not exist")
    kind, digest = check_sum.split(":", 1) if ":" in check_sum else (CHECKSUMS[0], check_sum)
    if kind not in CHECKSUMS:
        raise InputError(f"check_sum is of the kind {kind!r}, expected one of {', '.join(CHECKSUMS)}")
    with file.open("rb") as content:
        if check_sum and hashlib.file_digest(content, kind.lower()).hexdigest() != digest.lower():
            raise NotFoundError(f"image {image} has another check_sum")
    return {}


@router.get("/", dependencies=[USER])
def show_datastore(output: listing.ResultType | None = None) -> JSONResponse:
    """How many studies there are (`output`: `all` lists them, `train` lists the labelled ones), without FastAPI's look
    at every value, which takes seconds for ten thousand studies."""
    return JSONResponse(listing.datastore(output))


@router.get("/image", dependencies=[USER])
def get_image(image: str) -> FileResponse:
    """The file of an image."""
    found: FileResponse = listing.download_image(image)
    return found


@router.delete("/image")
def remove_image(id: str, user: User = ADMIN) -> Any:
    """Remove an image and its labels."""
    return listing.remove_image(id, user.username)


@router.get("/image/info", dependencies=[USER])
def get_image_info(image: str) -> Any:
    """What is known of an image."""
    return listing.get_image_info(image)


@router.get("/label", dependencies=[USER])
def get_label(label: str, tag: str) -> FileResponse:
    """The file of a label; `label` is an image of its study."""
    found: FileResponse = listing.download_label(label, tag)
    return found


@router.head("/label", dependencies=[USER])
def check_label(image: str, tag: str) -> Any:
    """404 if there is no such label."""
    return listing.download_label(image, tag, check_only=True)


@router.delete("/label")
def remove_label(id: str, tag: str, user: User = ADMIN) -> Any:
    """Remove a label; `id` is an image of its study."""
    return listing.remove_label(id, tag, user.username)


@router.get("/label/info", dependencies=[USER])
def get_label_info(label: str, tag: str) -> Any:
    """What is known of a label."""
    return listing.get_label_info(label, tag)


@router.get("/dataset", dependencies=[ANNOTATOR])
def get_dataset(limit_cases: Annotated[int | None, Query(le=MAX_CASES)] = None) -> FileResponse:
    """The labelled studies as a zip archive."""
    found: FileResponse = listing.download_dataset(limit_cases)
    return found


def _notes(text: str, own: set[str], user: User) -> dict[str, Any]:
    values = read_object("info", text)
    refuse("info", values, own)
    return values | ({"user": user.username} if user else {})
