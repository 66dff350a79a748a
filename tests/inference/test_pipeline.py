"""A study, given in whichever way, is segmented without a server, and as the server does it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from ccsd.common.errors import InputError, NotFoundError
from ccsd.inference import pipeline
from ccsd.inference.mask_file import write_mask
from ccsd.inference.pipeline import Options, Segmenter, region_probabilities, segment
from ccsd.inference.windows import WindowConfig
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models import checkpoint
from ccsd.models.served import ServedModel
from ccsd.server.infers.ccsd import CCSDInferTask
from ccsd.studies.study import study_of
from tests.server.infers.test_geometry import GRIDS, SHAPE, brain, saved

OPTIONS = Options(window=WindowConfig(edge=64), device=torch.device("cpu"))
CPU = {"window": 64, "device": "cpu"}


def server(weights: Path, folder: Path) -> CCSDInferTask:
    return CCSDInferTask(ServedModel(folder / "none.pt", weights, BRATS, PRESETS["tiny"]), cache=folder / "cache")


@pytest.mark.parametrize("params", [{}, {"modalities": "flair"}, {"modalities": "t1,t1ce", "specks": 0}])
def test_the_mask_is_that_of_the_server_bit_for_bit(
    study_folder: Path, weights: Path, tmp_path: Path, params: Mapping[str, object]
) -> None:
    target = study_folder / "case_flair.nii.gz" if "flair" in str(params) else study_folder / "case_t1.nii.gz"
    file, answer = server(weights, tmp_path)({"image": str(target), **CPU, **params})
    chosen = tuple(str(params["modalities"]).split(",")) if params else None
    fraction = 0.0 if "specks" in params else OPTIONS.min_component_fraction
    options = Options(chosen, window=OPTIONS.window, min_component_fraction=fraction, device=OPTIONS.device)
    found = segment(target, weights=weights, options=options)
    assert np.array_equal(nib.loadsave.load(str(file)).dataobj, found.label)
    assert answer["ccsd"] == found.answer()
    write_mask(tmp_path / "own.nii.gz", found)
    assert (tmp_path / "own.nii.gz").read_bytes()[10:] == Path(str(file)).read_bytes()[10:]  # gzip's header has a time


def test_a_folder_an_archive_and_files_by_modality_give_one_mask(
    study_folder: Path, weights: Path, tmp_path: Path
) -> None:
    (study_folder / "case_seg.nii.gz").unlink()
    with zipfile.ZipFile(tmp_path / "case.zip", "w") as archive:
        for file in study_folder.iterdir():
            archive.write(file, file.name)
    files = {m: study_folder / f"case_{m}.nii.gz" for m in ("flair", "t1", "t1ce", "t2")}
    found = [segment(given, weights=weights, options=OPTIONS) for given in (study_folder, tmp_path / "case.zip")]
    found.append(segment(weights=weights, options=OPTIONS, **files))
    assert all(np.array_equal(one.label, found[0].label) for one in found)
    assert found[2].answer()["modalities"]["rules"]["t1"] == "named by the user"


def test_names_of_files_count_for_nothing_where_the_user_says_what_they_are(
    study_folder: Path, weights: Path, tmp_path: Path
) -> None:
    shutil.copy(study_folder / "case_t2.nii.gz", tmp_path / "a.nii.gz")
    shutil.copy(study_folder / "case_t1.nii.gz", tmp_path / "b.nii.gz")
    found = segment(t2=tmp_path / "a.nii.gz", t1=tmp_path / "b.nii.gz", weights=weights, options=OPTIONS)
    known = segment(study_folder / "case_t2.nii.gz", weights=weights, options=Options(("t1", "t2"), **_same(OPTIONS)))
    assert np.array_equal(found.label, known.label)
    assert found.target.path == tmp_path / "a.nii.gz"


def _same(options: Options) -> dict[str, object]:
    return {"window": options.window, "device": options.device}


@pytest.mark.parametrize("name", GRIDS)
def test_the_mask_lies_on_the_images_voxels(weights: Path, tmp_path: Path, name: str) -> None:
    image = saved(tmp_path, GRIDS[name], brain(SHAPE))
    found = segment(image, weights=weights, options=OPTIONS)
    assert found.label.shape == SHAPE
    assert np.allclose(found.grid.affine, nib.loadsave.load(image).affine, atol=1e-4)
    write_mask(tmp_path / "mask.nii.gz", found)
    assert np.allclose(nib.loadsave.load(tmp_path / "mask.nii.gz").affine, nib.loadsave.load(image).affine, atol=1e-4)


def test_what_was_found_is_told(study_folder: Path, weights: Path) -> None:
    found = segment(study_folder, weights=weights, options=Options(("t1", "flair"), **_same(OPTIONS)))
    assert (found.used, found.missing) == (["t1", "flair"], ["t1ce", "t2"])
    voxels = int((found.label > 0).sum())
    assert found.volumes_ml["WT"] == pytest.approx(voxels / 1000, abs=1e-3)
    assert found.warnings == found.answer()["warnings"]
    assert "t1ce" in " ".join(found.warnings)


def test_a_published_model_is_used_from_the_next_study_on(study_folder: Path, weights: Path, tmp_path: Path) -> None:
    segmenter = Segmenter(ServedModel(tmp_path / "new.pt", weights, BRATS, PRESETS["tiny"]))
    study = study_of(study_folder)
    first = segmenter.segment(study, options=OPTIONS).checkpoint.version
    other = checkpoint.untrained(BRATS, PRESETS["tiny"], seed=1).network
    published = checkpoint.save(tmp_path / "new.pt", other, name="other")
    assert segmenter.segment(study, options=OPTIONS).checkpoint.version == published != first


@pytest.mark.parametrize("networks", [1, 2])
def test_so_many_studies_share_the_cores_as_were_asked_for(
    study_folder: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, networks: int
) -> None:
    both, threads = threading.Barrier(2), []

    def together(*given: Any, **named: Any) -> Any:
        threads.append(torch.get_num_threads())
        if networks == 2:
            both.wait(60)  # broken where the second does not come while the first is here
        else:
            with pytest.raises(threading.BrokenBarrierError):
                both.wait(0.5)
            both.reset()
        return region_probabilities(*given, **named)

    monkeypatch.setattr(pipeline, "region_probabilities", together)
    monkeypatch.setattr(torch, "get_num_threads", partial(getattr, local := threading.local(), "threads", 4))
    monkeypatch.setattr(torch, "set_num_threads", partial(setattr, local, "threads"))
    segmenter = Segmenter(ServedModel(study_folder / "none.pt", weights, BRATS, PRESETS["tiny"]))
    if networks > 1:
        segmenter.share_cores(networks)
    with ThreadPoolExecutor(2) as pool:
        studies = [study_of(study_folder)] * 2
        masks = [found.label for found in pool.map(lambda study: segmenter.segment(study, options=OPTIONS), studies)]
        after = [call.result() for call in [pool.submit(torch.get_num_threads) for _ in range(2)]]
    assert np.array_equal(*masks)
    assert threads == [4 // networks] * 2
    assert after == [4, 4]


def test_what_cannot_be_segmented_is_said_in_a_sentence(study_folder: Path, weights: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.nii.gz").write_text("no image")
    (study_folder / "case_flair.nii.gz").unlink()
    for error, sentence, given in (
        (InputError, "expected a study, or images by modality", {}),
        (InputError, "and not both", {"study": study_folder, "t1": study_folder / "case_t1.nii.gz"}),
        (NotFoundError, "none.nii.gz does not exist", {"t1": tmp_path / "none.nii.gz"}),
        (InputError, "notes.nii.gz", {"t1": tmp_path / "notes.nii.gz"}),
        (InputError, "images of t9 are given, expected some of t1, t1ce", {"t9": study_folder / "case_t1.nii.gz"}),
        (InputError, "case holds 3 images .*expected the one that is t2", {"t2": study_folder}),
        (InputError, "has no flair", {"study": study_folder, "options": Options(("t1", "flair"))}),
    ):
        with pytest.raises(error, match=sentence):
            segment(**{"weights": weights, "options": OPTIONS, **given})  # type: ignore[arg-type]
    with pytest.raises(NotFoundError, match=r"weights .*none.pt do not exist"):
        segment(study_folder, weights=tmp_path / "none.pt")


def test_the_pipeline_needs_no_server() -> None:
    servers = "{m.split('.')[0] for m in sys.modules} & {'monailabel', 'fastapi'}, 'ccsd.server' in sys.modules"
    asked = f"import sys, ccsd.inference.pipeline; print({servers})"
    found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set() False"


def test_a_network_that_was_tried_remembers_nothing_and_gives_the_same_mask(study_folder: Path, weights: Path) -> None:
    model = ServedModel(study_folder / "none.pt", weights, BRATS, PRESETS["tiny"])
    tried = Segmenter(model)
    tried.warm()
    assert not tried.memory
    study = study_of(study_folder / "case_t1.nii.gz")
    assert np.array_equal(
        tried.segment(study, options=OPTIONS).label, segment(study_folder, weights=weights, options=OPTIONS).label
    )
