"""A study as scanned, through a real server: skull on, thick slices, a grid a series, free-form names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tests.conftest import SHARED_DATA
from tests.e2e.conftest import Server, start_server
from tests.e2e.test_server import parts_of

STUDY = SHARED_DATA / "raw" / "TCGA-FG-6692"


@pytest.fixture(scope="module")
def raw_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if not STUDY.is_dir():
        pytest.skip("the raw study TCGA-FG-6692 is not on this machine (../shared/data)")
    studies = tmp_path_factory.mktemp("raw") / "studies"
    studies.mkdir()
    for file in STUDY.glob("*.nii.gz"):
        (studies / file.name).symlink_to(file.resolve())
    yield from start_server(studies, tmp_path_factory.mktemp("raw_server"))


def test_masks_lie_on_the_asked_series_and_the_second_costs_no_preparation(raw_server: Server, tmp_path: Path) -> None:
    names = [file.name.removesuffix(".nii.gz") for file in sorted(raw_server.studies.glob("*.nii.gz"))]
    answers = [raw_server.infer(name, output="all", params='{"window": 0}') for name in names]
    assert [a.status_code for a in answers] == [200] * len(names), [a.text for a in answers]
    found = [parts_of(answer, tmp_path / name) for name, answer in zip(names, answers, strict=True)]
    parts = [said["ccsd"] for said, _ in found]
    assert [sorted(p["modalities"]["used"]) for p in parts] == [["flair", "t1", "t1ce", "t2"]] * len(names)
    assert all(p["preprocess"]["route"] == "raw" for p in parts)
    assert [p["preprocess"]["cached"] for p in parts] == [False, *[True] * (len(names) - 1)]
    assert set(parts[0]["preprocess"]["seconds"]) == {"brain", "register", "template", "resample"}
    for name, (_, mask) in zip(names, found, strict=True):
        image = nib.loadsave.load(raw_server.studies / f"{name}.nii.gz")
        assert mask.shape == image.shape
        assert np.allclose(mask.affine, image.affine, atol=1e-4)


def test_off_refuses_series_of_different_grids_with_one_sentence(raw_server: Server) -> None:
    name = next(f.name.removesuffix(".nii.gz") for f in raw_server.studies.glob("*FLAIR*.nii.gz"))
    refused = raw_server.infer(name, params='{"preprocess": "off"}')
    assert refused.status_code == 400
    assert "expected all modalities of a study on one grid" in refused.json()["detail"]
    wrong = raw_server.infer(name, params='{"preprocess": "quick"}')
    assert wrong.status_code == 400
    assert "preprocess is 'quick', expected one of auto, off, full" in wrong.json()["detail"]
