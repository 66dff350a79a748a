"""A mask says how it was made, wherever it is written, and the same question has the same answer, bit for bit."""

from __future__ import annotations

import itertools
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import nibabel as nib
import nrrd
import numpy as np
import pytest
import SimpleITK
from monai.transforms import LoadImage
from numpy.typing import NDArray

from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.imaging.volumes import read_grid
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models import checkpoint
from ccsd.models.served import ServedModel
from ccsd.server.infers.ccsd import CCSDInferTask
from tests.e2e.conftest import start_server
from tests.e2e.test_server import read_mask

PARAMS: dict[str, Any] = {"modalities": "t1,flair", "window": 64, "overlap": 0.5, "specks": 0, "device": "cpu"}


def task(weights: Path, folder: Path) -> CCSDInferTask:
    return CCSDInferTask(ServedModel(folder / "none.pt", weights, BRATS, PRESETS["tiny"]), cache=folder / "cache")


@pytest.fixture(scope="module")
def study(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("provenance")
    write_phantom(phantom, folder / "ward^seven", "ward^seven", label=False)
    return folder / "ward^seven"


@pytest.fixture(scope="module", params=[".nii.gz", ".nii", ".nrrd"])
def written(
    request: pytest.FixtureRequest, study: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """A mask file and the answer that goes with it."""
    folder = tmp_path_factory.mktemp("mask")
    wanted = {"image": str(study / "ward^seven_flair.nii.gz"), **PARAMS, "result_extension": request.param}
    file, answer = task(weights, folder)(wanted)
    assert file is not None
    return Path(file).rename(folder / f"mask{request.param}"), answer["ccsd"]


def said_in(file: Path) -> dict[str, str]:
    if file.suffix == ".nrrd":
        header = nrrd.read_header(str(file))
        return {name.removeprefix("ccsd "): v for name, v in header.items() if name.startswith("ccsd ")}
    (comment,) = nib.loadsave.load(file).header.extensions
    assert comment.get_code() == 6
    said: dict[str, str] = json.loads(comment.text)
    return said


def test_the_answer_says_the_settings(written: tuple[Path, dict[str, Any]]) -> None:
    settings = dict(written[1]["settings"])
    assert settings.pop("precision") in ("float32", "bfloat16")
    assert settings == {"window": 64, "overlap": 0.5, "specks": 0.0, "device": "cpu"}


def test_a_mask_says_how_it_was_made_and_names_no_image(written: tuple[Path, dict[str, Any]], weights: Path) -> None:
    """File names can be those of patients."""
    file, answer = written
    assert said_in(file) == {
        "model": checkpoint.card_in(weights).version,
        "task": "brats",
        "modalities": "t1, flair",
        "preprocess": "prepared",
        "window": "64",
        "overlap": "0.5",
        "specks": "0.0",
        "precision": answer["settings"]["precision"],
        "device": "cpu",
    }


def test_a_nifti_mask_says_it_in_short_too(written: tuple[Path, dict[str, Any]], weights: Path) -> None:
    file, _ = written
    if file.suffix == ".nrrd":
        return
    short = bytes(nib.loadsave.load(file).header["descrip"].tobytes()).rstrip(b"\0").decode()
    assert short == f"{checkpoint.card_in(weights).version} from t1, flair"


def test_every_reader_finds_the_mask_where_the_image_is(written: tuple[Path, dict[str, Any]], study: Path) -> None:
    file, _ = written
    image = SimpleITK.ReadImage(str(study / "ward^seven_flair.nii.gz"))
    mask = SimpleITK.ReadImage(str(file))
    for name in ("GetSize", "GetOrigin", "GetSpacing", "GetDirection"):
        assert np.allclose(getattr(mask, name)(), getattr(image, name)(), atol=1e-4)
    by_itk = SimpleITK.GetArrayFromImage(mask).T
    by_monai = LoadImage(image_only=True)(str(file))
    assert np.array_equal(np.asarray(by_monai), by_itk)
    assert np.allclose(by_monai.affine, read_grid(study / "ward^seven_flair.nii.gz").affine, atol=1e-4)
    assert set(np.unique(by_itk)) > {0}


def voxels(infer: CCSDInferTask, study: Path, **params: Any) -> NDArray[np.uint8]:
    file, _ = infer({"image": str(study / "ward^seven_flair.nii.gz"), "device": "cpu", **params})
    assert file is not None
    mask = np.asarray(nib.loadsave.load(file).dataobj)
    Path(file).unlink()
    return mask


@pytest.mark.parametrize("params", [{}, {"modalities": "t1,flair"}, {"window": 32}], ids=["all", "two", "windows"])
def test_kept_features_change_no_voxel(study: Path, weights: Path, tmp_path: Path, params: dict[str, Any]) -> None:
    known, fresh = task(weights, tmp_path), task(weights, tmp_path)
    voxels(known, study)  # all four are kept
    first = voxels(fresh, study, **params)
    assert first.any()
    assert np.array_equal(voxels(known, study, **params), first)
    assert np.array_equal(voxels(fresh, study, **params), first)


def test_two_servers_give_the_same_mask_twice(study: Path, weights: Path, tmp_path: Path) -> None:
    masks = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        with closing(start_server(study, tmp_path / name, weights=weights)) as servers:
            server = next(servers)
            for _ in range(2):
                mask = read_mask(server.infer("ward^seven_flair", output="image"), tmp_path)
                masks.append(np.array(mask.dataobj))
    assert masks[0].any()
    assert all(np.array_equal(a, b) for a, b in itertools.pairwise(masks))
