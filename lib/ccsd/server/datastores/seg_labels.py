"""Labels that lie as SEG objects in a DICOMweb server, whoever stored them: each is read once."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ccsd.common.errors import InputError, ServerAwayError
from ccsd.common.files import replacing
from ccsd.imaging.grid import Grid
from ccsd.imaging.seg_read import is_automatic, known_regions, read_seg, referenced_series
from ccsd.method.task import Task

logger = logging.getLogger(__name__)

Keep = Callable[[str, NDArray[np.uint8], Grid, Mapping[str, object]], None]


class SegLabels:
    """Which SEG series are known, and what became of each: `<SeriesInstanceUID>: sentence`, in a file.

    Args:
        file: of what is known.
        retrieve: (study, series) -> instances.
        grid_of: image id -> grid; raises InputError where it is no image of ours.
        newest: image id -> time in s since 1970 of the label that is kept, 0 if there is none.
        keep: (image id, label map, grid, info) -> kept.
    """

    def __init__(
        self,
        file: Path,
        task: Task,
        *,
        retrieve: Callable[[str, str], Iterable[Dataset]],
        grid_of: Callable[[str], Grid],
        newest: Callable[[str], float],
        keep: Keep,
    ) -> None:
        self._file = file
        self._task = task
        self._retrieve, self._grid_of, self._newest, self._keep = retrieve, grid_of, newest, keep
        self._lock = threading.Lock()

    def mark(self, series: str, what: str) -> None:
        """A SEG series that need not be read, such as one that we stored."""
        with self._lock:
            self._write({**self._known(), series: what})

    def take(self, found: Mapping[str, str]) -> None:
        """Read the SEG series (series -> study) that are new. One that cannot be a label is noted with the reason; one
        that the server does not give now is tried again next time."""
        with self._lock:
            known = self._known()
            for series, study in found.items():
                if series in known:
                    continue
                try:
                    known[series] = self._read(study, series)
                except ServerAwayError as error:
                    logger.warning("segmentation %s is left for later: %s", series, error)
                    continue
                except InputError as error:
                    known[series] = str(error)
                logger.info("segmentation %s: %s", series, known[series])
                self._write(known)

    def _read(self, study: str, series: str) -> str:
        for seg in self._retrieve(study, series):
            image = referenced_series(seg)
            grid = self._grid_of(image)
            if is_automatic(seg):
                return "is automatic, nobody has looked at it"
            saved = _content_time(seg)
            if saved <= self._newest(image):
                return f"is not newer than the label of {image}"
            label = read_seg(seg, grid, self._task)
            known = known_regions(seg, self._task)
            regions = {"regions": known} if len(known) < len(self._task.regions) else {}
            self._keep(image, label, grid, {"dicom_seg": str(seg.SOPInstanceUID), "ts": saved, **regions})
            return f"is the label of {image}"
        return "has no instances"

    def _known(self) -> dict[str, str]:
        try:
            known: dict[str, str] = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return {}
        return known

    def _write(self, known: Mapping[str, str]) -> None:
        with replacing(self._file) as temporary:
            temporary.write_text(json.dumps(known, indent=1))


def _content_time(seg: Dataset) -> int:
    """ContentDate and ContentTime (PS3.3 C.7.6.16) as s since 1970, taken as local time; now, if they are missing."""
    try:
        written = datetime.strptime(f"{seg.ContentDate}{str(seg.ContentTime)[:6]}", "%Y%m%d%H%M%S")
    except (AttributeError, ValueError):
        return int(time.time())
    return int(written.timestamp())
