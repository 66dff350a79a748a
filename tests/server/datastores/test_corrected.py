"""A mask that a person corrected, saved as a label: it lies on its image's grid and says where it comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from ccsd.common.errors import InputError
from ccsd.imaging.grid import Grid
from ccsd.imaging.volumes import read_grid, write_volume
from ccsd.method.task import BRATS
from ccsd.server.datastores.folder import open_folder
from ccsd.server.datastores.store import StudyDatastore

STORED = Grid(
    (12, 16, 20), np.array([[0, 0, 2.0, -7], [-1, 0, 0, 9], [0, -1.5, 0, 4], [0, 0, 0, 1]])
)  # as PIL: sagittal
SHOWN = nib.orientations.inv_ornt_aff(nib.orientations.io_orientation(STORED.affine), STORED.shape)


@pytest.fixture
def store(tmp_path: Path) -> StudyDatastore:
    """With one image, whose voxels are stored as scanners store sagittal slices."""
    data = np.random.default_rng(0).normal(100, 10, STORED.shape).astype(np.float32)
    write_volume(tmp_path / "p_flair.nii.gz", data, STORED)
    return open_folder(tmp_path, BRATS)


def save(store: StudyDatastore, folder: Path, **info: Any) -> tuple[Path, np.ndarray]:
    """One voxel of the core, sent along the patient's axes as a page sends it. Returns the label's file and the stored
    index of the voxel."""
    affine = STORED.affine @ SHOWN
    shape = tuple(int(n) for n in np.abs(np.round(np.linalg.inv(SHOWN)[:3, :3])) @ np.array(STORED.shape))
    index = np.array([3, 5, 7])
    data = np.zeros(shape, np.uint8)
    data[tuple(index)] = 1
    write_volume(folder / ".sent.nii.gz", data, Grid((shape[0], shape[1], shape[2]), affine))
    store.save_label("p_flair", str(folder / ".sent.nii.gz"), "final", info)
    return Path(store.get_label_uri("p_flair", "final")), np.round(SHOWN @ [*index, 1])[:3].astype(int)


def test_it_lies_on_the_images_grid_though_it_was_sent_along_the_patients_axes(
    store: StudyDatastore, tmp_path: Path
) -> None:
    file, index = save(store, tmp_path)
    label = nib.loadsave.load(file)
    assert isinstance(label, nib.nifti1.Nifti1Image)
    assert read_grid(file).matches(STORED)
    assert np.argwhere(np.asarray(label.dataobj)).tolist() == [index.tolist()]


def test_its_file_and_its_notes_name_the_weights_whose_mask_it_was(store: StudyDatastore, tmp_path: Path) -> None:
    file, _ = save(store, tmp_path, corrected_from="small-5fc04926da")
    assert store.get_label_info("p_flair", "final")["corrected_from"] == "small-5fc04926da"
    header = nib.nifti1.Nifti1Image.from_filename(file).header
    assert bytes(header["descrip"].item()) == b"corrected from small-5fc04926da"
    (comment,) = [e for e in header.extensions if e.get_code() == 6]
    assert json.loads(comment.get_content()) == {"corrected from": "small-5fc04926da"}


def test_a_label_that_nobody_said_this_of_says_nothing(store: StudyDatastore, tmp_path: Path) -> None:
    file, _ = save(store, tmp_path)
    assert not nib.nifti1.Nifti1Image.from_filename(file).header.extensions


@pytest.mark.parametrize("origin", [7, ["w1"], "x" * 101, "a\nb"])
def test_what_is_no_short_text_is_refused(store: StudyDatastore, tmp_path: Path, origin: Any) -> None:
    with pytest.raises(InputError, match=r"corrected_from is .* expected a text of at most 100 characters"):
        save(store, tmp_path, corrected_from=origin)
    assert store.get_label_uri("p_flair", "final") == ""
