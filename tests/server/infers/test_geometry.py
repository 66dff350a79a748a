"""The infer task on images as strange as files come: the mask lies on the asked image's grid, for every reader."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ccsd.common.errors import InputError
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models.served import ServedModel
from ccsd.server.infers.ccsd import CCSDInferTask
from tests.preprocessing.conftest import moved_by

SHAPE = (40, 44, 36)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> CCSDInferTask:
    folder = tmp_path_factory.mktemp("task")
    return CCSDInferTask(ServedModel(folder / "a.pt", folder / "b.pt", BRATS, PRESETS["tiny"]), cache=folder / "cache")


def brain(shape: tuple[int, ...] = SHAPE) -> NDArray[np.float32]:
    """A ball in zeros."""
    place = (np.indices(shape).T - (np.array(shape) - 1) / 2) / (np.array(shape) / 2)
    inside = np.linalg.norm(place, axis=-1).T < 0.8
    noise = np.random.default_rng(0).uniform(100, 900, shape)
    return np.where(inside, noise, 0).astype(np.float32)


def saved(folder: Path, affine: NDArray[np.float64], data: NDArray[np.float32], *, name: str = "p_t1") -> Path:
    path = folder / f"{name}.nii.gz"
    nib.loadsave.save(nib.nifti1.Nifti1Image(data, affine), path)
    return path


def infer(task: CCSDInferTask, image: Path, **params: Any) -> nib.nifti1.Nifti1Image:
    file, _ = task({"image": str(image), "device": "cpu", **params})
    assert file is not None
    content = gzip.decompress(Path(file).read_bytes())
    Path(file).unlink()
    return nib.nifti1.Nifti1Image.from_bytes(content)


def scaled(spacing: tuple[float, float, float], turn: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = (-30, 12, 7)
    return affine if turn is None else turn @ affine


GRIDS = {
    "oblique": scaled((1, 1, 1), moved_by((20, -15, 30), (4, 5, 6))),
    "flipped": np.diag([-1.0, -1.0, 1.0, 1.0]) @ scaled((1, 1, 1)),
    "left-handed": np.diag([1.0, -1.0, 1.0, 1.0]) @ scaled((1, 1, 1)),
    "axes swapped": scaled((1, 1, 1))[[2, 0, 1, 3]],
    "anisotropic": scaled((0.6, 0.6, 4.0)),
    "anisotropic and oblique": scaled((4.0, 0.7, 0.7), moved_by((0, 25, 10), (0, 0, 0))),
    "few thick slices": scaled((0.5, 0.5, 6.5)),
}


@pytest.mark.parametrize("name", GRIDS)
def test_the_mask_lies_on_the_asked_grid(task: CCSDInferTask, tmp_path: Path, name: str) -> None:
    shape = (64, 64, 12) if name == "few thick slices" else SHAPE
    image = saved(tmp_path, GRIDS[name], brain(shape))
    mask = infer(task, image)
    assert mask.shape == shape
    assert np.allclose(mask.affine, nib.loadsave.load(image).affine, atol=1e-4)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    spacing=st.tuples(*[st.floats(0.5, 5)] * 3),
    flips=st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3),
)
def test_any_rigid_grid_comes_back(
    task: CCSDInferTask,
    tmp_path: Path,
    angles: tuple[float, float, float],
    spacing: tuple[float, float, float],
    flips: tuple[float, float, float],
) -> None:
    affine = moved_by(angles, (1, 2, 3)) @ np.diag([*np.multiply(spacing, flips), 1.0])
    image = saved(tmp_path, affine, brain((20, 24, 16)))
    mask = infer(task, image)
    assert mask.shape == (20, 24, 16)
    assert np.allclose(mask.affine, nib.loadsave.load(image).affine, atol=1e-3)


def test_where_qform_and_sform_differ_the_mask_has_both(task: CCSDInferTask, tmp_path: Path) -> None:
    image = nib.nifti1.Nifti1Image(brain(), scaled((1, 1, 1)))
    image.set_sform(scaled((1, 1, 1)), 2)
    image.set_qform(scaled((1, 1, 1), moved_by((0, 0, 20), (9, 0, 0))), 1)
    nib.loadsave.save(image, tmp_path / "p_t1.nii.gz")
    mask = infer(task, tmp_path / "p_t1.nii.gz")
    written = nib.loadsave.load(tmp_path / "p_t1.nii.gz")
    assert np.allclose(mask.get_sform(), written.get_sform(), atol=1e-4)
    assert np.allclose(mask.get_qform(), written.get_qform(), atol=1e-4)
    assert int(mask.header["qform_code"]) == 1
    nib.loadsave.save(mask, tmp_path / "mask.nii.gz")
    ours, theirs = (SimpleITK.ReadImage(str(tmp_path / f)) for f in ("mask.nii.gz", "p_t1.nii.gz"))
    assert np.allclose(ours.GetOrigin(), theirs.GetOrigin(), atol=1e-4)
    assert np.allclose(ours.GetDirection(), theirs.GetDirection(), atol=1e-4)


def test_a_sheared_grid_comes_back_prepared_and_is_refused_raw(task: CCSDInferTask, tmp_path: Path) -> None:
    affine = scaled((1, 1, 2))
    affine[1, 2] = 0.6  # each slice slides along y, as behind a tilted gantry
    image = saved(tmp_path, affine, brain())
    assert np.allclose(infer(task, image).affine, affine, atol=1e-4)
    with pytest.raises(InputError, match="t1 has axes that are not at right angles"):
        infer(task, image, preprocess="full")
