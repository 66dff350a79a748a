"""A label that a client saves -> the task's values on its image's grid, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ccsd.common.errors import GridMismatchError, InputError
from ccsd.imaging.volumes import Grid, shown_grid
from ccsd.method.task import Task
from ccsd.studies.labels import Annotation, read_annotation

CORRECTED_FROM = "corrected_from"
MAX_ORIGIN = 100  # characters


def read_on(
    image: Path | None, grid: Grid, file: Path, segments: Sequence[Mapping[str, Any]], task: Task
) -> Annotation:
    """A label on its image's grid, also where 3D Slicer drew it, which puts some images elsewhere than nibabel.

    Args:
        image: the image's file (None: a DICOM series); grid: where nibabel puts it.

    Raises:
        InputError: unreadable, on another grid, or of unknown values.
    """
    read = partial(
        read_annotation,
        file,
        known=len(task.labels),
        aliases=task.aliases,
        names=task.segment_names,
        segments=segments,
        inner=tuple(task.region_labels.values()),
    )
    try:
        return read(reference=grid)
    except GridMismatchError:
        shown = shown_grid(image, grid) if image else grid
        if shown.matches(grid):
            raise
        return replace(read(reference=shown), grid=grid)


def provenance_of(info: Mapping[str, Any]) -> dict[str, str]:
    """What the files of a label say of how it came about: `corrected from`, the version of the weights that made the
    mask before it was corrected. Empty: nobody said.

    Args:
        info: what is kept of the label.
    """
    return {"corrected from": info[CORRECTED_FROM]} if info.get(CORRECTED_FROM) else {}


def drawn_by(info: Mapping[str, Any]) -> str:
    """A sentence on a label for people."""
    came = [f"{name} the mask of {value}" for name, value in provenance_of(info).items()]
    return ", ".join(["Label that a person saved", *came]) + "."


def checked_origin(info: Mapping[str, Any]) -> None:
    """Raises InputError: `corrected_from` is no short text."""
    found = info.get(CORRECTED_FROM, "")
    if not isinstance(found, str) or not found.isprintable() or len(found) > MAX_ORIGIN:
        raise InputError(f"{CORRECTED_FROM} is {found!r}, expected a text of at most {MAX_ORIGIN} characters")


def known_of(label: Annotation, task: Task) -> dict[str, list[str]]:
    """Which regions the label knows, unless it is all, and what its user is told."""
    annotated, warnings = list(task.annotated(label.listed)), list(label.warnings)
    if not label.listed or len(annotated) == len(task.regions):
        return {"warnings": warnings} if warnings else {}
    others = ", ".join(region for region in task.regions if region not in annotated)
    told = f"the label knows {', '.join(annotated)} alone: no segment stands for {others}"
    return {"regions": annotated, "warnings": [*warnings, told]}
