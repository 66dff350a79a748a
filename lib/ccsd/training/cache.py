"""Labelled studies -> training cases, each decoded and prepared once, kept on disk and mapped into memory."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Collection, Sequence
from dataclasses import fields
from pathlib import Path

import torch
from tqdm import tqdm

from ccsd.common.errors import InputError
from ccsd.method.task import Task
from ccsd.models.checkpoint import write_tensors
from ccsd.studies.label_meaning import description_of
from ccsd.studies.study import Study
from ccsd.training.cases import Case, load_case

logger = logging.getLogger(__name__)

FORMAT = 4  # raise it when preparation changes, so that older caches are not used


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
    return [load_case(s, y, task) if cache is None else load_cached(s, y, task, cache) for s, y in bar]


def load_cached(
    study: Study,
    label: Path,
    task: Task,
    folder: Path,
    *,
    image: Path | None = None,
    annotated: Collection[str] | None = None,
) -> Case:
    """As `load_case`, decoded and prepared once, then mapped from a file in `folder`."""
    path = cached_file(study, label, task, folder, image=image, annotated=annotated)
    if not path.exists():
        case = load_case(study, label, task, image=image, annotated=annotated)
        write_tensors({f.name: getattr(case, f.name) for f in fields(Case)}, path)
    return read_cached(path)


def read_cached(file: Path) -> Case:
    """A case that `load_cached` left in `cached_file`, mapped into memory."""
    return Case(**torch.load(file, mmap=True, weights_only=True))


def cached_file(
    study: Study,
    label: Path,
    task: Task,
    folder: Path,
    *,
    image: Path | None = None,
    annotated: Collection[str] | None = None,
) -> Path:
    """Its name changes with the files (name, size, time of change), the task and the format."""
    files = {m: (*_stamp(s.path), s.channel) for m, s in study.sources.items()}
    values = [dict(task.labels), dict(task.aliases), dict(task.segment_names)]
    described = description_of(label)
    stamps = [_stamp(label), _stamp(described) if described else None]
    drawn_on = [str(image) if image else None, sorted(annotated) if annotated is not None else None]
    content = [FORMAT, files, stamps, drawn_on, task.modalities, task.spacing, values]
    key = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
    return folder / f"{study.id}-{key}.pt"


def _stamp(path: Path) -> tuple[str, int, int]:
    status = path.stat()
    return str(path.resolve()), status.st_size, status.st_mtime_ns
