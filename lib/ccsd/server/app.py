"""The web server `app`: our own FastAPI application over MONAI Label's app instance.

`monailabel start_server --uvicorn_app ccsd.server.app:app` starts it, after it has read its options into `settings`;
`ccsd serve` gives that option. All routes are ours, at the paths and with the answers of MONAI Label's: its own
handlers are coroutines that read files and ask DICOMweb servers, and hold up everybody else meanwhile. Not served are
whole-slide images, `/reload`, which makes a second app in the same process, and `/model`, which puts any file in the
place of the weights.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from monailabel.config import settings
from monailabel.endpoints.user.auth import get_current_user
from monailabel.interfaces.utils.app import app_instance
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from ccsd import VERSION
from ccsd.common.errors import InputError
from ccsd.server.api import auth, datastore, home, infer, ohif, sessions, tasks, training
from ccsd.server.api.errors import HANDLERS
from ccsd.server.api.hosts import OwnHostsOnly, read_hosts
from ccsd.server.api.limits import USUAL, BodyLimit, read_limit
from ccsd.server.api.openapi import ERRORS, TITLE, DescribedApp
from ccsd.server.api.origins import OwnPagesOnly, read_origins
from ccsd.server.page import page, viewer
from ccsd.server.starting import end_start

ROUTERS = (
    infer.router,
    sessions.router,
    datastore.router,
    training.router,
    tasks.router,
    ohif.router,
    page.router,
    page.data,
    viewer.data,
    home.router,
)


def build(conf: Mapping[str, str]) -> FastAPI:
    """The application. `conf` is `--conf`, of which it reads `hosts`, `origins` and `upload_gib`.

    Raises:
        InputError: one of them is wrong.
    """
    app = DescribedApp(
        title=TITLE,
        version=VERSION,
        docs_url=None,
        redoc_url="/docs",
        lifespan=_serving,
        responses=ERRORS,
        exception_handlers=HANDLERS,
        middleware=_middleware(conf),
    )
    routers = (*ROUTERS, auth.router) if settings.MONAI_LABEL_AUTH_ENABLE else ROUTERS
    for router in routers:
        app.include_router(router, prefix=settings.MONAI_LABEL_API_STR)
    if settings.MONAI_LABEL_AUTH_ENABLE:
        app.dependency_overrides[get_current_user] = auth.signed_user
    app.mount("/static", StaticFiles(directory=home.STATIC), name="static")
    return app


def _middleware(conf: Mapping[str, str]) -> list[Middleware]:
    """The outermost first. MONAI Label's own CORS lets the pages of all sites read."""
    limit, origins = read_limit(conf.get("upload_gib", str(USUAL))), read_origins(conf.get("origins", ""))
    cors = Middleware(
        CORSMiddleware, allow_origins=sorted(origins), allow_credentials=True, allow_methods=["*"], allow_headers=["*"]
    )
    hosts = Middleware(OwnHostsOnly, allowed=read_hosts(conf.get("hosts", "")))
    own_pages, bodies = Middleware(OwnPagesOnly, allowed=origins), Middleware(BodyLimit, limit=limit)
    return [hosts, *([cors] if origins else []), own_pages, bodies]


@asynccontextmanager
async def _serving(_: FastAPI) -> AsyncIterator[None]:
    try:
        instance = app_instance()
        instance.server_mode(True)
        instance.on_init_complete()
    except InputError as error:
        end_start(str(error))
    threading.Thread(target=instance.warm, name="warm", daemon=True).start()
    yield


try:
    app = build(settings.MONAI_LABEL_APP_CONF)
except InputError as error:
    end_start(str(error))
