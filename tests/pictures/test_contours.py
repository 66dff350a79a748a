from __future__ import annotations

import numpy as np
import pytest

from ccsd.imaging.volumes import Grid
from ccsd.method.task import BRATS
from ccsd.pictures.contours import COLOURS, REFERENCE, ZOOM, contour_strip


def grid(*signs: int) -> Grid:
    return Grid((20, 24, 10), np.diag([*(float(s) for s in signs), 2.0, 1.0]))


@pytest.mark.parametrize("signs", [(1, 1), (-1, -1), (1, -1)])
def test_the_patients_right_is_on_the_left_and_the_front_on_top_whatever_the_axes(signs: tuple[int, int]) -> None:
    g = grid(*signs)
    image = np.ones(g.shape, dtype=np.float32)
    mask = np.zeros(g.shape, dtype=np.uint8)
    right = slice(-6, None) if signs[0] > 0 else slice(0, 6)  # RAS+: x grows towards the right
    front = slice(-6, None) if signs[1] > 0 else slice(0, 6)
    mask[right, front, 4] = 2
    strip = np.asarray(contour_strip([image], mask, np.zeros_like(mask), BRATS.regions, g))
    rows, columns = np.nonzero((strip == COLOURS[0]).all(axis=-1))
    assert columns.max() < strip.shape[1] / 2
    assert rows.max() < strip.shape[0] / 2


def test_mask_and_reference_are_drawn_over_every_image_on_the_slice_with_most_reference() -> None:
    g = grid(1, 1)
    reference = np.zeros(g.shape, dtype=np.uint8)
    reference[4:16, 4:16, 7] = 2
    mask = np.zeros(g.shape, dtype=np.uint8)
    mask[6:10, 6:10, 7] = 2
    images = [np.ones(g.shape, dtype=np.float32)] * 3
    strip = np.asarray(contour_strip(images, mask, reference, BRATS.regions, g))
    assert strip.shape == (24 * ZOOM, 3 * 20 * ZOOM, 3)
    for tile in np.split(strip, 3, axis=1):
        assert (tile == REFERENCE).all(axis=-1).any()
        assert (tile == COLOURS[0]).all(axis=-1).any()
