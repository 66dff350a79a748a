"""Web pages of other sites: a browser on this machine may have them open beside the server's own."""

from __future__ import annotations

import re
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ccsd.common.errors import InputError

READING = {"GET", "HEAD", "OPTIONS"}


class OwnPagesOnly:
    """ASGI middleware: 403 for a browser's request that changes something and comes from another site's page, unless
    the site is one of `allowed`. Browsers say so themselves (Fetch Metadata); other clients do not and pass."""

    def __init__(self, app: ASGIApp, allowed: Collection[str]) -> None:
        self.app = app
        self.allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in READING:
            headers = Headers(scope=scope)
            origin = headers.get("origin", "")
            if headers.get("sec-fetch-site") in ("cross-site", "same-site") and origin not in self.allowed:
                sentence = f"the request comes from a page of {origin or 'another site'}, expected one of this server's"
                await JSONResponse({"detail": sentence}, status_code=403)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def read_origins(text: str) -> frozenset[str]:
    """`--conf origins`: addresses of other sites, separated by commas. Raises InputError: one that is no origin."""
    origins = frozenset(origin.strip() for origin in text.split(",") if origin.strip())
    for origin in origins:
        if not re.fullmatch(r"https?://[^/\s]+", origin):
            raise InputError(f"--conf origins has {origin!r}, expected addresses such as https://viewer.example:3000")
    return origins
