"""Labelled studies -> training cases, each decoded and prepared once, kept on disk and mapped into memory."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from lib.ccsd.task import Task
from lib.errors import InputError
from lib.files import replacing
from lib.studies.labels import description_of
from lib.studies.study import Study
from lib.training.cases import Case, load_case

logger = logging.getLogger(__name__)

FORMAT = 1  # raise it when preparation changes, so that older caches are not used


def load_cases(studies: Sequence[Study], task: Task, *, cache: Path | None = None) -> list[Case]:
    """Every study with a label, prepared. With `cache`, a folder, the decoding is done once for good: later runs map
    the prepared volumes from there, and memory holds no more than what is being used.

    Raises:
        InputError: no study has a label, or one cannot be read.
    """
    labelled = [(study, study.label) for study in studies if study.label is not None]
    for study in studies:
        if study.label is None:
            logger.info("%s has no label, left out", study.id)
    if not labelled:
        raise InputError(f"none of the {len(studies)} studies has a label, expected at least one")
    bar = tqdm(labelled, desc="preparing", unit="study", disable=None)
    return [load_case(s, y, task) if cache is None else _cached(s, y, task, cache) for s, y in bar]


def _cached(study: Study, label: Path, task: Task, folder: Path) -> Case:
    path = folder / f"{study.id}-{_key(study, label, task)}.pt"
    if not path.exists():
        case = load_case(study, label, task)
        with replacing(path) as temporary:
            torch.save(
                {"volumes": case.volumes, "label": case.label, "available": case.available, "tumour": case.tumour},
                temporary,
            )
    content = torch.load(path, mmap=True, weights_only=True)
    return Case(study.id, content["volumes"], content["label"], int(content["available"]), content["tumour"])


def _key(study: Study, label: Path, task: Task) -> str:
    """Changes with the files (name, size, time of change), the task and the format."""
    files = {m: (*_stamp(s.path), s.channel) for m, s in study.sources.items()}
    values = [dict(task.labels), dict(task.aliases), dict(task.label_names)]
    described = description_of(label)
    stamps = [_stamp(label), _stamp(described) if described else None]
    content = [FORMAT, files, stamps, task.modalities, task.spacing, values]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _stamp(path: Path) -> tuple[str, int, int]:
    status = path.stat()
    return str(path.resolve()), status.st_size, status.st_mtime_ns
