from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from ccsd.studies.enhancement import is_after

Image = NDArray[np.float32]
SIZE = 40


def head(seed: int = 0) -> Image:
    """A ball of two tissues with smooth borders and some noise; nothing around it."""
    random = np.random.default_rng(seed)
    away = np.linalg.norm(np.indices((SIZE,) * 3) - SIZE / 2, axis=0)
    tissue = 100 + 40 * (ndimage.gaussian_filter(np.random.default_rng(7).normal(size=(SIZE,) * 3), 3) > 0)
    return np.where(away < 17, tissue + random.normal(0, 3, away.shape), 0).astype(np.float32)


def enhanced(image: Image) -> Image:
    """Brighter in a few tubes, as vessels are after contrast agent."""
    after = image.copy()
    for x, y in ((12, 20), (25, 15), (28, 26)):
        after[x : x + 3, y : y + 3, 10:30] = np.where(after[x : x + 3, y : y + 3, 10:30] > 0, 260, 0)
    return after


@pytest.mark.parametrize(("scale", "offset"), [(1, 0), (7.5, 0), (0.02, 3)])
def test_the_volume_with_bright_vessels_is_the_one_after_whatever_the_units(scale: float, offset: float) -> None:
    before, after = head(), enhanced(head(1)) * scale + offset
    assert is_after(after, before) is True
    assert is_after(before, after) is False


def test_two_volumes_before_and_two_after_are_not_told_apart() -> None:
    assert is_after(head(1), head()) is None
    assert is_after(enhanced(head(1)), enhanced(head())) is None


def test_a_bias_field_is_no_contrast_agent() -> None:
    bias = np.linspace(0.8, 1.2, SIZE, dtype=np.float32)[:, None, None]
    assert is_after(head(1) * bias, head()) is None


@pytest.mark.parametrize("other", [np.zeros((SIZE,) * 3), np.full((SIZE,) * 3, 5.0)])
def test_an_empty_volume_tells_nothing(other: Image) -> None:
    assert is_after(other, head()) is None
