"""What the server is: its app, its log, the pages of its API."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse, Response
from monailabel import endpoints
from monailabel.config import settings
from monailabel.endpoints import logs
from monailabel.interfaces.utils.app import app_instance

from ccsd.server.api.auth import ADMIN, USER

STATIC = Path(endpoints.__file__).parent / "static"  # MONAI Label's icon and OHIF viewer
MAX_COUNT = 2**31 - 1  # of lines or seconds; no log is that long
Count = Annotated[int, Query(le=MAX_COUNT)]

router = APIRouter()


@router.get("/info/", tags=["App"], dependencies=[USER])
def show_app() -> Any:
    """What the app can do: models, trainers, strategies, scoring methods, and how many studies there are."""
    return app_instance().info()


@router.get("/logs/", tags=["Others"], dependencies=[ADMIN])
def show_log(lines: Count = 300, html: bool = True, text: bool = False, refresh: Count = 0) -> Response:
    """The last lines of the log (0: all of it)."""
    log = Path(settings.MONAI_LABEL_APP_DIR, "logs", "app.log")
    answer: Response = logs.get_logs(str(log), lines, html, text, refresh)
    return answer


if shutil.which("nvidia-smi"):

    @router.get("/logs/gpu", tags=["Others"], dependencies=[ADMIN])
    async def show_gpu() -> Response:
        """What nvidia-smi says."""
        answer: Response = await logs.gpu_info()
        return answer


@router.get("/", include_in_schema=False)
def show_api(request: Request) -> HTMLResponse:
    page = get_swagger_ui_html(openapi_url="openapi.json", title=f"{request.app.title} - APIs")
    html = bytes(page.body).decode()
    return HTMLResponse(html.replace("showExtensions: true,", "showExtensions: true, defaultModelsExpandDepth: -1,"))


@router.get("/favicon.ico", include_in_schema=False)
def icon() -> FileResponse:
    return FileResponse(STATIC / "favicon.ico", media_type="image/x-icon")
