"""Labels as DICOM SEG objects in a DICOMweb server, with a copy as files."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ccsd import VERSION
from ccsd.common.errors import InputError, ServerAwayError
from ccsd.common.files import write_json
from ccsd.imaging.grid import Grid
from ccsd.imaging.seg_read import is_automatic, known_regions, read_seg, referenced_series
from ccsd.imaging.seg_write import Author, make_seg
from ccsd.method.task import Task
from ccsd.server.datastores.annotation import provenance_of
from ccsd.server.datastores.dicomweb import DICOMwebStudies
from ccsd.server.datastores.index import FINAL, Entries, Index
from ccsd.server.datastores.label_files import LabelFiles

logger = logging.getLogger(__name__)


class SegLabels:
    """Final labels are also stored in the DICOMweb server, and read from there, whoever stored them: each once.

    `segmentations.json` holds which SEG series are known, and what became of each: `<SeriesInstanceUID>: sentence`.
    """

    def __init__(self, index: Index, files: LabelFiles, studies: DICOMwebStudies, task: Task) -> None:
        self._index, self._files, self._studies, self._task = index, files, studies, task
        self._file = index.folder / "segmentations.json"
        self._lock = threading.Lock()

    def file(self, image_id: str, tag: str) -> str:
        return self._files.file(image_id, tag)

    def compare(self, entries: Entries) -> int:
        return self._files.compare(entries)

    def remove(self, image_id: str, tag: str) -> None:
        """Here alone: what is in the DICOMweb server stays there, and is not read again."""
        self._files.remove(image_id, tag)

    def keep(
        self, image_id: str, tag: str, values: NDArray[np.uint8], grid: Grid, info: Mapping[str, Any], like: Path | None
    ) -> None:
        """If a final label cannot be stored in the DICOMweb server it stays here, and `dicom_seg` of its info says
        why."""
        self._files.keep(image_id, tag, values, grid, info, like)
        if tag == FINAL:
            self._index.note(image_id, {"dicom_seg": self._store(image_id, values, info)}, tag)

    def _store(self, image_id: str, values: NDArray[np.uint8], info: Mapping[str, Any]) -> str:
        """SOPInstanceUID, or why not."""
        regions = info.get("regions", self._task.regions)
        if set(regions) != set(self._task.regions):
            return f"not stored: the label knows {', '.join(regions)} only"
        try:
            source = self._studies.series(self._index.images().by_id[image_id])
            came = ", ".join(f"{name} {value}" for name, value in provenance_of(info).items())
            author = Author("MANUAL", VERSION, f"{self._task.name}, {came or 'label of a user'}")
            seg = make_seg(values, source.series or (), self._task, author, frames=source.frames)
            self._mark(str(seg.SeriesInstanceUID), f"is the label of {image_id}, stored from here")
            self._studies.server.store(seg)
        except InputError as error:
            logger.warning("the label of %s is kept here but not in the DICOMweb server: %s", image_id, error)
            return f"not stored: {error}"
        return str(seg.SOPInstanceUID)

    def _mark(self, series: str, what: str) -> None:
        """A SEG series that need not be read."""
        with self._lock:
            write_json(self._file, {**self._known(), series: what})

    def take(self, segmentations: Mapping[str, str]) -> None:
        """One that cannot be a label is noted with the reason; one that the server does not give now is tried again
        next time."""
        with self._lock:
            known = self._known()
            for series, study in segmentations.items():
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
                write_json(self._file, known)

    def _read(self, study: str, series: str) -> str:
        for seg in self._studies.server.instances(study, series):
            uid = referenced_series(seg)
            image = self._index.get(uid)
            if image is None:
                raise InputError(f"refers to series {uid or '(none)'}, which is not listed here")
            grid = self._studies.grid(image)
            if is_automatic(seg):
                return "is automatic, nobody has looked at it"
            saved = _content_time(seg)
            if saved <= self._index.info(uid, FINAL).get("ts", 0):
                return f"is not newer than the label of {uid}"
            label = read_seg(seg, grid, self._task)
            known = known_regions(seg, self._task)
            regions = {"regions": known} if len(known) < len(self._task.regions) else {}
            self._files.keep(
                uid, FINAL, label, grid, {"dicom_seg": str(seg.SOPInstanceUID), "ts": saved, **regions}, None
            )
            return f"is the label of {uid}"
        return "has no instances"

    def _known(self) -> dict[str, str]:
        try:
            known: dict[str, str] = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return {}
        return known


def _content_time(seg: Dataset) -> int:
    """ContentDate and ContentTime (PS3.3 C.7.6.16) as s since 1970, taken as local time; now, if they are missing."""
    try:
        written = datetime.strptime(f"{seg.ContentDate}{str(seg.ContentTime)[:6]}", "%Y%m%d%H%M%S")
    except (AttributeError, ValueError):
        return int(time.time())
    return int(written.timestamp())
