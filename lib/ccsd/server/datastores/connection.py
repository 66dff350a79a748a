"""HTTP connections to a DICOMweb server that never wait for ever."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

import requests
from dicomweb_client.session_utils import create_session_from_user_pass
from requests.adapters import HTTPAdapter

CONNECT, READ, WHOLE = 5.0, 120.0, 1200.0  # seconds to connect, between two bytes of an answer, and for all of it


def limited_session(user: str, password: str, *, read: float) -> requests.Session:
    """Connections that give up after `read` seconds of silence, and after ten times that whatever comes."""
    session = create_session_from_user_pass(user, password) if user and password else requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, DeadlineAdapter(read=read, whole=read * WHOLE / READ))
    return session


class DeadlineAdapter(HTTPAdapter):
    """Answers are read at once, for `whole` seconds at most."""

    def __init__(self, *, read: float, whole: float) -> None:
        super().__init__()
        self._limits = (CONNECT, read)
        self._whole = whole

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        deadline = time.monotonic() + self._whole
        answer = super().send(request, *args, **{**kwargs, "timeout": kwargs.get("timeout") or self._limits})
        watch = threading.Timer(deadline - time.monotonic(), _hang_up, [answer])
        watch.daemon = True
        watch.start()
        try:
            answer.content  # noqa: B018  # it keeps what it has read
        finally:
            watch.cancel()
            if time.monotonic() >= deadline:
                raise requests.ReadTimeout(f"the answer was not complete after {self._whole:g} s")
        return answer


def _hang_up(answer: requests.Response) -> None:
    with suppress(ValueError, RuntimeError, OSError):  # it has ended meanwhile
        answer.raw.shutdown()
