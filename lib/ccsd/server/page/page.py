"""The page at /ccsd/: its files, which hold no data, and what they ask for, authenticated as the API is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import FileResponse, RedirectResponse, Response
from monailabel.config import settings
from monailabel.utils.async_tasks.task import AsyncTask

from ccsd.common.errors import NotFoundError
from ccsd.models.compare import compare
from ccsd.models.versions import Versions
from ccsd.server.api.auth import ADMIN, USER
from ccsd.server.api.tasks import scores
from ccsd.server.api.training import with_outcome
from ccsd.server.page import model, studies
from ccsd.server.page.outcome import in_words
from ccsd.server.page.served import datastore, model_config

FILES = {f"{f.parent.name}/{f.name}": f for f in Path(__file__).with_name("static").iterdir()}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

router = APIRouter(prefix="/ccsd", include_in_schema=False)
data = APIRouter(prefix="/ccsd/data", tags=["Page"], dependencies=[USER])


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
        datastore().refresh()
    return studies.listing(datastore(), search=search, page=page)


@data.get("/study")
def show_study(image: str) -> Any:
    return studies.details(datastore(), image, model_config().task.modalities)


@data.get("/model")
def show_model() -> Any:
    config = model_config()
    current = config.model.current()
    return model.served(current.card, config.task)


@data.get("/versions")
def list_versions() -> Any:
    config = model_config()
    return {"versions": model.listed(Versions(config.model).known(), config.task)}


@data.get("/versions/compare")
def compare_versions(first: str, second: str) -> Any:
    """Dice by subset, data and settings of two versions, side by side."""
    config = model_config()
    versions = Versions(config.model)
    return compare(versions.find(first), versions.find(second), config.task)


@data.post("/versions/{version}", dependencies=[ADMIN])
def serve_version(version: str, pin: bool = False) -> Any:
    """Serve this version (roll back or forward). With `pin` it stays served until it is unpinned, even if a training
    publishes new weights."""
    versions = Versions(model_config().model)
    versions.pin(version) if pin else versions.serve(version)
    return list_versions()


@data.delete("/versions/pin", dependencies=[ADMIN])
def unpin_version() -> Any:
    """Unpin: the weights that are published next are served again."""
    Versions(model_config().model).unpin()
    return list_versions()


@data.get("/scores")
def show_scores() -> Any:
    """Dice of the served model with the saved labels, as far as `POST /scoring/dice` measured it for these weights."""
    return scores()


@data.get("/training")
def show_training() -> Any:
    """The last training of this server (None: none yet), how it ended in `words`, and what it wrote of its epochs."""
    task, _ = AsyncTask.status("train")
    told = with_outcome(task) if task else {}
    state = {k: told.get(k) for k in ("status", "start_ts", "end_ts", "outcome", "progress")} if task else None
    lines = [str(line) for line in task.get("details", ())] if task else []
    config = model_config()
    stats = config.trainer().stats()
    words = in_words(told["outcome"], stats, Versions(config.model).known()) if told.get("outcome") else None
    return {"task": state, "words": words, "lines": lines, "stats": stats}
