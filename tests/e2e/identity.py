"""An identity provider as MONAI Label uses Keycloak: a realm's public key, and tokens for users with roles."""

from __future__ import annotations

import json
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ROLES = {
    "reader": ["monailabel-user"],
    "drawer": ["monailabel-user", "monailabel-annotator"],
    "chief": ["monailabel-user", "monailabel-annotator", "monailabel-reviewer", "monailabel-admin"],
}
PASSWORD = "not a secret"


@contextmanager
def realm() -> Iterator[str]:
    """The realm's address. Users are those of ROLES, with one password."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # http.server's name
            if self.path.endswith("openid-configuration"):
                self._answer(200, {"token_endpoint": f"{address}/token"})
            else:
                self._answer(200, {"public_key": b64encode(public).decode()})

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            user = form["username"][0]
            if user not in ROLES or form["password"] != [PASSWORD]:
                self._answer(401, {"error": "invalid_grant"})
                return
            claims = {"preferred_username": user, "email": "", "name": user, "exp": time.time() + 600}
            token = jwt.encode({**claims, "realm_access": {"roles": ROLES[user]}}, key, algorithm="RS256")
            self._answer(200, {"access_token": token, "token_type": "bearer"})

        def _answer(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    address = f"http://127.0.0.1:{server.server_port}/realms/ward"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield address
    finally:
        server.shutdown()
