"""Labels as others write them: 3D Slicer's `.seg.nrrd` (names, values and layers in the header, cropped to what is
drawn), and volumes whose axes run otherwise than their image's."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import nrrd
import numpy as np
from numpy.typing import NDArray

from ccsd.imaging.grid import Grid
from ccsd.method.task import BRATS
from ccsd.studies.labels import Annotation, read_annotation

AFFINE = np.array([[-1.0, 0, 0, 90], [0, -1.2, 0, 126], [0, 0, 2.0, -72], [0, 0, 0, 1]])  # LPS, as BraTS has it
GRID = Grid((12, 14, 10), AFFINE)
TURNS = [
    np.diag(signs)[:, list(order)]
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]
LPS = np.diag([-1.0, -1, 1])
Told = tuple[str, int] | tuple[str, int, int]  # name, value, layer


def tumour(shape: tuple[int, int, int] = GRID.shape) -> NDArray[np.uint8]:
    """Oedema around a core, of which a part enhances; no two axes are alike."""
    label = np.zeros(shape, np.uint8)
    label[3:9, 4:11, 2:8] = 2
    label[4:8, 5:9, 3:6] = 1
    label[4:6, 6:9, 4:6] = 3
    return label


def turned(data: NDArray[Any], grid: Grid, turn: NDArray[Any]) -> tuple[NDArray[Any], Grid]:
    """The same voxels with the axes in another order and direction: the new axis i runs along `turn`'s column i."""
    axes = np.abs(turn).argmax(axis=0)
    signs = turn.sum(axis=0)
    moved = data.transpose(axes)
    step = np.eye(4)
    step[:3, :3] = turn
    for axis in np.flatnonzero(signs < 0):
        step[axes[axis], 3] = moved.shape[axis] - 1
    return np.flip(moved, np.flatnonzero(signs < 0)), Grid(moved.shape, grid.affine @ step)  # type: ignore[arg-type]


def cropped(data: NDArray[Any], grid: Grid, box: Sequence[slice]) -> tuple[NDArray[Any], Grid]:
    """What lies in `box`, where it lies."""
    step = nib.affines.from_matvec(np.eye(3), [side.start for side in box])
    part = data[tuple(box)]
    return part, Grid(part.shape, grid.affine @ step)


def extent(data: NDArray[Any]) -> list[slice]:
    """Of what is drawn, as Slicer crops to by default."""
    return [slice(int(i.min()), int(i.max()) + 1) for i in np.nonzero(data)]


def seg_nrrd(path: Path, layers: NDArray[Any] | Sequence[NDArray[Any]], grid: Grid, told: Sequence[Told]) -> Path:
    """Segments (name, value, layer) in one volume or in several, the list axis first, as Slicer 5 writes them."""
    several = not isinstance(layers, np.ndarray)
    directions = [list(row) for row in (LPS @ grid.affine[:3, :3]).T]
    header: dict[str, Any] = {
        "space": "left-posterior-superior",
        "space directions": np.array([[np.nan] * 3, *directions] if several else directions),
        "space origin": LPS @ grid.affine[:3, 3],
        "kinds": [*(["list"] if several else []), "domain", "domain", "domain"],
        "encoding": "gzip",
    }
    for n, (name, value, *layer) in enumerate(told):
        header |= {f"Segment{n}_ID": f"Segment_{n + 1}", f"Segment{n}_Name": name}
        header |= {f"Segment{n}_LabelValue": str(value), f"Segment{n}_Layer": str(layer[0] if layer else 0)}
    nrrd.write(str(path), np.stack(list(layers)) if several else np.asarray(layers), header, index_order="F")
    return path


def nifti(path: Path, data: NDArray[Any], grid: Grid) -> Path:
    nib.loadsave.save(nib.nifti1.Nifti1Image(data, grid.affine), path)
    return path


def info(*named: tuple[str, int]) -> list[dict[str, Any]]:
    """`label_info` of a request."""
    return [{"name": name, "idx": idx} for name, idx in named]


def read(path: Path, said: Sequence[dict[str, Any]] = (), image: Grid = GRID) -> Annotation:
    """As the server reads a label that is saved."""
    return read_annotation(
        path,
        known=len(BRATS.labels),
        aliases=BRATS.aliases,
        names=BRATS.segment_names,
        reference=image,
        segments=said,
        inner=tuple(BRATS.region_labels.values()),
    )
