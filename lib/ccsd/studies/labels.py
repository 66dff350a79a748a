"""Reference label maps, as clients and data sets write them -> the values of a task on their image's grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsd.common.errors import GridMismatchError, InputError
from ccsd.imaging.lattice import carried, lies_on
from ccsd.imaging.nrrd import nrrd_segments, nrrd_values
from ccsd.imaging.volumes import Grid, read_stack_grid, read_values
from ccsd.studies.label_meaning import Meaning, meaning_of

WHOLE = 1e-3  # what a value may be off a whole number: scaled integers, resampled by nearest neighbour
EMPTY = "the label is empty: it says that there is no tumour"


@dataclass(frozen=True)
class Annotation:
    """A label as it was drawn.

    Attributes:
        values: (D, H, W) uint8, the task's values, on `grid`.
        listed: the task's values that the file or the client has a name for, drawn in or not; empty: nobody said.
        warnings: what whoever saved it is told.
    """

    values: NDArray[np.uint8]
    grid: Grid
    listed: frozenset[int] = frozenset()
    warnings: tuple[str, ...] = ()


def read_label(
    path: Path,
    *,
    known: int,
    aliases: Mapping[int, int],
    names: Mapping[str, int] | None = None,
    reference: Grid | None = None,
) -> tuple[NDArray[np.uint8], Grid]:
    """The values and the grid of `read_annotation`."""
    drawn = read_annotation(path, known=known, aliases=aliases, names=names, reference=reference)
    return drawn.values, drawn.grid


def read_annotation(
    path: Path,
    *,
    known: int,
    aliases: Mapping[int, int],
    names: Mapping[str, int] | None = None,
    reference: Grid | None = None,
    segments: Sequence[Mapping[str, Any]] = (),
    inner: Sequence[int] = (),
) -> Annotation:
    """A label file with values 0..`known`, on `reference`: its axes may run otherwise, and it may be cropped.

    Args:
        names: name of a label or region -> value, for files whose own header, client or dataset.json says what their
            values are.
        segments: what the client says that the file's values are, as 3D Slicer does: `{"name": "oedema", "idx": 1}`.
        inner: the task's values from the outermost to the innermost: where segments overlap, the innermost counts.

    Raises:
        InputError: unreadable, of unknown values, or of labels that have other names.
        GridMismatchError: not on `reference`.
    """
    grid, _ = read_stack_grid(path, thin=True)
    if reference is not None and not (grid.matches(reference) or lies_on(grid, reference)):
        raise GridMismatchError(
            f"label {path.name} is {grid.describe()}, expected the same grid as its image: "
            f"{grid.differences(reference)}"
        )
    layers = _layers(path, grid, known)
    found = [_values(layer) for layer in layers]
    meaning = meaning_of(path, found, names or {}, segments)
    if meaning is None:
        values = normalise_label(layers[0], path.name, known=known, aliases=aliases)
    else:
        values = _painted(layers, meaning, inner or range(1, known + 1))
    if reference is not None:
        values, grid = _on_image(path, values, grid, reference), reference
    notes = (*(meaning.warnings if meaning else ()), *(() if values.any() else (EMPTY,)))
    return Annotation(values, grid, meaning.listed if meaning else frozenset(), notes)


def label_grid(path: Path) -> Grid:
    """Where the voxels of a label are, from its header. Raises InputError: unreadable."""
    return read_stack_grid(path, thin=True)[0]


def normalise_label(
    values: NDArray[np.floating], name: str, *, known: int, aliases: Mapping[int, int]
) -> NDArray[np.uint8]:
    """Label values -> contiguous 0..`known`, an alias (BraTS's 4) becoming what it stands for (3).

    Raises:
        InputError: values that are not whole, an alias together with what it stands for, or unknown values.
    """
    values = _whole(values, name, known)
    present = _values(values)
    for alias, value in aliases.items():
        if alias in present:
            if value in present:
                raise InputError(
                    f"label {name} has both {value} and {alias}, which stand for the same, expected one; if {value} is "
                    "non-enhancing core, as in BraTS 2013 to 2015, write it as 1, or say what is what in label_info"
                )
            values = np.where(values == alias, value, values)
            present = (present - {alias}) | {value}
    unknown = sorted(present - set(range(known + 1)))
    if unknown:
        accepted = "".join(f" ({alias} is accepted for {value})" for alias, value in aliases.items())
        raise InputError(f"label {name} has the values {unknown}, expected 0 to {known}{accepted}")
    return values.astype(np.uint8)


def _layers(path: Path, grid: Grid, known: int) -> list[NDArray[np.float32]]:
    """The file's volumes of whole numbers: one, or those of a `.seg.nrrd` whose segments overlap."""
    count = read_stack_grid(path, thin=True)[1]
    if count > 1 and not nrrd_segments(path):
        raise InputError(f"label {path.name} has shape {(*grid.shape, count)}, expected a 3D image")
    stack = np.moveaxis(nrrd_values(path), -1, 0) if count > 1 else [read_values(path, grid)]
    return [_whole(np.asarray(layer, np.float32), path.name, known) for layer in stack]


def _whole(values: NDArray[np.floating], name: str, known: int) -> NDArray[np.float32]:
    if not np.isfinite(values).all():
        raise InputError(f"label {name} has values that are NaN or infinite, expected whole numbers 0 to {known}")
    rounded = np.rint(values)
    off = np.abs(values - rounded)
    if off.max(initial=0) > WHOLE:
        raise InputError(
            f"label {name} has fractional values ({values.flat[off.argmax()]:g}), expected whole numbers 0 to {known}"
        )
    return rounded.astype(np.float32)


def _values(layer: NDArray[np.floating]) -> set[int]:
    """The values that are there, but for 0."""
    return {int(v) for v in np.unique(layer[layer != 0])}


def _painted(layers: Sequence[NDArray[np.float32]], meaning: Meaning, inner: Sequence[int]) -> NDArray[np.uint8]:
    """Segments put over each other, the innermost last."""
    result = np.zeros(layers[0].shape, np.uint8)
    place = {value: at for at, value in enumerate(inner)}
    for (layer, value), meant in sorted(meaning.values.items(), key=lambda one: place.get(one[1], len(place))):
        if meant:
            result[layers[layer] == value] = meant
    return result


def _on_image(path: Path, values: NDArray[np.uint8], grid: Grid, image: Grid) -> NDArray[np.uint8]:
    if grid.matches(image):
        return values
    result = carried(values, grid, image)
    if result is None:
        raise GridMismatchError(f"label {path.name} reaches out of its image: {grid.differences(image)}")
    return result
