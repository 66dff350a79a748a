"""JSON that clients send beside files: objects that can be kept, sent back and handed to another process."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from ccsd.common.errors import InputError, NotFoundError


def read_object(name: str, text: str) -> dict[str, Any]:
    """The JSON object in a field of a form; nothing is an empty one.

    Raises:
        json.JSONDecodeError: no JSON.
        InputError: another value than an object, or as `plain`.
    """
    try:
        values = json.loads(text or "{}")
    except RecursionError:
        raise InputError(f"{name} is nested too deeply, expected a plain JSON object") from None
    if not isinstance(values, dict):
        raise InputError(f"{name} is {text!r}, expected a JSON object")
    return plain(name, values)


def plain(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The same values. Python reads more than JSON has; what it could not write again is refused.

    Raises:
        InputError: NaN, an infinite number, or half of a surrogate pair.
    """
    try:
        json.dumps(values, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise InputError(f"{name} holds a number or character that JSON does not have, expected plain JSON") from None
    return dict(values)


def without(values: Mapping[str, Any], own: Collection[str]) -> dict[str, Any]:
    """The values but for those that the server itself writes."""
    return {k: v for k, v in values.items() if k not in own}


def refuse(name: str, values: Mapping[str, Any], own: Collection[str]) -> None:
    """Raises InputError: one of the values is the server's own."""
    taken = sorted(set(values) & set(own))
    if taken:
        raise InputError(f"{name} has {', '.join(taken)}, which the server writes itself, expected other names")


def for_a_task(body: Mapping[str, Any] | None, path: Mapping[str, Any]) -> dict[str, Any]:
    """What a task is given, from a request's body and the parameters of its path.

    With MONAI Label the body would decide on the model as well, and on a folder of Python modules (`bundle_path`).

    Raises:
        InputError: as `plain`, or text is expected and it is something else.
    """
    values = plain("the body", body or {})
    for name in ("label_tag", "client_id"):
        if not isinstance(values.get(name, ""), str):
            raise InputError(f"{name} is {values[name]!r}, expected text")
    return {**without(values, {"bundle_path", "labels", "model", "strategy", "method"}), **path}


def check_known(field: str, asked: str, known: Collection[str]) -> None:
    """Raises NotFoundError: the app has no such model, strategy or scoring method."""
    if asked not in known:
        raise NotFoundError(f"{field} is {asked!r}, expected one of this server's: {', '.join(known) or 'none'}")
