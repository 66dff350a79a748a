"""Slabs, few slices, series of part of a brain and other frames of reference: a mask by the rest, a sentence, or 4xx.

Sources: issues of BrainLesion's preprocessing and of BraTS-Toolkit (samples map outside the image), of fMRIPrep and
CaPTk (limited field of view), of nnU-Net (50 slices of FLAIR, another number of T1), of deepbrain (one slice).
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from ccsd.common.errors import InputError, UnalignedError
from ccsd.imaging.volumes import Grid, Volume
from ccsd.preprocessing.brain import is_stripped
from ccsd.preprocessing.common_space import CommonSpace, is_prepared, reference_of, to_common_space, with_target
from ccsd.preprocessing.register import register_rigid
from ccsd.preprocessing.template import template
from tests.strangers.heads import brain, head, volume

MIDDLE = slice(11, 19)


@pytest.mark.parametrize("slices", [slice(12, 15), slice(8, 13), slice(10, 22), slice(None)])
@pytest.mark.parametrize("air", [0.0, 15.0])
def test_a_skull_is_told_in_a_slab_too(slices: slice, air: float) -> None:
    noise = np.abs(np.random.default_rng(2).normal(0, air, brain().shape)).astype(np.float32)
    assert not is_stripped(volume(head() + noise, slices=slices))
    assert is_stripped(volume(brain(), slices=slices))


def test_a_t2_whose_rim_looks_like_a_scalp_is_judged_by_the_images_with_its_outline() -> None:
    inside = brain() != 0
    ring = inside & ~ndimage.binary_erosion(inside, iterations=2)
    deeper = inside & ~ring & ~ndimage.binary_erosion(inside, iterations=5)
    t2 = volume((brain() + 900 * ring - 0.8 * brain() * deeper).astype(np.float32))
    assert not is_stripped(t2)
    assert not is_prepared({"t2": t2})
    assert is_prepared({"t2": t2, "flair": volume(brain(inverted=True))})


def test_a_t2_of_a_head_is_told_beside_a_brain_and_beside_a_head() -> None:
    head_t2 = volume(head())
    assert not is_prepared({"t2": head_t2, "flair": volume(brain())})
    assert not is_prepared({"t2": head_t2, "flair": volume(head(inverted=True))})


def test_few_slices_with_skull_are_refused_and_without_carry_a_sentence() -> None:
    few = slice(13, 16)
    with pytest.raises(InputError, match="flair: 3 slices with skull, expected 5 or more"):
        to_common_space({"flair": volume(head(), slices=few)}, target="flair")
    stripped = to_common_space({"flair": volume(brain(), slices=few)}, target="flair")
    assert stripped.warnings == ["flair has 3 slices, the network was trained on whole brains: check the mask"]


def test_a_series_of_part_of_the_brain_is_no_reference() -> None:
    slab, whole = volume(brain(), slices=MIDDLE), volume(brain(inverted=True))
    thin = Volume(slab.data, Grid(slab.grid.shape, slab.grid.affine @ np.diag([1, 1, 0.3, 1])))
    assert reference_of({"t1": slab, "flair": whole}) == "flair"
    assert reference_of({"t1": thin, "flair": whole}) == "flair"


@pytest.fixture(scope="module")
def common() -> CommonSpace:
    """A whole FLAIR, eight slices of T1ce and two of T2."""
    study = {
        "t1ce": volume(brain(), slices=MIDDLE),
        "t2": volume(brain(), slices=slice(10, 12)),
        "flair": volume(brain(inverted=True)),
    }
    return to_common_space(study, target="flair")


def test_a_series_of_part_of_the_brain_is_left_out_and_masks_go_back_to_it(common: CommonSpace) -> None:
    assert common.left_out["t1ce"].startswith("it covers ")
    assert "expected 80% or more" in common.left_out["t1ce"]
    place = np.linalg.inv(common.transforms["t1ce"]) @ common.transforms["flair"]
    assert np.allclose(place, np.eye(4))  # by the scanner's coordinates
    back = with_target(common, "t1ce").label_to_native((common.volumes["flair"].data > 0).astype(np.uint8))
    assert back.shape == (*brain().shape[:2], 8)
    assert back.any(axis=(0, 1)).all()


def test_a_few_slices_beside_a_whole_series_are_left_out(common: CommonSpace) -> None:
    assert common.left_out["t2"] == "it has 2 slices, expected 5 or more beside flair"
    assert "t2" not in common.volumes
    with pytest.raises(InputError, match="the target image t2 cannot be used: it has 2 slices, expected 5"):
        with_target(common, "t2")


def test_empty_slices_on_one_grid_are_not_taken_for_scanned_ones() -> None:
    padded = np.zeros_like(brain())
    padded[:, :, MIDDLE] = brain()[:, :, MIDDLE]
    common = to_common_space({"t1ce": volume(padded), "flair": volume(brain(inverted=True))}, target="flair")
    assert (common.route, list(common.left_out)) == ("prepared", ["t1ce"])


@pytest.mark.parametrize("away", [200.0, 400.0])
def test_series_of_other_frames_of_reference_are_aligned_by_what_they_show(away: float) -> None:
    found = register_rigid(volume(brain()), volume(brain(1, inverted=True), shift=(0, 0, away)), fine=False)
    place = found.matrix[:3, 3] + found.matrix[:3, :3] @ (0, 0, 0)
    assert np.abs(place - (0, 0, away)).max() < 4


def test_a_head_far_from_the_origin_finds_the_standard_brain() -> None:
    found = register_rigid(template(), volume(brain(), shift=(400, 0, -400)), fine=False)
    assert np.abs(found.matrix[:3, 3] - (400, 0, -400)).max() < 60


def test_no_error_of_a_library_leaves_the_preparation() -> None:
    noise = np.random.default_rng(0).normal(500, 200, (9, 9, 9)).astype(np.float32)
    with pytest.raises(InputError, match="t1: no brain was found"):
        to_common_space({"t1": Volume(noise, Grid((9, 9, 9), np.diag([30.0, 30, 30, 1])))}, target="t1", mode="full")


def test_images_that_never_meet_cannot_be_aligned() -> None:
    with pytest.raises(UnalignedError, match="nothing in common"):
        register_rigid(
            volume(brain()), Volume(np.zeros((4, 4, 4), np.float32), Grid((4, 4, 4), np.diag([1, 1, 1, 1.0])))
        )
