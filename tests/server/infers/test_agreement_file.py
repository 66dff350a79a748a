"""The map of agreement lies beside the mask that the infer task writes, and each kind of answer takes what it sends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from fastapi import BackgroundTasks
from requests_toolbelt.multipart import decoder

from ccsd.common.errors import InputError
from ccsd.imaging.grid import Grid
from ccsd.imaging.volumes import write_volume
from ccsd.inference.mask_file import agreement_beside
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models.served import ServedModel
from ccsd.server.api import infer
from ccsd.server.api.infer import Output
from ccsd.server.infers.ccsd import CCSDInferTask
from ccsd.server.page import viewer

Answer = Callable[..., Any]


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CCSDInferTask:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return CCSDInferTask(ServedModel(tmp_path / "a", tmp_path / "b", BRATS, PRESETS["tiny"]), cache=tmp_path / "cache")


@pytest.fixture
def answer(task: CCSDInferTask, study_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Answer:
    """What is sent for an `output`, with parameters, of the study's FLAIR."""

    class App:
        def datastore(self) -> None:
            return None

        def infer(self, wanted: dict[str, Any]) -> dict[str, Any]:
            file, params = task(wanted)
            return {"file": file, "params": params}

    monkeypatch.setattr(infer, "app_instance", App)

    def ask(output: Output | None, **params: Any) -> Any:
        wanted = {"image": str(study_folder / "case_flair.nii.gz"), "device": "cpu", "window": 64, **params}
        return infer._segment(wanted, output, BackgroundTasks())

    return ask


def files(folder: Path) -> list[str]:
    return sorted(f.name for f in folder.iterdir() if f.is_file())


def test_the_map_alone_is_sent_and_nothing_else_stays(answer: Answer, tmp_path: Path) -> None:
    sent = answer(Output.agreement, confidence=True, result_extension=".nii")
    values = np.asarray(nib.loadsave.load(sent.path).dataobj)
    assert values.dtype == np.float32
    assert values.shape == (48, 48, 48)
    assert 0 <= values.min() < 1 == values.max()
    assert files(tmp_path) == [Path(sent.path).name]


def test_all_has_the_map_as_a_part_before_the_mask(answer: Answer, tmp_path: Path) -> None:
    sent = answer(Output.all, confidence=True, result_extension=".nii")
    parts = decoder.MultipartDecoder(sent.body, sent.media_type).parts
    names = [part.headers[b"Content-Disposition"].decode().split('"')[1] for part in parts]
    assert names == ["params", "agreement", "image"]
    assert json.loads(parts[0].content)["ccsd"]["confidence"]["reason"] is None
    agreed, mask = (nib.nifti1.Nifti1Image.from_bytes(part.content) for part in parts[1:])
    assert (agreed.get_data_dtype(), mask.get_data_dtype()) == (np.float32, np.uint8)
    assert np.array_equal(agreed.affine, mask.affine)
    assert files(tmp_path) == []


@pytest.mark.parametrize("output", [None, Output.json, Output.image])
def test_clients_that_know_nothing_of_it_get_what_they_always_got(
    answer: Answer, tmp_path: Path, output: Output | None
) -> None:
    sent = answer(output, confidence=True)
    assert [name for name in files(tmp_path) if "agreement" in name] == []
    if output is None:
        parts = decoder.MultipartDecoder(sent.body, sent.media_type).parts
        assert len(parts) == 2


def test_a_map_of_one_modality_is_refused_in_a_sentence(answer: Answer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="output is agreement, but the study has one modality"):
        answer(Output.agreement, confidence=True, modalities="flair")
    assert files(tmp_path) == []


def test_no_map_is_made_unless_it_is_asked_for(task: CCSDInferTask, study_folder: Path) -> None:
    file, told = task({"image": str(study_folder), "device": "cpu", "window": 64})
    assert told["ccsd"]["confidence"] is None
    assert not agreement_beside(Path(str(file))).exists()


def test_the_page_takes_a_map_that_is_1_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As that of a brain without a tumour."""
    mask, shape = tmp_path / "p_seg.nii.gz", (4, 5, 6)
    write_volume(mask, np.zeros(shape, np.uint8), Grid(shape, np.eye(4)))
    write_volume(agreement_beside(mask), np.ones(shape, np.float32), Grid(shape, np.eye(4)))
    monkeypatch.setattr(viewer, "model_config", lambda: SimpleNamespace(task=BRATS))
    made = viewer._made(mask, "p_flair", {})
    assert made.agreement is not None
    assert (made.agreement == 255).all()
    assert files(tmp_path) == []
