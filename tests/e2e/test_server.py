"""The server as its users have it: info, infer, save label, train, stop, infer with new weights, bad input."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import nrrd
import numpy as np
import pytest
import requests
from monailabel.client import MONAILabelClient

from ccsd.demo.phantom import Phantom
from ccsd.imaging.volumes import read_grid, write_volume
from ccsd.method import subsets
from ccsd.method.task import BRATS
from tests.conftest import REPOSITORY
from tests.e2e.conftest import Server, start_server


def read_mask(response: requests.Response, folder: Path) -> nib.nifti1.Nifti1Image:
    """In memory: the next answer is written over the file."""
    path = folder / "mask.nii.gz"
    path.write_bytes(response.content)
    return nib.nifti1.Nifti1Image.from_bytes(gzip.decompress(response.content))


def test_info_names_the_model_its_labels_and_that_it_is_untrained(server: Server) -> None:
    info = server.get("/info/").json()
    assert info["models"]["ccsd"]["labels"] == dict(BRATS.labels)
    assert "untrained weights" in info["models"]["ccsd"]["description"]
    assert "ccsd" in info["trainers"]
    assert info["datastore"]["total"] == 2


@pytest.mark.parametrize("asked", BRATS.modalities)
def test_any_image_of_a_study_gets_a_mask_on_its_own_grid(server: Server, asked: str, tmp_path: Path) -> None:
    response = server.infer(f"case_{asked}", output="image")
    mask = read_mask(response, tmp_path)
    image = read_grid(server.studies / "case" / f"case_{asked}.nii.gz")
    assert mask.shape == image.shape
    assert np.allclose(mask.affine, image.affine, atol=1e-4)
    assert set(np.unique(np.asarray(mask.dataobj))) <= {0, 1, 2, 3}


def test_the_answer_says_what_was_used_and_what_was_missing(server: Server) -> None:
    answer = server.infer("poor-t2f").json()
    ccsd = answer["ccsd"]
    assert ccsd["modalities"]["used"] == {"t2": "poor-t2w.nii.gz", "flair": "poor-t2f.nii.gz"}
    assert set(ccsd["modalities"]["rules"]) == {"t2", "flair"}
    assert ccsd["modalities"]["missing"] == ["t1", "t1ce"]
    assert ccsd["preprocess"] == {"route": "prepared", "cached": False, "seconds": {}}
    assert set(ccsd["volumes_ml"]) == {"WT", "TC", "ET"}
    assert sum(ccsd["parts_ml"].values()) == pytest.approx(ccsd["volumes_ml"]["WT"], abs=0.01)
    assert ccsd["expected_dice"] is None
    assert ccsd["model"] == "untrained"
    assert any("untrained weights" in w for w in ccsd["warnings"])
    assert any("no t1ce" in w for w in ccsd["warnings"])
    assert answer["label_names"] == dict(BRATS.labels)


def test_a_request_may_restrict_the_modalities(server: Server) -> None:
    answer = server.infer("case_t1", params=json.dumps({"modalities": ["t1ce", "flair"]})).json()
    assert list(answer["ccsd"]["modalities"]["used"]) == ["t1ce", "flair"]
    assert answer["ccsd"]["modalities"]["missing"] == ["t1", "t2"]


def test_windows_and_overlap_can_be_chosen(server: Server) -> None:
    response = server.infer("case_t1", params=json.dumps({"window": 32, "overlap": 0.25, "device": "cpu"}))
    assert response.status_code == 200


def test_ohif_gets_an_uncompressed_nrrd_on_the_same_grid(server: Server, tmp_path: Path) -> None:
    params = {"result_extension": ".nrrd", "result_dtype": "uint8", "result_compress": False}
    response = server.infer("case_flair", output="image", params=json.dumps(params))
    (tmp_path / "m.nrrd").write_bytes(response.content)
    data, header = nrrd.read(str(tmp_path / "m.nrrd"))
    nifti = read_mask(server.infer("case_flair", output="image"), tmp_path)
    assert header["encoding"] == "raw"
    assert data.dtype == np.uint8
    assert np.array_equal(data, np.asarray(nifti.dataobj))
    assert np.allclose(header["space origin"], nifti.affine[:3, 3] * [-1, -1, 1], atol=1e-4)


def test_an_upload_is_segmented_when_it_is_told_what_it_is(server: Server) -> None:
    with (server.studies / "case" / "case_flair.nii.gz").open("rb") as file:
        response = server.post(
            "/infer/ccsd?output=json",
            files={"file": ("scan.nii.gz", file)},
            data={"params": json.dumps({"modalities": ["flair"]})},
        )
    assert response.status_code == 200, response.text
    assert list(response.json()["ccsd"]["modalities"]["used"]) == ["flair"]


def test_monai_labels_own_client_gets_a_mask(server: Server) -> None:
    client = MONAILabelClient(server_url=server.url)
    file, params = client.infer("ccsd", "case_t1", {})
    assert nib.loadsave.load(file).shape == (48, 48, 48)
    assert params["ccsd"]["modalities"]["missing"] == []


BAD_REQUESTS = [
    ("nope", "{}", 404, "image nope does not exist"),
    ("/etc/passwd", "{}", 404, "image /etc/passwd does not exist"),
    ("case_t1", '{"image": "/etc/passwd"}', 404, "image /etc/passwd does not exist"),
    ("case_t1", '{"modalities": ["t9"]}', 400, "modalities has t9, expected names from t1, t1ce, t2, flair"),
    ("poor-t2f", '{"modalities": ["t1"]}', 400, "study poor has no t1, expected some of flair, t2"),
    ("case_t1", '{"device": "tpu"}', 400, "device is 'tpu', expected one of"),
    ("case_t1", '{"overlap": 7}', 400, "overlap is 7.0, expected 0 to 0.75"),
    ("case_t1", "{not json", 400, "not valid JSON"),
    ("", "{}", 400, "image"),
]


@pytest.mark.parametrize(("image", "params", "status", "sentence"), BAD_REQUESTS)
def test_a_bad_request_gets_4xx_and_one_sentence(
    server: Server, image: str, params: str, status: int, sentence: str
) -> None:
    response = server.infer(image, params=params)
    assert response.status_code == status, response.text
    assert sentence in response.json()["detail"]
    assert "Traceback" not in response.text


def test_the_next_sample_is_an_image_of_the_datastore(server: Server) -> None:
    sample = server.post("/activelearning/random", json={}).json()
    assert sample["id"] in {"poor-t2f", "poor-t2w", "case_t1", "case_t1ce", "case_t2", "case_flair"}
    assert server.get(f"/datastore/image?image={sample['id']}").status_code == 200


def test_an_unknown_model_is_not_found(server: Server) -> None:
    response = server.post("/infer/nonsense?image=case_t1")
    assert response.status_code == 404
    assert "nonsense" in response.json()["detail"]


def test_bad_files_get_400_with_the_file_named(server: Server) -> None:
    good = server.studies / "case" / "case_t1.nii.gz"
    broken = server.studies / "broken"
    broken.mkdir()
    (broken / "broken_t1.nii.gz").write_bytes(good.read_bytes()[:3000])
    other = server.studies / "other"
    other.mkdir()
    shutil.copy(good, other / "other_t1.nii.gz")
    smaller = nib.loadsave.load(good).slicer[:, :, :40]
    nib.loadsave.save(smaller, other / "other_t2.nii.gz")
    try:
        damaged = server.infer("broken_t1")
        assert damaged.status_code == 400
        assert "broken_t1.nii.gz" in damaged.json()["detail"]
        mixed = server.infer("other_t1", params='{"preprocess": "off"}')
        assert mixed.status_code == 400
        assert "of t2, its shape is 48x48x40, expected 48x48x48" in mixed.json()["detail"]
    finally:
        shutil.rmtree(broken)
        shutil.rmtree(other)


def save_label(server: Server, image: str, label: bytes) -> requests.Response:
    return server.put(f"/datastore/label?image={image}&tag=final", files={"label": ("label.nii.gz", io.BytesIO(label))})


def label_file(phantom: Phantom, folder: Path, values: np.ndarray | None = None) -> bytes:
    write_volume(folder / "l.nii.gz", phantom.label if values is None else values, phantom.grid)
    return (folder / "l.nii.gz").read_bytes()


def test_a_wrong_label_is_refused_and_not_kept(server: Server, phantom: Phantom, tmp_path: Path) -> None:
    unknown = save_label(server, "poor-t2f", label_file(phantom, tmp_path, phantom.label * 3))
    assert unknown.status_code == 400
    assert "expected 0 to 3" in unknown.json()["detail"]
    nobody = save_label(server, "nobody", label_file(phantom, tmp_path))
    assert nobody.status_code == 404
    assert not list((server.studies / "labels" / "final").iterdir())


def test_training_without_labels_is_refused_with_one_sentence(server: Server) -> None:
    answer = server.post("/train/ccsd", json={})
    assert answer.status_code == 400
    assert "no label with the tag final is saved" in answer.json()["detail"]
    assert server.get("/train/").status_code == 404


def test_saved_labels_train_stop_and_the_next_inference_has_the_new_weights(
    server: Server, phantom: Phantom, tmp_path: Path
) -> None:
    as_2018 = np.where(phantom.label == 3, 4, phantom.label).astype(np.uint8)
    assert save_label(server, "case_t1ce", label_file(phantom, tmp_path, as_2018)).status_code == 200
    assert save_label(server, "poor-t2f", label_file(phantom, tmp_path)).status_code == 200
    stored = nib.loadsave.load(server.studies / "labels" / "final" / "case_t1ce.nii.gz")
    assert np.array_equal(np.asarray(stored.dataobj), phantom.label)

    before = server.infer("case_t1").json()["ccsd"]["model"]
    short = {"max_epochs": 1, "steps": 4, "patch": 32}
    assert server.post("/train/ccsd", json=short).status_code == 200
    status = server.wait_for_training({"DONE", "ERROR"})
    assert status["status"] == "DONE", status["details"]
    line = next(text for text in status["details"] if "epoch 1 (100 %)" in text)
    assert all(term in line for term in ("seg_full=", "hmsd=", "dmcd=", "validation Dice", "WT="))
    stats = server.get("/info/").json()["train_stats"]["ccsd"]
    assert sorted(stats["training"]) == ["case", "poor"]
    after = server.infer("case_t1").json()["ccsd"]["model"]
    assert after != before
    assert after == stats["version"]

    server.post("/train/ccsd", json={"max_epochs": 1000, "steps": 50, "patch": 32})
    server.wait_for_training({"RUNNING"})
    busy = server.post("/train/ccsd", json=short)
    assert busy.status_code == 429
    assert server.delete("/train/").json()["status"] == "STOPPED"
    assert server.infer("case_t1").json()["ccsd"]["model"] == after


@pytest.fixture(scope="module")
def real_server(tcga_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The published weights over a real study; its silver label stays out of sight."""
    folder = tmp_path_factory.mktemp("real")
    for file in tcga_study.glob("*_[tf]*.nii.gz"):
        (folder / "studies").mkdir(exist_ok=True)
        shutil.copy(file, folder / "studies" / file.name)
    weights = REPOSITORY / "apps" / "ccsd" / "model" / "pretrained_ccsd.pt"
    yield from start_server(folder / "studies", folder, weights=weights)


@pytest.mark.parametrize("subset", subsets.lattice(0b1111), ids=lambda s: "+".join(subsets.names(s, BRATS.modalities)))
def test_a_real_study_answers_with_any_subset_on_its_own_grid(
    real_server: Server, tcga_study: Path, subset: int, tmp_path: Path
) -> None:
    chosen = subsets.names(subset, BRATS.modalities)
    asked = f"{tcga_study.name}_{chosen[0]}"
    response = real_server.infer(asked, output="all", params=json.dumps({"modalities": list(chosen), "window": 0}))
    assert response.status_code == 200, response.text
    answer, mask = parts_of(response, tmp_path)
    grid = read_grid(tcga_study / f"{asked}.nii.gz")
    assert mask.shape == grid.shape
    assert np.allclose(mask.affine, grid.affine, atol=1e-4)
    used = answer["ccsd"]["modalities"]["used"]
    assert list(used) == [m for m in BRATS.modalities if m in chosen]
    litres = abs(np.linalg.det(grid.affine[:3, :3])) / 1000
    counted = (np.asarray(mask.dataobj) > 0).sum() * litres
    assert answer["ccsd"]["volumes_ml"]["WT"] == pytest.approx(counted, abs=0.01)


def parts_of(response: requests.Response, folder: Path) -> tuple[dict, nib.nifti1.Nifti1Image]:
    """The JSON and the mask of a multipart answer, as Slicer's client takes it apart."""
    from requests_toolbelt.multipart import decoder

    parts = decoder.MultipartDecoder.from_response(response).parts
    found = {}
    for part, key in itertools.product(parts, ("params", "image")):
        if f'name="{key}"'.encode() in part.headers[b"Content-Disposition"]:
            found[key] = part.content
    folder.mkdir(exist_ok=True)
    (folder / "mask.nii.gz").write_bytes(found["image"])
    return json.loads(found["params"]), nib.loadsave.load(folder / "mask.nii.gz")


def test_a_request_can_name_the_image_of_a_modality_itself(server: Server) -> None:
    named = server.infer("case_t1", params='{"modalities": {"t1ce": "case_t2", "t1": "case_t1"}}')
    modalities = named.json()["ccsd"]["modalities"]
    assert modalities["used"] == {"t1": "case_t1.nii.gz", "t1ce": "case_t2.nii.gz"}
    assert modalities["missing"] == ["t2", "flair"]
    assert modalities["ignored"]["case_flair.nii.gz"] == "its modality is not asked for"
    unknown = server.infer("case_t1", params='{"modalities": {"t1ce": "zebra"}}')
    assert unknown.status_code == 404
    assert "modalities names zebra, which is not among the images of the study" in unknown.json()["detail"]
