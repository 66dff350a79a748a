"""The page at /ccsd/: its files, which hold no data, and what they ask for, authenticated as the API is."""

from __future__ import annotations

import secrets
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, RedirectResponse, Response
from monailabel.config import settings
from monailabel.endpoints.user.auth import User
from monailabel.interfaces.utils.app import app_instance
from monailabel.utils.async_tasks.task import AsyncTask
from pydantic import BaseModel

from ccsd.common.errors import NotFoundError
from ccsd.imaging.sources import Source
from ccsd.inference.answer import volumes
from ccsd.models.compare import compare
from ccsd.models.versions import Versions
from ccsd.server.api.auth import ADMIN, USER
from ccsd.server.api.infer import in_turn
from ccsd.server.api.openapi import BUSY
from ccsd.server.api.tasks import scores
from ccsd.server.api.training import with_outcome
from ccsd.server.page import model, slices, studies
from ccsd.server.page.layer_cache import LayerCache
from ccsd.server.page.outcome import in_words
from ccsd.server.page.slices import Layer
from ccsd.studies.labels import EMPTY, read_label

FILES = {f"{f.parent.name}/{f.name}": f for f in Path(__file__).with_name("static").iterdir()}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
PATIENT = {"Cache-Control": "no-store"}
MIB = 2**20

router = APIRouter(prefix="/ccsd", include_in_schema=False)
data = APIRouter(prefix="/ccsd/data", tags=["Page"], dependencies=[USER])
images = LayerCache(256 * MIB)
masks = LayerCache(128 * MIB)


class Wanted(BaseModel):
    """What the page asks to segment: an image of a study, and the modalities to use (none: all)."""

    image: str
    modalities: list[str] | None = None


@router.get("")
def page_without_slash() -> Response:
    return RedirectResponse(f"{settings.MONAI_LABEL_API_STR}/ccsd/")


@router.get("/")
def page() -> Response:
    return FileResponse(FILES["static/index.html"], headers=HEADERS)


@router.get("/static/{name}")
def static(name: str) -> Response:
    if f"static/{name}" not in FILES:
        raise NotFoundError(f"file {name} does not exist")
    return FileResponse(FILES[f"static/{name}"], headers=HEADERS)


@data.get("/studies")
def list_studies(search: str = "", page: int = 1, refresh: bool = False) -> Any:
    """One page of the list; `refresh` looks for new studies first."""
    if refresh:
        _datastore().refresh()
    return studies.listing(_datastore(), search=search, page=page)


@data.get("/study")
def show_study(image: str) -> Any:
    return studies.details(_datastore(), image, _config().task.modalities)


@data.get("/view")
def open_image(image: str, modality: str, mask: str = "") -> Any:
    """An image of a study for the viewer, read anew: its planes, the saved label, whether `mask` is kept still and lies
    on its grid. `modality` may be the id of an image that is not used."""
    store = _datastore()
    source = _source(image, modality)
    layer = slices.layer_of(store.read(source))
    images.put((image, modality), layer)
    own = store.image_id(source)
    shown = masks.get(mask)
    return {
        "image": own,
        "name": source.name,
        "grid": layer.grid.describe(),
        "planes": slices.planes(layer),
        "label": _saved_label(own) if own else None,
        "kept": shown is not None,
        "fits": shown is not None and shown.grid.matches(layer.grid),
    }


@data.get("/slice")
def image_slice(image: str, modality: str, plane: str, index: int, low: float = 1, high: float = 99.5) -> Response:
    """A PNG of one slice of the image as it is stored."""

    def read() -> Layer:
        return slices.layer_of(_datastore().read(_source(image, modality)))

    layer = images.get_or_make((image, modality), read)
    return Response(slices.grey_png(layer, plane, index, low=low, high=high), media_type="image/png", headers=PATIENT)


@data.get("/mask")
def mask_slice(mask: str, plane: str, index: int) -> Response:
    """A PNG of one slice of a mask that this server keeps, clear outside its parts."""
    layer = masks.get(mask)
    if layer is None:
        raise NotFoundError("this mask is not kept any more, expected one of the last few: segment again")
    return Response(slices.mask_png(layer, plane, index), media_type="image/png", headers=PATIENT)


@data.post("/segment", responses=BUSY)
async def segment(request: Request, wanted: Wanted, user: User = USER) -> Any:
    """A mask in memory, made when it is the user's turn: its name, its planes, and the answer's `ccsd` part."""
    return await in_turn(request, user, partial(_segment, wanted))


@data.get("/model")
def show_model() -> Any:
    config = _config()
    current = config.model.current()
    return model.served(current.card, config.task)


@data.get("/versions")
def list_versions() -> Any:
    config = _config()
    return {"versions": model.listed(Versions(config.model).known(), config.task)}


@data.get("/versions/compare")
def compare_versions(first: str, second: str) -> Any:
    """Dice by subset, data and settings of two versions, side by side."""
    config = _config()
    versions = Versions(config.model)
    return compare(versions.find(first), versions.find(second), config.task)


@data.post("/versions/{version}", dependencies=[ADMIN])
def serve_version(version: str, pin: bool = False) -> Any:
    """Roll back, or forward. With `pin` it stays served whatever trainings publish, until it is unpinned."""
    versions = Versions(_config().model)
    versions.pin(version) if pin else versions.serve(version)
    return list_versions()


@data.delete("/versions/pin", dependencies=[ADMIN])
def unpin_version() -> Any:
    """From now on the newest publication is served again."""
    Versions(_config().model).unpin()
    return list_versions()


@data.get("/scores")
def show_scores() -> Any:
    """The served model against the saved labels, as far as `POST /scoring/dice` found it for these weights."""
    return scores()


@data.get("/training")
def show_training() -> Any:
    """The last training of this server (None: none yet), how it ended in `words`, and what it wrote of its epochs."""
    task, _ = AsyncTask.status("train")
    told = with_outcome(task) if task else {}
    state = {k: told.get(k) for k in ("status", "start_ts", "end_ts", "outcome", "progress")} if task else None
    lines = [str(line) for line in task.get("details", ())] if task else []
    config = _config()
    stats = config.trainer().stats()
    words = in_words(told["outcome"], stats, Versions(config.model).known()) if told.get("outcome") else None
    return {"task": state, "words": words, "lines": lines, "stats": stats}


def _source(image: str, modality: str) -> Source:
    """The image of a modality in the study of `image`, or one that is not used, by its id."""
    store = _datastore()
    study = store.study(image)
    return studies.others(store, study).get(modality) or studies.source_of(study, modality)


def _saved_label(image: str) -> dict[str, Any] | None:
    """The label that is saved for an image, put among the masks, its volumes, the regions drawn (None: all), and what
    was said when it was saved."""
    path = _datastore().get_label_uri(image, "final")
    if not path:
        return None
    task = _config().task
    values, grid = read_label(Path(path), known=len(task.labels), aliases=task.aliases)
    mask, layer = f"final {image}", Layer(values, grid)
    masks.put(mask, layer)
    info = _datastore().get_label_info(image, "final")
    told = {"regions": info.get("regions"), "warnings": info.get("warnings") or ([] if values.any() else [EMPTY])}
    return {"mask": mask, "planes": slices.planes(layer), **told, **volumes(values, grid, task)}


def _segment(wanted: Wanted) -> dict[str, Any]:
    task = _config().task
    request = {"model": _name(), "image": wanted.image, "modalities": wanted.modalities, "result_extension": ".nii.gz"}
    answer = app_instance().infer(request)
    file = Path(answer["file"])
    try:
        values, grid = read_label(file, known=len(task.labels), aliases={})
    finally:
        file.unlink(missing_ok=True)
    mask, layer = secrets.token_hex(8), Layer(values, grid)
    masks.put(mask, layer)
    return {"mask": mask, "planes": slices.planes(layer), "ccsd": answer["params"]["ccsd"]}


def _name() -> str:
    return next(iter(app_instance().models))


def _config() -> Any:
    return app_instance().models[_name()]


def _datastore() -> Any:
    return app_instance().datastore()
