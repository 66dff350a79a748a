from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsd.imaging.volumes import Grid, Volume
from ccsd.preprocessing.prepare import prepare, prepare_label, z_score

MODALITIES = ("t1", "t1ce", "t2", "flair")
ORIENTATIONS = st.permutations(range(3)).flatmap(
    lambda order: st.tuples(st.just(order), st.tuples(*[st.sampled_from([-1, 1])] * 3))
)


def blob(shape: tuple[int, int, int]) -> np.ndarray:
    """A brain-like ellipsoid off the middle with a mark that no flip or turn maps to itself."""
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    inside = (axes[0] - 0.1) ** 2 + axes[1] ** 2 + (axes[2] + 0.1) ** 2 < 0.6
    data = np.where(inside, 100 + 20 * axes[0] + 10 * axes[1] + 5 * axes[2], 0)
    return data.astype(np.float32)


def affine_of(order: tuple[int, ...], signs: tuple[int, ...], spacing: tuple[float, ...], tilt: float) -> np.ndarray:
    matrix = np.zeros((3, 3))
    for column, (row, sign) in enumerate(zip(order, signs, strict=True)):
        matrix[row, column] = sign * spacing[column]
    return nib.affines.from_matvec(nib.eulerangles.euler2mat(tilt, tilt / 2, -tilt) @ matrix, [3, -20, 7])


@settings(max_examples=60, deadline=None)
@given(ORIENTATIONS, st.sampled_from([0.0, 0.15, 0.3]))
def test_a_mask_comes_back_on_the_asked_grid_whatever_its_axes(
    orientation: tuple[tuple[int, ...], tuple[int, ...]], tilt: float
) -> None:
    data = blob((14, 18, 22))
    grid = Grid((14, 18, 22), affine_of(*orientation, (1.0, 1.0, 1.0), tilt))
    prepared = prepare({"t1": Volume(data, grid)}, MODALITIES, spacing=1.0)
    mark = (data > 105).astype(np.uint8)
    restored = prepared.frame.to_native(prepare_label(mark, prepared.frame)[None].float())
    assert np.array_equal(restored[0].numpy() > 0.5, mark.astype(bool))


@settings(max_examples=30, deadline=None)
@given(ORIENTATIONS)
def test_the_network_sees_the_same_picture_whatever_the_axes(
    orientation: tuple[tuple[int, ...], tuple[int, ...]],
) -> None:
    canonical = nib.nifti1.Nifti1Image(blob((14, 18, 22)), np.eye(4))
    order, signs = orientation
    turn = np.array([[axis, sign] for axis, sign in zip(order, signs, strict=True)], dtype=float)
    turned = canonical.as_reoriented(turn)
    first = prepare({"t1": Volume(blob((14, 18, 22)), Grid((14, 18, 22), np.eye(4)))}, MODALITIES, spacing=1.0)
    volume = Volume(np.asarray(turned.dataobj), Grid(turned.shape, turned.affine))
    second = prepare({"t1": volume}, MODALITIES, spacing=1.0)
    assert torch.allclose(first.volumes, second.volumes, atol=1e-5)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 5.5), (0.5, 0.5, 1.2), (3.0, 1.0, 1.0)])
def test_anisotropic_images_are_worked_on_at_1_mm_and_answered_on_their_own_grid(spacing: tuple[float, ...]) -> None:
    shape = (40, 44, 16)
    data = blob(shape)
    grid = Grid(shape, affine_of((0, 1, 2), (-1, -1, 1), spacing, 0.2))
    prepared = prepare({"flair": Volume(data, grid)}, MODALITIES, spacing=1.0)
    expected = [round(n * mm) for n, mm in zip(shape, spacing, strict=True)]
    assert list(prepared.frame.working) == expected
    mark = (data > 100).astype(np.uint8)
    restored = prepared.frame.to_native(prepare_label(mark, prepared.frame)[None].float())[0].numpy() > 0.5
    assert restored.shape == shape
    overlap = 2 * (restored & (mark > 0)).sum() / (restored.sum() + mark.sum())
    assert overlap > 0.9
    shift = np.argwhere(restored).mean(axis=0) - np.argwhere(mark).mean(axis=0)
    assert np.abs(shift).max() < 0.2  # voxels: half a voxel would betray a wrong alignment of the grids


def test_absent_modalities_are_zero_and_marked_absent() -> None:
    grid = Grid((12, 12, 12), np.eye(4))
    prepared = prepare({"t2": Volume(blob((12, 12, 12)), grid)}, MODALITIES, spacing=1.0)
    assert prepared.present.tolist() == [False, False, True, False]
    assert not prepared.volumes[[0, 1, 3]].any()
    assert prepared.volumes[2].any()


def test_the_box_holds_the_brain_and_nothing_around_it() -> None:
    data = np.zeros((20, 20, 20), np.float32)
    data[4:9, 5:15, 10:12] = np.random.default_rng(0).uniform(1, 2, (5, 10, 2))
    prepared = prepare({"t1": Volume(data, Grid((20, 20, 20), np.eye(4)))}, MODALITIES, spacing=1.0)
    assert prepared.frame.box == ((4, 9), (5, 15), (10, 12))


def test_z_score_is_of_the_brain_alone() -> None:
    volume = torch.zeros(4, 4, 4)
    volume[1:3, 1:3, 1:3] = torch.arange(1, 9).reshape(2, 2, 2).float()
    scored = z_score(volume)
    brain = scored[volume != 0]
    assert brain.mean().item() == pytest.approx(0, abs=1e-6)
    assert brain.std().item() == pytest.approx(1, abs=1e-5)
    assert not scored[volume == 0].any()
