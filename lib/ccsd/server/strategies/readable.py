"""Which studies can be offered at all: those whose images can be read."""

from __future__ import annotations

import logging

from ccsd.common.errors import InputError
from ccsd.server.datastores.store import StudyDatastore

logger = logging.getLogger(__name__)


def why_not(image: str, datastore: StudyDatastore) -> str | None:
    """Why the study of an image is not to be offered, also in the log; None: each image that it is segmented from can
    be read."""
    try:
        study = datastore.study(image)
        for source in study.sources.values():
            datastore.read(source)
    except InputError as error:
        logger.warning("the study of %s is not offered: %s", image, error)
        return str(error)
    return None if study.sources else f"no image of the study of {image} can be segmented"
