"""Who may ask for what. MONAI Label's own check of a token fails with PyJWT 2, because it names no algorithms: ours
takes its place as a FastAPI dependency, and MONAI Label's roles (`RBAC`) stand on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt
import requests
from fastapi import APIRouter, Depends, HTTPException
from fastapi.security import OAuth2PasswordRequestForm
from monailabel.config import settings
from monailabel.endpoints.user.auth import RBAC, Token, User, get_current_user, get_public_key, oauth2_scheme, token_uri

SIGNED = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]  # by the realm's RSA key; never "none", never HS*
TIMEOUT = 30  # s, of the identity provider

ADMIN = Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_ADMIN))
ANNOTATOR = Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_ANNOTATOR))
USER = Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_USER))
TOKEN, FORM, SIGNED_IN = Depends(oauth2_scheme), Depends(), Depends(get_current_user)

router = APIRouter(prefix="/auth", tags=["Auth"])


def signed_user(token: str = TOKEN) -> User:
    """In the place of MONAI Label's `get_current_user`. Raises HTTPException 401: the realm did not sign the token."""
    key = get_public_key(settings.MONAI_LABEL_AUTH_REALM_URI)
    try:
        claims = jwt.decode(token, key, algorithms=SIGNED, options={"verify_aud": False})
    except jwt.InvalidTokenError as error:
        headers = {"WWW-Authenticate": "Bearer"}
        raise HTTPException(401, f"the token is not valid: {error}", headers=headers) from error
    return User(
        username=str(claims.get(settings.MONAI_LABEL_AUTH_TOKEN_USERNAME, "")),
        email=claims.get(settings.MONAI_LABEL_AUTH_TOKEN_EMAIL),
        name=claims.get(settings.MONAI_LABEL_AUTH_TOKEN_NAME),
        roles=_roles(claims),
    )


def _roles(claims: Mapping[str, Any]) -> list[str]:
    """MONAI_LABEL_AUTH_TOKEN_ROLES is a path such as `realm_access#roles`."""
    found: Any = claims
    for key in settings.MONAI_LABEL_AUTH_TOKEN_ROLES.split("#"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return [str(role) for role in found] if isinstance(found, list) else []


@router.get("/")
def show_realm() -> dict[str, Any]:
    """Whether authentication is on, and where users are known."""
    return {
        "enabled": settings.MONAI_LABEL_AUTH_ENABLE,
        "client_id": settings.MONAI_LABEL_AUTH_CLIENT_ID,
        "realm": settings.MONAI_LABEL_AUTH_REALM_URI,
    }


@router.post("/token", response_model=Token)
def sign_in(form: OAuth2PasswordRequestForm = FORM) -> Any:
    """A token of the realm for a user and password."""
    sent = {"username": form.username, "password": form.password, "grant_type": "password"}
    answer = requests.post(
        token_uri(), data={"client_id": settings.MONAI_LABEL_AUTH_CLIENT_ID, **sent}, timeout=TIMEOUT
    )
    answer.raise_for_status()
    return answer.json()


@router.get("/token/valid")
def who_am_i(user: User = SIGNED_IN) -> dict[str, Any]:
    """The user of a token."""
    return user.model_dump()
