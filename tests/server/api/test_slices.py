from __future__ import annotations

import gzip

import numpy as np
import pytest

from ccsd.imaging.grid import Grid
from ccsd.server.page import slices
from ccsd.server.page.slices import Layer, box, coding, extent, geometry, moved, packed_image, packed_mask

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


def image_sent(layer: Layer) -> np.ndarray:
    """The values that a browser has, indexed [x, y, z] to the patient's right, front and top."""
    code = coding(layer)
    raw = np.frombuffer(gzip.decompress(packed_image(layer)), "<u2" if code.bits == 16 else "u1")
    return code.low + code.step * raw.reshape(geometry(layer)["shape"], order="F").astype(float)


def mask_sent(layer: Layer) -> np.ndarray:
    raw = np.frombuffer(gzip.decompress(packed_mask(layer)), np.uint8)
    return raw.reshape(geometry(layer)["shape"], order="F")


@pytest.mark.parametrize("axes", AXES.values(), ids=AXES)
def test_indices_grow_to_the_patients_right_front_and_top_however_the_image_is_stored(axes: np.ndarray) -> None:
    layer = stored(axes)
    sent = image_sent(layer)
    ((index,),) = (np.argwhere(sent > 90),)
    assert (index > np.array(sent.shape) / 2).all()
    assert (np.array(geometry(layer)["affine"]) @ [*index, 1])[:3] == pytest.approx(RIGHT_FRONT_TOP, abs=1)


def test_spacing_follows_the_axes() -> None:
    affine = np.array([[0, 0, 6.0, 0], [-2.0, 0, 0, 0], [0, -1.0, 0, 0], [0, 0, 0, 1]])
    told = geometry(Layer(np.zeros((20, 50, 10), np.float32), Grid((20, 50, 10), affine)))
    assert told["shape"] == [10, 20, 50]
    assert told["spacing"] == [6, 2, 1]


@pytest.mark.parametrize(
    ("axes", "axial", "sagittal"),
    [
        (AXES["LPS"], "R L A P", "A P S I"),
        (AXES["oblique by 20 degrees"], "RA LP AL PR", "AL PR S I"),
        (turn(5), "R L A P", "A P S I"),
    ],
)
def test_letters_say_where_the_edges_are_and_that_axes_are_oblique(axes: np.ndarray, axial: str, sagittal: str) -> None:
    edges = geometry(stored(axes))["edges"]
    assert [" ".join(edges[plane].values()) for plane in ("axial", "sagittal")] == [axial, sagittal]


def test_whole_numbers_are_sent_as_they_are_and_others_within_half_a_step() -> None:
    grid = Grid((4, 5, 6), np.eye(4))
    whole = np.arange(-10, 110, dtype=np.float32).reshape(4, 5, 6)
    assert np.array_equal(image_sent(Layer(whole, grid)), whole)
    broken = np.random.default_rng(1).normal(0, 3, (4, 5, 6)).astype(np.float32)
    step = coding(Layer(broken, grid)).step
    assert step == pytest.approx(np.ptp(broken) / 4095)
    assert np.abs(image_sent(Layer(broken, grid)) - broken).max() <= 0.51 * step


def test_an_image_too_large_for_a_browser_is_sent_with_eight_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "MAX_16_BIT", 100)
    data = np.linspace(0, 1000, 120, dtype=np.float32).reshape(4, 5, 6)
    layer = Layer(data, Grid((4, 5, 6), np.eye(4)))
    assert coding(layer).bits == 8
    assert np.abs(image_sent(layer) - data).max() <= 2


def test_an_image_of_one_value_can_be_sent() -> None:
    layer = Layer(np.full((3, 3, 3), 7.5, np.float32), Grid((3, 3, 3), np.eye(4)))
    assert (image_sent(layer) == 7.5).all()
    low, high = layer.window()
    assert low < high


def test_the_first_window_is_that_of_what_is_above_the_air() -> None:
    data = np.zeros((10, 10, 12), np.float32)
    data[..., 2:] = np.arange(1, 1001).reshape(10, 10, 10)
    assert Layer(data, Grid(data.shape, np.eye(4))).window() == pytest.approx([11, 995], abs=1)


def test_a_mask_starts_where_most_of_it_is() -> None:
    mask = np.zeros((8, 8, 8), np.uint8)
    mask[2:5, 2:6, 5] = 2
    mask[3, 3, 4] = 1
    layer = Layer(mask, Grid(mask.shape, np.diag([-1.0, 1, 1, 1])))
    found = extent(layer)
    assert found is not None
    assert (found["start"][2], found["first"], found["last"]) == (5, [3, 2, 4], [5, 5, 5])
    assert mask_sent(layer)[5 - 2 + 2, 2, 5] == 2
    assert extent(Layer(np.zeros((8, 8, 8), np.uint8), layer.grid)) is None


def test_the_box_around_nothing_is_around_everything() -> None:
    assert box(np.zeros((2, 3, 4), bool)) == {"first": [0, 0, 0], "last": [1, 2, 3]}


def test_a_mask_is_shown_on_another_series_at_the_same_place_and_is_empty_beyond_it() -> None:
    mask = np.zeros((10, 10, 10), np.uint8)
    mask[4:6, 4:6, 4:6] = 3
    other = np.diag([2.0, 2.0, 2.0, 1.0])
    other[:3, 3] = -20
    shown = moved(Layer(mask, Grid(mask.shape, np.eye(4))), Grid((20, 20, 20), other))
    assert np.argwhere(shown.data == 3).tolist() == [[12, 12, 12]]
    assert int((shown.data > 0).sum()) == 1
