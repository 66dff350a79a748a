"""The names that this server answers to.

The name of another site can be made to lead to this machine (DNS rebinding): a browser then takes that site's page for
one of this server. The request says by which name it came, as its `Host`.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ccsd.common.errors import InputError

ANY = "*"


class OwnHostsOnly:
    """ASGI middleware: 400 for a request by another name than `allowed`, those of this machine, or an address. As
    Starlette's TrustedHostMiddleware, which knows no addresses in general and answers without a reason.

    An address cannot be rebound: what it leads to is what it says.
    """

    def __init__(self, app: ASGIApp, allowed: Collection[str]) -> None:
        self.app = app
        self.allowed = {*allowed, *_names_of_this_machine()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or ANY in self.allowed:
            await self.app(scope, receive, send)
            return
        host = _name(Headers(scope=scope).get("host", ""))
        if host in self.allowed or _is_address(host):
            await self.app(scope, receive, send)
            return
        sentence = f"the host is {host[:100]!r}, expected a name of this server (--conf hosts NAME,NAME adds some)"
        await JSONResponse({"detail": sentence}, status_code=400)(scope, receive, send)


def read_hosts(text: str) -> frozenset[str]:
    """`--conf hosts`: names separated by commas, `*` for any. Raises InputError: one that is no name."""
    hosts = frozenset(host.strip().lower() for host in text.split(",") if host.strip())
    for host in hosts:
        if host != ANY and not re.fullmatch(r"[a-z0-9_.-]+", host):
            raise InputError(f"--conf hosts has {host!r}, expected names such as viewer.example, without port, or *")
    return hosts


def _names_of_this_machine() -> set[str]:
    return {"localhost", socket.gethostname().lower(), socket.getfqdn().lower()}


def _name(host: str) -> str:
    """Without the port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return host


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
