from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from ccsd.common.errors import InputError
from ccsd.imaging.grid import Grid
from ccsd.method.task import COLOURS
from ccsd.server.page.slices import Layer, grey_png, mask_png, planes

# a voxel that is far to the patient's right, front and top, in a head of 40 x 50 x 60 mm
RIGHT_FRONT_TOP = np.array([12.0, 12.0, 20.0])
SIZE = np.array([40, 50, 60])


def turn(degrees: float) -> np.ndarray:
    a = np.deg2rad(degrees)
    return np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])


def stored(axes: np.ndarray) -> Layer:
    """A grey head with one bright voxel, its indices along `axes` (columns, RAS), 1 mm."""
    shape = np.round(np.abs(np.linalg.inv(axes.round())) @ SIZE).astype(int)
    affine = np.eye(4)
    affine[:3, :3] = axes
    affine[:3, 3] = -axes @ ((shape - 1) / 2)
    index = np.round(np.linalg.inv(axes) @ (RIGHT_FRONT_TOP - affine[:3, 3])).astype(int)
    data = np.random.default_rng(0).uniform(1, 20, tuple(shape)).astype(np.float32)
    data[tuple(index)] = 100
    return Layer(data, Grid(data.shape, affine))


AXES = {
    "RAS": np.eye(3),
    "LPS": np.diag([-1.0, -1.0, 1.0]),
    "flipped top to bottom": np.diag([1.0, 1.0, -1.0]),
    "sagittal, as scanners store it": np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], float),
    "oblique by 20 degrees": turn(20),
    "oblique by 20 degrees and flipped": turn(-20) @ np.diag([-1.0, 1.0, -1.0]),
}


def picture(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


@pytest.mark.parametrize("axes", AXES.values(), ids=AXES)
@pytest.mark.parametrize(
    ("plane", "seen_on_the_left"),
    [("axial", True), ("coronal", True), ("sagittal", True)],  # the patient's right; from the side, the face
)
def test_a_voxel_lies_where_the_radiological_convention_says(
    axes: np.ndarray, plane: str, seen_on_the_left: bool
) -> None:
    layer = stored(axes)
    count = planes(layer)[plane]["slices"]
    pictures = [picture(grey_png(layer, plane, i, low=0, high=100)) for i in range(count)]
    index = max(range(count), key=lambda i: pictures[i].max())
    ((row, column),) = np.argwhere(pictures[index] > 200)
    height, width = pictures[index].shape
    assert (column < width / 2) == seen_on_the_left
    assert row < height / 2  # the front, or the top of the head
    assert index > count / 2  # slices are counted from feet to head, back to front, left to right


def test_planes_have_the_size_of_the_patient_whatever_the_voxels() -> None:
    grid = Grid((20, 50, 10), np.diag([2.0, 1.0, 6.0, 1.0]))
    found = planes(Layer(np.zeros(grid.shape, np.float32), grid))
    assert {name: plane["mm"] for name, plane in found.items()} == {
        "axial": [40, 50],
        "coronal": [40, 60],
        "sagittal": [50, 60],
    }
    assert found["axial"]["slices"] == 10
    assert list(found["axial"]["edges"].values()) == ["R", "L", "A", "P"]


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1), (1, -1, -1)])
def test_the_place_of_a_slice_is_that_of_its_voxels_however_the_axes_run(
    axes: tuple[int, int, int], signs: tuple[int, int, int]
) -> None:
    shape, edges = (5, 7, 9), (2.0, 3.0, 4.0)
    affine = np.eye(4)
    affine[:3, :3] = np.zeros((3, 3))
    for own, ras in enumerate(axes):
        affine[ras, own] = signs[own] * edges[own]
    affine[:3, 3] = (-11.0, 22.0, 5.0)
    mask = np.zeros(shape, np.uint8)
    mask[1, 2, 6] = 1
    place = (affine @ [1, 2, 6, 1])[:3]
    found = planes(Layer(mask, Grid(shape, affine)))
    for plane, ras in (("sagittal", 0), ("coronal", 1), ("axial", 2)):
        first, step = found[plane]["at"]
        index = found[plane]["start"]
        assert first + step * index == pytest.approx(place[ras])
        assert found[plane]["extent"] == [index, index]


def test_a_mask_starts_at_its_largest_slice_and_is_clear_elsewhere() -> None:
    mask = np.zeros((8, 8, 8), np.uint8)
    mask[2:5, 2:6, 5] = 2
    mask[3, 3, 4] = 1
    layer = Layer(mask, Grid(mask.shape, np.eye(4)))
    start = planes(layer)["axial"]["start"]
    assert start == 5
    seen = np.asarray(Image.open(io.BytesIO(mask_png(layer, "axial", start))).convert("RGBA"))
    assert (seen[..., 3] > 0).sum() == 12
    assert {tuple(p[:3]) for p in seen[seen[..., 3] > 0]} == {COLOURS[2]}


def test_the_window_is_set_by_percentiles_above_the_air() -> None:
    data = np.zeros((10, 10, 12), np.float32)
    data[..., 2:] = np.arange(1, 1001).reshape(10, 10, 10)
    seen = picture(grey_png(Layer(data, Grid(data.shape, np.eye(4))), "coronal", 5, low=50, high=60))
    values = np.flip(data[:, 5].T, axis=(0, 1))
    assert np.all(seen[values < 500] == 0)
    assert np.all(seen[values > 602] == 255)


@pytest.mark.parametrize(
    ("plane", "index", "low", "high", "sentence"),
    [
        ("tilted", 0, 1, 99, "plane is 'tilted', expected one of axial, coronal, sagittal"),
        ("axial", 8, 1, 99, "index is 8, expected 0 to 7 for axial slices"),
        ("axial", -1, 1, 99, "index is -1"),
        ("axial", 0, 60, 40, "low is 60 and high is 40"),
        ("axial", 0, float("nan"), 99, "low is nan"),
    ],
)
def test_what_cannot_be_cut_is_refused(plane: str, index: int, low: float, high: float, sentence: str) -> None:
    layer = Layer(np.zeros((8, 8, 8), np.float32), Grid((8, 8, 8), np.eye(4)))
    with pytest.raises(InputError, match=sentence):
        grey_png(layer, plane, index, low=low, high=high)
