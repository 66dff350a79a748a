"""How much one request may send: more is refused before it is stored."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ccsd.common.errors import InputError

USUAL = 4.0  # GiB; a study of four modalities in DICOM is a fifth of one


class BodyLimit:
    """ASGI middleware: 413 for a body of more than `limit` bytes, at once if its length is declared, else as soon as
    that many have come."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > self.limit:
            await JSONResponse({"detail": self._sentence(int(declared))}, status_code=413)(scope, receive, send)
            return
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > self.limit:
                raise HTTPException(413, self._sentence(came))  # FastAPI makes any other error while reading a 400
            return message

        await self.app(scope, counted, send)

    def _sentence(self, size: int) -> str:
        return f"the request is {size / 2**30:.3g} GiB or more, expected at most {self.limit / 2**30:.3g} GiB"


def read_limit(gibibytes: str) -> int:
    """`--conf upload_gib`, as bytes. Raises InputError: no number above 0."""
    try:
        limit = float(gibibytes)
    except ValueError:
        limit = 0.0
    if not 0 < limit < 2**20:
        raise InputError(f"--conf upload_gib is {gibibytes!r}, expected a number of GiB above 0")
    return round(limit * 2**30)
