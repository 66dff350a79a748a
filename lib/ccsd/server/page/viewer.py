"""What the page's viewer asks for: images and masks whole, masks anew, how two of them agree, and masks as files."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from fastapi import APIRouter, Request
from fastapi.responses import Response
from monailabel.endpoints.user.auth import User
from monailabel.interfaces.utils.app import app_instance
from numpy.typing import NDArray
from pydantic import BaseModel

from ccsd import VERSION
from ccsd.common.errors import InputError, NotFoundError
from ccsd.evaluation.metrics import dice
from ccsd.imaging.grid import Volume
from ccsd.imaging.seg_write import Author, make_seg
from ccsd.imaging.sources import Source
from ccsd.imaging.volumes import read_values, temporary_image
from ccsd.inference.answer import volumes
from ccsd.inference.mask_file import agreement_beside
from ccsd.method.task import Task
from ccsd.pictures.report import Report, made_by, report_pdf
from ccsd.server.api.auth import USER
from ccsd.server.api.infer import in_turn, queue
from ccsd.server.api.openapi import BUSY
from ccsd.server.datastores.annotation import CORRECTED_FROM, drawn_by
from ccsd.server.page import slices, studies
from ccsd.server.page.layer_cache import LayerCache
from ccsd.server.page.progress import Progress
from ccsd.server.page.served import datastore, model_config, model_name
from ccsd.server.page.slices import Layer
from ccsd.studies.labels import EMPTY, read_label
from ccsd.studies.study import study_of

PATIENT = {"Cache-Control": "no-store"}
PACKED = {**PATIENT, "Content-Encoding": "gzip"}
BYTES = "application/octet-stream"
MIB = 2**20

data = APIRouter(prefix="/ccsd/data", tags=["Page"], dependencies=[USER])
images = LayerCache(256 * MIB)
masks = LayerCache(128 * MIB)
progress = Progress()


@dataclass(frozen=True)
class Mask(Layer):
    """A label map that the page shows: of `image` (an id), as a NIfTI `file`, and `ccsd`, what its answer said of it;
    empty for a label that a user saved. `agreement` (D, H, W): 0 to 255 for 0 to 1 of the map, where there is one."""

    image: str = ""
    file: bytes = b""
    ccsd: Mapping[str, Any] = field(default_factory=dict)
    agreement: NDArray[np.uint8] | None = None
    agreement_file: bytes = b""

    @property
    def nbytes(self) -> int:
        return int(self.data.nbytes) * (1 if self.agreement is None else 2) + len(self.file) + len(self.agreement_file)


class SegmentRequest(BaseModel):
    """What the page asks to segment: an image of a study, and the modalities to use (none: all); `confidence`: how
    sure the mask is, too; `ticket`, any text of its own, is what it asks the progress by."""

    image: str
    modalities: list[str] | None = None
    confidence: bool = False
    ticket: str = ""


@data.get("/view")
def open_image(image: str, modality: str, masks: str = "") -> Any:
    """An image of a study for the viewer, read anew: where its voxels are and how they are coded, the saved label, and
    which of `masks` (names with commas between them) are kept still, each with whether it lies on the image's grid.
    `modality` may be the id of an image that is not used."""
    store = datastore()
    source = _source(image, modality)
    layer = _layer(source)
    images.put((image, modality), layer)
    own, window = store.image_id(source), layer.window()
    return {
        "image": own,
        "name": source.name,
        "dicom": source.series is not None,
        "grid": layer.grid.describe(),
        **slices.geometry(layer),
        "coding": asdict(slices.coding(layer)),
        "window": window,
        "content": slices.box(layer.turned > window[0]),
        "label": _saved_label(own) if own else None,
        "masks": {name: kept.grid.matches(layer.grid) for name in masks.split(",") if (kept := _kept(name))},
    }


@data.get("/volume")
def get_volume(image: str, modality: str) -> Response:
    """All voxels of an image, as `ccsd.server.page.slices.packed_image` codes them."""
    return Response(slices.packed_image(_image(image, modality)), media_type=BYTES, headers=PACKED)


@data.get("/mask")
def get_mask(mask: str, image: str, modality: str, part: Literal["mask", "agreement"] = "mask") -> Response:
    """All voxels of a mask that this server keeps, or of its map of agreement (255: all agree), on the grid of an
    image, a byte each."""
    kept, grid = _mask(mask), _image(image, modality).grid
    layer, outside = (kept, 0) if part == "mask" else (Layer(_agreement(kept), kept.grid), 255)
    shown = layer if layer.grid.matches(grid) else slices.moved(layer, grid, outside=outside)
    return Response(slices.packed_mask(shown), media_type=BYTES, headers=PACKED)


@data.get("/mask/file")
def save_mask(mask: str, format: Literal["nifti", "dicom_seg", "agreement"] = "nifti") -> Response:
    """A mask as a file, or its map of agreement as NIfTI, on the grid of the image that it was made for."""
    kept = _mask(mask)
    if format == "dicom_seg":
        return Response(_seg(kept), media_type="application/dicom", headers=PATIENT)
    if format == "agreement":
        _agreement(kept)
    content = kept.file if format == "nifti" else kept.agreement_file
    return Response(content, media_type="application/gzip", headers=PATIENT)


@data.get("/report")
def make_report(mask: str, image: str, modality: str) -> Response:
    """One page of PDF on a mask that this server keeps, with pictures of an image on its grid."""
    kept, layer = _mask(mask), _image(image, modality)
    if not kept.grid.matches(layer.grid):
        raise InputError(f"the mask lies on {kept.grid.describe()}, the image on {layer.grid.describe()}")
    task, store = model_config().task, datastore()
    told = {**volumes(kept.data, kept.grid, task), **kept.ccsd}
    origin = made_by(kept.ccsd["model"]) if kept.ccsd else drawn_by(store.get_label_info(kept.image, "final"))
    study = store.study(image).id
    title = store.title(study) or study
    now = datetime.now().astimezone()
    answer = {"image": kept.image, "warnings": [], **told}
    shown = Volume(layer.data, layer.grid)
    pdf = report_pdf(Report(title, origin, modality, shown, kept.data, answer, task, now))
    return Response(pdf, media_type="application/pdf", headers=PATIENT)


@data.get("/dice")
def compare_masks(first: str, second: str) -> Any:
    """Dice by region of two masks on one grid."""
    task, (one, other) = model_config().task, [_mask(name) for name in (first, second)]
    if not one.grid.matches(other.grid):
        raise InputError(f"the masks lie on different grids, {one.grid.describe()} and {other.grid.describe()}")
    found = dice(*(task.to_regions(torch.from_numpy(m.data)[None])[0].bool() for m in (one, other)))
    return {region: round(float(value), 4) for region, value in zip(task.regions, found, strict=True)}


@data.post("/segment", responses=BUSY)
async def segment(request: Request, wanted: SegmentRequest, user: User = USER) -> Any:
    """A mask in memory, made when it is the user's turn: its name, where it lies, and the answer's `ccsd` part."""
    return await in_turn(request, user, partial(_segment, wanted), ticket=wanted.ticket)


@data.get("/progress")
async def show_progress(ticket: str) -> Any:
    """How far the segmentation with a ticket is: how many are `ahead` while it waits, else what is done now."""
    return {"ahead": queue.ahead(ticket), **progress.of(ticket)}


def _segment(wanted: SegmentRequest) -> dict[str, Any]:
    request = {
        "model": model_name(),
        "image": wanted.image,
        "modalities": wanted.modalities,
        "confidence": wanted.confidence,
        "result_extension": ".nii.gz",
    }
    with progress.follow(wanted.ticket):
        answer = app_instance().infer(request)
    file, ccsd = Path(answer["file"]), answer["params"]["ccsd"]
    name, made = secrets.token_hex(8), _made(file, wanted.image, ccsd)
    masks.put(name, made)
    return {"mask": name, "extent": slices.extent(made), "agreement": made.agreement is not None, "ccsd": ccsd}


def _made(file: Path, image: str, ccsd: Mapping[str, Any]) -> Mask:
    """The mask of an answer, whose files are removed."""
    beside = agreement_beside(file)
    try:
        values, grid = read_label(file, known=len(model_config().task.labels), aliases={})
        if not beside.exists():
            return Mask(values, grid, image, file.read_bytes(), ccsd)
        agreement = np.rint(255 * read_values(beside, grid)).astype(np.uint8)
        return Mask(values, grid, image, file.read_bytes(), ccsd, agreement, beside.read_bytes())
    finally:
        file.unlink(missing_ok=True)
        beside.unlink(missing_ok=True)


def _saved_label(image: str) -> dict[str, Any] | None:
    """The label that is saved for an image, put among the masks, its volumes, the regions drawn (None: all), and what
    was said when it was saved."""
    path = datastore().get_label_uri(image, "final")
    if not path:
        return None
    task = model_config().task
    values, grid = read_label(Path(path), known=len(task.labels), aliases=task.aliases)
    mask, layer = f"final {image}", Mask(values, grid, image, Path(path).read_bytes())
    masks.put(mask, layer)
    info = datastore().get_label_info(image, "final")
    told = {"corrected_from": info.get(CORRECTED_FROM), "regions": info.get("regions")}
    told |= {"warnings": info.get("warnings") or ([] if values.any() else [EMPTY])}
    return {"mask": mask, "extent": slices.extent(layer), **told, **volumes(values, grid, task)}


def _seg(mask: Mask) -> bytes:
    task, store = model_config().task, datastore()
    path = Path(store.study_image(mask.image))
    source = next((s for s in _all_sources(path, task) if s.holds(path)), Source(path))
    if source.series is None:
        raise InputError(f"image {source.name} is no DICOM series, expected one for a DICOM segmentation")
    seg = make_seg(mask.data, source.series, task, _author(mask, task), frames=source.frames)
    with temporary_image(".dcm") as file:
        seg.save_as(file, write_like_original=False)
    try:
        return file.read_bytes()
    finally:
        file.unlink()


def _all_sources(path: Path, task: Task) -> list[Source]:
    """All images of the study of a file."""
    study = study_of(path, task.modalities)
    return [*study.sources.values(), *(left.source for left in (*study.spare, *study.unknown, *study.refused))]


def _author(mask: Mask, task: Task) -> Author:
    if not mask.ccsd:
        return Author("MANUAL", VERSION, f"{task.name}, label of a user")
    used = ", ".join(mask.ccsd["modalities"]["used"])
    settings = {"modalities": used, "preprocess": mask.ccsd["preprocess"]["route"], **mask.ccsd["settings"]}
    told = {name: str(value) for name, value in settings.items()}
    return Author("AUTOMATIC", mask.ccsd["model"], f"CCSD {task.name} from {used}", told)


def _image(image: str, modality: str) -> Layer:
    return images.get_or_make((image, modality), lambda: _layer(_source(image, modality)))


def _layer(source: Source) -> Layer:
    volume = datastore().read(source)
    return Layer(volume.data, volume.grid)


def _source(image: str, modality: str) -> Source:
    """The image of a modality in the study of `image`, or one that is not used, by its id."""
    store = datastore()
    study = store.study(image)
    return studies.others(store, study).get(modality) or studies.source_of(study, modality)


def _kept(mask: str) -> Mask | None:
    kept = masks.get(mask)
    return kept if isinstance(kept, Mask) else None


def _mask(mask: str) -> Mask:
    kept = _kept(mask)
    if kept is None:
        raise NotFoundError("this mask is not kept any more, expected one of the last few: segment again")
    return kept


def _agreement(mask: Mask) -> NDArray[np.uint8]:
    if mask.agreement is None:
        raise NotFoundError("this mask has no map of agreement, expected one that was made with `confidence`")
    return mask.agreement
