"""NaN and infinity: around the brain background with a note, inside it 400. Source: images divided by their brain mask,
and resampled ones whose new voxels lie outside the old field of view."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ccsd.common.errors import InputError
from ccsd.imaging.volumes import read_volume, write_volume
from ccsd.preprocessing.background import with_zero_background
from tests.strangers.heads import Image, brain, grid, head

MIDDLE = (48, 56, 15)


def with_values(image: Image, where: object, value: float) -> Image:
    changed = image.copy()
    changed[where] = value  # type: ignore[index]
    return changed


OUTSIDE: dict[str, Callable[[], Image]] = {
    "NaN for zero": lambda: with_values(brain(), brain() == 0, np.nan),
    "z-scored, NaN outside": lambda: with_values((brain() - 400) / 90, brain() == 0, np.nan),
    "NaN for zero, in holes too": lambda: with_values(with_values(brain(), brain() == 0, np.nan), MIDDLE, np.nan),
    "infinite corner": lambda: with_values(brain(), (0, 0, 0), np.inf),
    "a NaN in the air, not at the border": lambda: with_values(brain(), (6, 6, 3), np.nan),
}
DAMAGED: dict[str, Image] = {
    "one NaN": with_values(brain(), MIDDLE, np.nan),
    "one infinity in a head": with_values(head(), MIDDLE, -np.inf),
    "a lost slice": with_values(brain(), np.s_[:, :, 15], np.nan),
    "nothing else": np.full_like(brain(), np.nan),
}


def read(folder: Path, image: Image) -> Image:
    write_volume(folder / "p_flair.nii.gz", image, grid())
    volume = read_volume(folder / "p_flair.nii.gz")
    assert volume.notes[0].startswith("p_flair.nii.gz has ")
    assert volume.notes[0].endswith("around the brain: they were taken as background")
    return with_zero_background(volume).data


@pytest.mark.parametrize("made", OUTSIDE)
def test_around_the_brain_they_are_background(tmp_path: Path, made: str) -> None:
    image = OUTSIDE[made]()
    assert np.array_equal(read(tmp_path, image) != 0, (brain() != 0) & np.isfinite(image))


@pytest.mark.parametrize("made", DAMAGED)
def test_inside_the_brain_they_are_damage(tmp_path: Path, made: str) -> None:
    write_volume(tmp_path / "p_flair.nii.gz", DAMAGED[made], grid())
    with pytest.raises(InputError, match=r"p_flair.nii.gz has \d+ values that are NaN or infinite"):
        read_volume(tmp_path / "p_flair.nii.gz")
