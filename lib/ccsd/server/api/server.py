"""MONAI Label's web server with our routes in front, and its own in threads: its code is synchronous, and would hold up
everybody else while it reads files or asks the DICOMweb server."""

from __future__ import annotations

import asyncio
import inspect
import shutil
from collections.abc import Callable, Collection, Sequence
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from monailabel.config import settings
from monailabel.endpoints import (
    activelearning,
    batch_infer,
    datastore,
    info,
    login,
    logs,
    scoring,
    session,
    train,
)
from monailabel.endpoints.user.auth import RBAC, User
from monailabel.interfaces.utils.app import app_instance
from starlette.routing import Mount, Route

from ccsd.common.errors import InputError, NotFoundError
from ccsd.server.api import ohif, routes, saving, training
from ccsd.server.api.auth import mend_tokens
from ccsd.server.api.limits import BodyLimit
from ccsd.server.api.openapi import BUSY, ERRORS, describe
from ccsd.server.api.origins import close_to_other_sites
from ccsd.server.api.values import for_a_task
from ccsd.server.infers.request import named_images
from ccsd.server.page import page

# MONAI Label's routers that are kept: not that of whole-slide images, and not /model, which would put any file in the
# place of the weights. Its infer, ohif, proxy and some of its session routes are replaced by ours.
KEPT = [info, batch_infer, train, activelearning, scoring, datastore, logs, session]
OF_PATHS = ("model", "strategy", "method")
LARGEST = 2**31  # of a number in a query; no list, log or pause is that long
NOT_SERVED = {"/reload"}  # anybody could make a second app in the same process with it
if shutil.which("nvidia-smi") is None:
    NOT_SERVED.add("/logs/gpu")


ANYBODY = Depends(RBAC("*"))  # of those who have a role; first, so that nobody else learns what there is


def install_routes(*, limit: int, origins: Collection[str]) -> None:
    """Replace the routes of MONAI Label's FastAPI app, which is about to start.

    Args:
        limit: bytes that a request may send.
        origins: other sites whose pages may use this server.
    """
    from monailabel.app import app  # not at import: reading it builds the whole web app

    mend_tokens()
    own = [route for route in app.router.routes if isinstance(route, APIRoute | Route | Mount)]
    kept = [route for route in own if getattr(route, "path", None) not in NOT_SERVED]
    app.router.routes.clear()
    app.include_router(routes.router)
    app.include_router(saving.router)
    app.include_router(training.router)
    app.include_router(ohif.router)
    app.include_router(page.router)
    app.include_router(page.data)
    ours = [*routes.router.routes, *saving.router.routes, *training.router.routes]
    taken = {(r.path, m) for r in ours if isinstance(r, APIRoute) for m in r.methods or ()}
    for module in KEPT:
        kept_routes = _in_threads(module.router, taken, [Depends(_is_known)])
        app.include_router(kept_routes, prefix=settings.MONAI_LABEL_API_STR)
    if settings.MONAI_LABEL_AUTH_ENABLE:
        app.include_router(_in_threads(login.router, taken, []), prefix=settings.MONAI_LABEL_API_STR)
    app.router.routes.extend(kept)
    app.add_middleware(BodyLimit, limit=limit)
    close_to_other_sites(app, origins)
    describe(app)


def _in_threads(original: APIRouter, taken: set[tuple[str, str]], first: Sequence[Any]) -> APIRouter:
    """The same routes, each handler run in a thread, after the dependencies `first`; without those (path, method) that
    are `taken` and without the deprecated ones: current clients ask for none of them."""
    router = APIRouter()
    for route in original.routes:
        if not isinstance(route, APIRoute) or route.path in NOT_SERVED or route.deprecated:
            continue
        methods = {m for m in route.methods or () if (settings.MONAI_LABEL_API_STR + route.path, m) not in taken}
        if methods:
            router.add_api_route(
                route.path,
                _threaded(route.endpoint),
                methods=sorted(methods),
                response_model=route.response_model,
                tags=route.tags,
                summary=route.summary,
                responses={**route.responses, **ERRORS, **(BUSY if "POST" in methods else {})},
                dependencies=first,
                include_in_schema=route.include_in_schema,
            )
    return router


def _is_known(request: Request, _: User = ANYBODY) -> None:
    """Raises NotFoundError for a model, strategy or scoring method that the app does not have; MONAI Label would start
    a process that fails."""
    tables = {"model": "trainers" if "/train/" in request.url.path else "models", "strategy": "strategies"}
    for field, table in {**tables, "method": "scoring"}.items():
        asked = request.path_params.get(field)
        if asked is not None:
            known = app_instance().info()[table]
            if asked not in known:
                raise NotFoundError(
                    f"{field} is {asked!r}, expected one of this server's: {', '.join(known) or 'none'}"
                )


def _threaded(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """A coroutine function as an ordinary one, which FastAPI runs in its thread pool."""

    def call(**values: Any) -> Any:
        for name, value in values.items():
            if isinstance(value, int) and abs(value) >= LARGEST:
                raise InputError(f"{name} is {value}, expected a number below {LARGEST}")
        if isinstance(values.get("params"), dict):
            path = {name: values[name] for name in OF_PATHS if name in values}
            values["params"] = for_a_task(values["params"], path)
            named_images(values["params"], next(iter(app_instance().models.values())).task)
        return asyncio.run(endpoint(**values))

    call.__name__, call.__doc__ = endpoint.__name__, endpoint.__doc__
    call.__signature__ = inspect.signature(endpoint)  # type: ignore[attr-defined]  # what FastAPI reads
    return call
