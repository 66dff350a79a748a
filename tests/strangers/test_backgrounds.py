"""Stripped images whose background is not zero: the same image as with zero.

Sources: issues of BraTS2017 of MIC-DKFZ (mask by the corner's value) and of deepmedic (normalised over the whole
image); files of pipelines that strip, then z-score, shift, or resample by splines.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from ccsd.imaging.volumes import Volume
from ccsd.method.task import BRATS
from ccsd.preprocessing.background import with_zero_background
from ccsd.preprocessing.common_space import Mode, to_common_space
from ccsd.preprocessing.prepare import prepare
from tests.strangers.heads import Image, brain, grid, head, volume

PLAIN = brain()
INSIDE = PLAIN > 0


def z_scored(image: Image) -> Image:
    return ((image - image.mean()) / image.std()).astype(np.float32)


MADE: dict[str, Callable[[], Image]] = {
    "z-scored as a whole": lambda: z_scored(PLAIN),
    "z-scored by its brain": lambda: ((PLAIN - PLAIN[INSIDE].mean()) / PLAIN[INSIDE].std()).astype(np.float32),
    "z-scored inside, zero outside": lambda: np.where(INSIDE, PLAIN - PLAIN[INSIDE].mean(), 0).astype(np.float32),
    "z-scored inside, 5 outside": lambda: np.where(INSIDE, PLAIN / 100 - 4, 5).astype(np.float32),
    "-1024": lambda: np.where(INSIDE, PLAIN, -1024).astype(np.float32),
    "shifted by -1024": lambda: PLAIN - 1024,
    "from -1 to 1": lambda: PLAIN / PLAIN.max() * 2 - 1,
}


@pytest.mark.parametrize("mode", ["auto", "off"])
@pytest.mark.parametrize("made", MADE)
def test_the_network_sees_the_same_whatever_the_background(made: str, mode: Mode) -> None:
    seen = []
    for image in (PLAIN, MADE[made]()):
        common = to_common_space({"flair": volume(image)}, target="flair", mode=mode)
        assert common.route == "prepared"
        seen.append(prepare(common.volumes, BRATS.modalities, spacing=2.0).volumes[3].numpy())
    assert seen[0].shape == seen[1].shape
    assert np.abs(seen[0] - seen[1])[seen[0] != 0].mean() < 0.1  # where its own zero is not known, the rim differs


def test_a_constant_around_zeros_and_zeros_around_a_constant_are_background() -> None:
    padded = np.pad(z_scored(PLAIN), 3)
    cleaned = with_zero_background(Volume(padded, grid()))
    assert np.array_equal(cleaned.data != 0, np.pad(INSIDE, 3))


@pytest.mark.parametrize("offset", [0.0, -300.0])
def test_what_splines_leave_around_a_brain_is_background(offset: float) -> None:
    shifted = ndimage.shift(PLAIN, (0.3, 0.4, 0), order=3)
    rippled = volume(shifted.astype(np.float32) + np.float32(offset))
    truth = ndimage.shift(INSIDE.astype(np.float32), (0.3, 0.4, 0), order=1) > 0.5
    found = with_zero_background(rippled).data != 0
    assert (np.abs(rippled.data - offset) > 1e-4).mean() > 1.2 * truth.mean()  # there are ripples
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.97


def test_what_needs_nothing_is_left_as_it_is() -> None:
    noisy = head() + np.abs(np.random.default_rng(1).normal(0, 12, PLAIN.shape)).astype(np.float32)
    for image in (PLAIN, head(), noisy):
        one = volume(image)
        assert with_zero_background(one) is one
