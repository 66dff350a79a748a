"""The OHIF viewer that MONAI Label brings, at /ohif/, and its way to the DICOMweb server, /proxy/dicom.

In the place of MONAI Label's routes of the same address, which always suggest port 8000 to the viewer, know no files in
sub-folders, and forward neither the query of a search nor what the viewer accepts. The viewer's files are unchanged;
its page loads a script of ours first (`static/ohif.js` says what it mends).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response, StreamingResponse
from monailabel.config import settings

from ccsd.common.errors import NotFoundError, ServerAwayError
from ccsd.server.api.auth import USER
from ccsd.server.api.home import STATIC

VIEWER = STATIC / "ohif"
SCRIPT = f'<script src="{settings.MONAI_LABEL_API_STR}/ccsd/static/ohif.js"></script>'
# The viewer asks another host for fonts, which a network without internet may answer after minutes: it is not to try.
ONLY_HERE = "default-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:"
COOKIE = "MONAILABEL_SERVER_URL"  # where the viewer's panel looks for a MONAI Label server
FORWARDED = ("accept", "accept-encoding", "content-type", "if-none-match", "range")
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "server", "date", "set-cookie"}
TIMEOUT = httpx.Timeout(120.0, connect=5.0)  # s

router = APIRouter(dependencies=[USER], include_in_schema=False)
_clients: list[httpx.AsyncClient] = []  # one, made on the event loop that it lives on


@router.get("/ohif")
def without_slash() -> RedirectResponse:
    return RedirectResponse("/ohif/")


@router.get("/ohif/{path:path}")
def viewer(request: Request, path: str) -> Response:
    """A file of the viewer, else its page, which is told the address that it was loaded from."""
    file = (VIEWER / path).resolve()
    index = VIEWER / "index.html"
    if file != index.resolve() and file.is_file() and file.is_relative_to(VIEWER.resolve()):
        return FileResponse(file)
    html = index.read_text(encoding="utf-8").replace("<head>", f"<head>{SCRIPT}", 1)  # before the viewer's own scripts
    page = HTMLResponse(html, headers={"Cache-Control": "no-cache", "Content-Security-Policy": ONLY_HERE})
    here = f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}/"
    page.headers.append("set-cookie", f"{COOKIE}={quote(here, safe='')}; Path=/ohif; SameSite=Lax")
    return page


@router.get("/proxy/dicom/{path:path}")
@router.post("/proxy/dicom/{path:path}")
async def proxy(request: Request, path: str) -> StreamingResponse:
    """The same request to the DICOMweb server of `--studies`, and its answer as it comes.

    Raises:
        NotFoundError: the studies are in a folder, or the path leads out of the DICOMweb server's.
        ServerAwayError: it does not answer.
    """
    server = str(settings.MONAI_LABEL_STUDIES).rstrip("/")
    if not server.startswith(("http://", "https://")):
        raise NotFoundError("there is no DICOMweb server behind this one, its studies are in a folder")
    if ".." in path.replace("\\", "/").split("/"):
        raise NotFoundError(f"/proxy/dicom/{path} does not exist")
    headers = {name: request.headers[name] for name in FORWARDED if name in request.headers}
    query = f"?{request.url.query}" if request.url.query else ""  # as it came: Orthanc takes no %2A for a wildcard
    sent = _client().build_request(
        request.method,
        f"{server}/{quote(_prefixed(path))}{query}",  # it came decoded: what is in it stays one path
        headers=headers,
        content=await request.body() if request.method == "POST" else None,
    )
    try:
        answer = await _client().send(sent, stream=True)
    except httpx.HTTPError as error:
        raise ServerAwayError(f"the DICOMweb server {server} does not answer ({type(error).__name__})") from error
    kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
    return StreamingResponse(_content(answer), status_code=answer.status_code, headers=kept)


async def _content(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for piece in answer.aiter_raw():
            yield piece
    finally:
        await answer.aclose()


def _prefixed(path: str) -> str:
    """`wado/...`, `qido/...`, `stow/...` -> MONAI Label's prefix for it, which is mostly empty. The viewer asks for
    metadata as for a search, servers know it by the WADO prefix."""
    kind, _, rest = path.partition("/")
    prefixes = {
        "wado": settings.MONAI_LABEL_WADO_PREFIX,
        "qido": settings.MONAI_LABEL_QIDO_PREFIX,
        "stow": settings.MONAI_LABEL_STOW_PREFIX,
    }
    if kind not in prefixes:
        return path
    prefix = prefixes["wado" if kind == "qido" and rest.endswith("metadata") else kind]
    return f"{prefix}/{rest}" if prefix else rest


def _client() -> httpx.AsyncClient:
    if not _clients:
        user, password = settings.MONAI_LABEL_DICOMWEB_USERNAME, settings.MONAI_LABEL_DICOMWEB_PASSWORD
        auth: Any = (user, password) if user and password else None
        _clients.append(httpx.AsyncClient(auth=auth, timeout=TIMEOUT, follow_redirects=False))
    return _clients[0]
