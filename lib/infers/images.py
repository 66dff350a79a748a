"""Which images a client may ask for: those of the datastore, of its session and of its upload; no other file."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib.datastores.local import StudyDatastore
from lib.errors import InputError, NotFoundError


def resolve_image(
    image: Any, datastore: StudyDatastore, sessions: Any, *, named: Mapping[str, str] | None = None
) -> str:
    """An image id, or the server's own path of an upload or a session -> the path of the file or folder.

    Args:
        named: modality -> image, where the request says so itself.

    Raises:
        InputError: no image, or something that is not text.
        NotFoundError: an unknown id, or a path outside the sessions and uploads.
    """
    if not isinstance(image, str) or not image:
        raise InputError("image is missing, expected the id of an image of the datastore")
    uri: str = datastore.study_image(image, named=named)
    if uri:
        return uri
    path = Path(image)
    allowed = [Path(tempfile.gettempdir()).resolve()]
    if sessions is not None:
        allowed.append(Path(sessions.store_path).resolve())
    if path.is_absolute() and path.exists() and any(path.resolve().is_relative_to(a) for a in allowed):
        return str(path.resolve())
    raise NotFoundError(f"image {image} does not exist in the datastore")
