from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from ccsd.demo.phantom import Phantom, PhantomConfig, make_phantom, write_phantom
from ccsd.demo.tumour import TumourConfig
from ccsd.imaging.volumes import read_grid, read_volume

SMALL = PhantomConfig(seed=1, shape=(48, 48, 48))


def mean(phantom: Phantom, modality: str, value: int) -> float:
    return float(phantom.volumes[modality][phantom.label == value].mean())


def test_the_same_seed_gives_the_same_phantom(phantom: Phantom) -> None:
    again = make_phantom(SMALL)
    assert np.array_equal(again.label, phantom.label)
    assert all(np.array_equal(again.volumes[m], phantom.volumes[m]) for m in phantom.volumes)


def test_another_seed_gives_another_tumour(phantom: Phantom) -> None:
    other = make_phantom(dataclasses.replace(SMALL, seed=2))
    assert (other.label != phantom.label).mean() > 0.01


def test_all_parts_of_a_tumour_are_there(phantom: Phantom) -> None:
    assert np.unique(phantom.label).tolist() == [0, 1, 2, 3]


def test_a_tumour_without_enhancement_has_none() -> None:
    made = make_phantom(dataclasses.replace(SMALL, tumour=TumourConfig(rim=0)))
    assert set(np.unique(made.label)) == {0, 1, 2}


def test_contrasts_show_the_parts_as_mri_does(phantom: Phantom) -> None:
    assert mean(phantom, "t1ce", 3) > 1.5 * mean(phantom, "t1", 3)
    assert mean(phantom, "flair", 2) > 1.4 * mean(phantom, "flair", 0)
    assert mean(phantom, "t2", 1) > mean(phantom, "t2", 3)
    assert mean(phantom, "t1", 1) < mean(phantom, "t1", 0)


def test_a_whole_head_has_a_zero_background_and_a_brain_of_human_size() -> None:
    made = make_phantom(PhantomConfig(shape=(60, 60, 40), spacing=(4, 4, 4)))
    litres = (made.volumes["t1"] > 0).sum() * 64 / 1e6
    assert 1.0 < litres < 2.2
    assert not any(made.volumes["t1"][face].any() for face in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]))


def test_files_carry_the_grid_and_only_what_was_asked_for(phantom: Phantom, tmp_path: Path) -> None:
    write_phantom(phantom, tmp_path, "p", modalities=["t1", "flair"], label=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p_flair.nii.gz", "p_t1.nii.gz"]
    assert read_grid(tmp_path / "p_t1.nii.gz").matches(phantom.grid)
    assert np.allclose(read_volume(tmp_path / "p_t1.nii.gz").data, phantom.volumes["t1"], atol=0.5)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [({"shape": (4, 48, 48)}, "shape is"), ({"spacing": (0, 1, 1)}, "spacing is"), ({"noise": -1}, "noise -1")],
)
def test_unusable_settings_are_refused(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(SMALL, **wrong)


def test_a_tumour_outside_the_brain_is_refused() -> None:
    with pytest.raises(ValueError, match="outside the brain"):
        make_phantom(dataclasses.replace(SMALL, tumour=TumourConfig(centre=(500, 0, 0))))
