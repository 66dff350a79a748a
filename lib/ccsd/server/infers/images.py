"""Which images a client may ask for: those of the datastore, of its session and of its upload; no other file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ccsd.common.errors import InputError, NotFoundError
from ccsd.server.datastores.store import StudyDatastore
from ccsd.server.datastores.uploads import is_received


def resolve_image(
    image: Any,
    datastore: StudyDatastore,
    sessions: Any,
    *,
    named: Mapping[str, str] | None = None,
    modality: str | None = None,
) -> str:
    """An image id, or the server's own path of an upload or a session -> the path of the file or folder.

    Args:
        named: modality -> image, where the request says so itself.
        modality: what the image is if it cannot be recognised.

    Raises:
        InputError: no image, or something that is not text.
        NotFoundError: an unknown id, or a path outside the sessions and uploads.
    """
    if not isinstance(image, str) or not image:
        raise InputError("image is missing, expected the id of an image of the datastore")
    if "\0" in image:  # no path has one, and Python refuses to look
        raise NotFoundError(f"image {image!r} does not exist in the datastore")
    uri: str = datastore.study_image(image, named=named, modality=modality)
    if uri:
        return uri
    path = Path(image)
    there = path.is_absolute() and os.path.exists(image)  # Path.exists raises for a name that is too long
    in_session = sessions is not None and path.resolve().is_relative_to(Path(sessions.store_path).resolve())
    if there and (in_session or is_received(path)):
        return str(path.resolve())
    raise NotFoundError(f"image {image} does not exist in the datastore")
