"""MONAI Label's authentication, which with PyJWT 2 refuses every token: it names no algorithms to its `jwt.decode`."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import jwt

SIGNED = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]  # by the realm's RSA key; never "none", never HS*


def mend_tokens() -> None:
    """Tokens are read with the algorithms that a realm's RSA key can sign with."""
    from monailabel.endpoints.user import auth  # not at import: its settings are read then

    auth.jwt = SimpleNamespace(decode=partial(jwt.decode, algorithms=SIGNED))
