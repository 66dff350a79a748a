"""The one border where errors become HTTP: a sentence as `detail`, a status, never a stack trace."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import requests
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from monailabel.config import settings
from monailabel.interfaces.exception import (
    ImageNotFoundException,
    LabelNotFoundException,
    MONAILabelError,
    MONAILabelException,
)
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ccsd.common.errors import BusyError, InputError, is_full
from ccsd.common.stopping import StoppedError

logger = logging.getLogger(__name__)

LONGEST = 500  # characters of a sentence
NO_ROOM = "the server's disk is full: nothing of this request was kept, what was stored before is unchanged"


def _answer(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    sentence = one_line(sentence)
    logger.info("answered %d: %s", status, sentence)
    return JSONResponse({"detail": sentence}, status_code=status, headers=headers)


def one_line(sentence: str) -> str:
    """A sentence may repeat what was sent: its line breaks, other control characters and halves of surrogate pairs
    become spaces, and the middle of a long one is left out."""
    line = "".join(c if c.isprintable() else " " for c in sentence)
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 103]} … {line[-100:]}"


async def _input_error(_: Request, error: Exception) -> JSONResponse:
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, BusyError) else None
    return _answer(error.status if isinstance(error, InputError) else 400, str(error), headers)


async def _wrong_fields(_: Request, error: Exception) -> JSONResponse:
    """FastAPI's list of what is wrong with a request, as one sentence."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    sentences = [f"{'.'.join(str(part) for part in e['loc'])}: {e['msg'][:1].lower()}{e['msg'][1:]}" for e in found]
    return _answer(422, "; ".join(sentences))


async def _stopped(_: Request, error: Exception) -> JSONResponse:
    """Nobody reads it: the client closed the connection (499 is nginx's number for that)."""
    return _answer(499, "the client left before the mask was made")


async def _monailabel_error(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, MONAILabelException):
        raise error
    if isinstance(error, ImageNotFoundException | LabelNotFoundException):
        return _answer(404, error.msg)
    return _answer(400 if error.error == MONAILabelError.INVALID_INPUT else 500, error.msg)


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if is_full(error):  # while the body was received: FastAPI makes it a 400 without a reason
        return _answer(507, NO_ROOM)
    if error.status_code >= 400 and isinstance(error.detail, str):
        return _answer(error.status_code, error.detail, error.headers)
    return await http_exception_handler(request, error)


async def _no_room(_: Request, error: Exception) -> JSONResponse:
    if not is_full(error):
        raise error
    return _answer(507, NO_ROOM)


async def _realm_away(_: Request, error: Exception) -> JSONResponse:
    """MONAI Label asks the identity provider with `requests`, for its key and for tokens."""
    answer = error.response if isinstance(error, requests.RequestException) else None
    if answer is not None and answer.status_code in (400, 401):
        return _answer(401, "user or password is wrong")
    realm = settings.MONAI_LABEL_AUTH_REALM_URI
    return _answer(502, f"the identity provider {realm} does not answer ({type(error).__name__})")


async def _json_error(_: Request, error: Exception) -> JSONResponse:
    return _answer(400, f"a parameter of the request is not valid JSON ({error})")


HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Any]] = {
    InputError: _input_error,
    StoppedError: _stopped,
    RequestValidationError: _wrong_fields,
    MONAILabelException: _monailabel_error,
    json.JSONDecodeError: _json_error,
    requests.RequestException: _realm_away,
    HTTPException: _http_error,
    OSError: _no_room,
}
