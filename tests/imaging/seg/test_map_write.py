"""A DICOM Parametric Map is read back on its series by dcmqi, which 3D Slicer reads them with, and by pydicom."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from ccsd.imaging.dicom_volume import series_grid
from ccsd.imaging.grid import Grid
from ccsd.imaging.map_write import make_map
from tests.imaging.seg.test_round_trip import GEOMETRIES, MODEL, series


def some_map(grid: Grid) -> NDArray[np.float32]:
    return np.random.default_rng(4).uniform(0, 1, grid.shape).astype(np.float32)


def read_by_dcmqi(path: Path, folder: Path, grid: Grid) -> NDArray[np.float32]:
    """Brought to the series' grid by the affine of what dcmqi writes."""
    folder.mkdir()
    program = Path(sys.executable).parent / "paramap2itkimage"
    command = [str(program), "--inputDICOM", str(path), "--outputDirectory", str(folder), "-t", "nifti"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    (file,) = folder.glob("*.nii.gz")
    image = nib.loadsave.load(file)
    points = np.argwhere(np.ones(image.shape, dtype=bool))
    index = nib.affines.apply_affine(np.linalg.inv(grid.affine) @ image.affine, points)
    assert np.abs(index - np.rint(index)).max() < 1e-2
    found = np.full(grid.shape, np.nan, np.float32)
    found[tuple(np.rint(index).astype(int).T)] = np.asarray(image.dataobj)[tuple(points.T)]
    return found


@pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)
def test_a_map_comes_back_voxel_by_voxel_on_its_series(geometry: dict[str, object], tmp_path: Path) -> None:
    files = series(tmp_path / "series", **geometry)
    grid = series_grid(files, "the series")
    values = some_map(grid)
    made = make_map(values, files, "agreement", MODEL)
    made.save_as(tmp_path / "map.dcm", write_like_original=False)
    assert np.array_equal(read_by_dcmqi(tmp_path / "map.dcm", tmp_path / "dcmqi", grid), values)


def test_a_map_says_what_it_is_of_whom_and_by_which_model(tmp_path: Path) -> None:
    files = series(tmp_path / "series")
    made = make_map(some_map(series_grid(files, "the series")), files, "agreement", MODEL)
    made.save_as(tmp_path / "map.dcm", write_like_original=False)
    read = pydicom.dcmread(tmp_path / "map.dcm")
    assert read.SOPClassUID == pydicom.uid.ParametricMapStorage
    assert (read.PatientID, read.StudyInstanceUID, read.FrameOfReferenceUID) == ("p1", "1.2.3", "1.2.3.9")
    assert (read.SoftwareVersions, read.SeriesDescription) == (MODEL.version, MODEL.description)
    mapping = read.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    assert mapping.LUTLabel == "agreement"
    assert [mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept] == [1, 0]
