"""What a user of 3D Slicer's MONAI Label module does, in its order, with its own code, at a real server."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import nrrd
import numpy as np
import pytest
import requests

from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.imaging.volumes import Grid, read_grid, read_volume, write_volume
from ccsd.method.task import BRATS
from tests.e2e.conftest import Server, start_server
from tests.e2e.slicer import Cell, ComboBox, Slicer, load_module, segment_names


@pytest.fixture(scope="module")
def server(phantom: Phantom, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Studies a and b."""
    folder = tmp_path_factory.mktemp("slicer")
    for name in ("a", "b"):
        write_phantom(phantom, folder / "studies" / name, name, label=False)
    yield from start_server(folder / "studies", folder, weights=weights)


@pytest.fixture(scope="module")
def module() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        yield load_module(patch)


@pytest.fixture
def user(module: Any, server: Server, tmp_path: Path) -> Slicer:
    return Slicer(module, server.url, tmp_path / "slicer")


def test_the_module_finds_the_model_its_labels_and_options_that_it_can_show(user: Slicer) -> None:
    assert user.info["models"]["ccsd"]["type"] == "segmentation"
    assert user.info["labels"] == list(BRATS.labels)
    shown = user.options("infer", "ccsd")
    assert {"modalities", "preprocess", "device", "window", "overlap"} <= set(shown)
    assert isinstance(shown["modalities"], Cell)
    assert isinstance(shown["preprocess"], ComboBox)
    assert shown["preprocess"].entries == ["auto", "off", "full"]
    assert user.options("train", "ccsd")["max_minutes"].text() in ("", "0.0")
    assert isinstance(user.options("train", "ccsd")["device"], ComboBox)
    assert "random" in user.info["strategies"]


def test_next_sample_is_an_image_that_can_be_downloaded_and_drawn_on(user: Slicer, server: Server) -> None:
    sample = user.logic.next_sample("random", user.params("activelearning", "random"))
    assert Path(sample["path"]).is_file()  # the same machine: the module loads it from there
    downloaded = server.get(f"/datastore/image?image={sample['id']}")  # another machine
    assert downloaded.content == Path(sample["path"]).read_bytes()
    assert sample["name"].endswith(".nii.gz")


def mask_of(answer: tuple[str, dict[str, Any]], image: Path) -> np.ndarray[Any, Any]:
    """The mask, which must lie where the image does (NRRD is LPS, NIfTI is RAS)."""
    data, header = nrrd.read(answer[0])
    grid = read_grid(image)
    assert data.shape == grid.shape
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(header["space directions"]).T
    affine[:3, 3] = header["space origin"]
    assert header["space"] == "left-posterior-superior"
    assert np.allclose(np.diag([-1, -1, 1, 1]) @ affine, grid.affine, atol=1e-4)
    return data


def test_run_gives_a_mask_on_the_volume_with_a_name_for_every_value(user: Slicer, server: Server) -> None:
    image = server.studies / "a" / "a_flair.nii.gz"
    answer = user.segment("a_flair")
    mask = mask_of(answer, image)
    names = segment_names(answer[1], user.info)
    assert names == ["necrotic and non-enhancing core", "oedema", "enhancing tumour"]
    assert set(np.unique(mask)) <= {0, 1, 2, 3}
    assert mask.any()
    assert answer[1]["ccsd"]["modalities"]["used"].keys() == {"t1", "t1ce", "t2", "flair"}


@pytest.mark.parametrize(
    ("chosen", "used"),
    [
        ({"modalities": "flair"}, {"flair"}),
        ({"modalities": "t1, t2"}, {"t1", "t2"}),
        ({"modalities": ""}, {"t1", "t1ce", "t2", "flair"}),
        ({"preprocess": "off"}, {"t1", "t1ce", "t2", "flair"}),
        ({"preprocess": "full", "modalities": "flair"}, {"flair"}),
        ({"device": "cpu"}, {"t1", "t1ce", "t2", "flair"}),
        ({"window": "64", "overlap": "0.5"}, {"t1", "t1ce", "t2", "flair"}),
        ({"window": "", "overlap": ""}, {"t1", "t1ce", "t2", "flair"}),
    ],
)
def test_every_option_of_the_table_does_what_it_says(user: Slicer, chosen: dict[str, str], used: set[str]) -> None:
    if chosen.get("device") and "cpu" not in user.options("infer", "ccsd")["device"].entries:
        pytest.skip("this machine has a GPU, cpu is not offered")
    _, params = user.segment("a_flair", chosen)
    assert set(params["ccsd"]["modalities"]["used"]) == used


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"modalities": "t1,pd"}, "modalities has pd, expected names from t1, t1ce, t2, flair"),
        ({"modalities": "t3"}, "modalities has t3, expected names from"),
        ({"window": "9"}, "window is 9 voxels, expected 32 to 512"),
        ({"overlap": "2"}, "overlap is 2.0, expected 0 to 0.75"),
    ],
)
def test_a_wrong_option_is_told_in_the_dialog_that_the_module_shows(
    user: Slicer, chosen: dict[str, str], sentence: str
) -> None:
    told = dialog(lambda: user.segment("a_flair", chosen))
    assert sentence in told
    assert "Status: 400" in told


def test_a_volume_of_the_user_is_segmented_in_a_session_once_its_modality_is_said(
    user: Slicer, server: Server, tmp_path: Path
) -> None:
    """Slicer writes the volume under a random name, which tells nothing."""
    volume = Path(tempfile.mkstemp(suffix=".nii.gz", dir=tmp_path)[1])
    shutil.copy(server.studies / "b" / "b_t1ce.nii.gz", volume)
    session = user.logic.create_session(str(volume))["session_id"]
    assert user.logic.get_session(session)
    told = dialog(lambda: user.segment("MRHead", session=session))
    assert "cannot tell the modality" in told
    answer = user.segment("MRHead", {"modalities": "t1ce"}, session=session)
    mask_of(answer, volume)
    assert list(answer[1]["ccsd"]["modalities"]["used"]) == ["t1ce"]
    user.logic.remove_session(session)
    assert "does not exist or has ended" in dialog(lambda: user.logic.get_session(session))


def test_a_label_of_a_session_is_kept_with_its_volume(user: Slicer, server: Server, tmp_path: Path) -> None:
    """`onSaveLabel`: in a session the module sends the volume to the datastore before the label."""
    volume = tmp_path / "x.nii.gz"
    shutil.copy(server.studies / "b" / "b_t1ce.nii.gz", volume)
    for _ in range(2):
        assert user.logic.upload_image(str(volume), "ward7_t1ce") == {"image": "ward7_t1ce"}
        user.logic.save_label("ward7_t1ce", str(label_file(tmp_path, volume)), {"label_info": segments(*BRATS.labels)})
    saved = read_volume(Path(server.studies / "labels" / "final" / "ward7_t1ce.nii.gz"))
    assert set(np.unique(saved.data)) == {0, 1, 2, 3}
    told = dialog(lambda: user.logic.upload_image(str(volume), "MRHead"))
    assert "its name tells no modality" in told


def dialog(act: Callable[[], Any]) -> str:
    """What the module shows when the server refuses: the `msg` of its client's exception."""
    try:
        act()
    except Exception as error:
        return str(error.msg)  # type: ignore[attr-defined]  # MONAILabelClientException, as the module imported it
    pytest.fail("the server did not refuse")


def label_file(folder: Path, like: Path) -> Path:
    """Segments 1, 2 and 3, a slice each, as Slicer exports them."""
    grid = read_grid(like)
    data = np.zeros(grid.shape, np.uint8)
    for value in (1, 2, 3):
        data[10 + value] = value
    write_volume(folder / "label.nii.gz", data, grid)
    return folder / "label.nii.gz"


def segments(*names: str) -> list[dict[str, Any]]:
    """`label_info` as the module makes it: its segments in the order of its list."""
    return [{"name": name, "idx": idx} for idx, name in enumerate(names, start=1)]


def test_submit_keeps_the_segments_by_their_names_in_whatever_order_the_list_has_them(
    user: Slicer, server: Server, tmp_path: Path
) -> None:
    image = server.studies / "a" / "a_flair.nii.gz"
    mixed = segments("enhancing tumour", "oedema", "necrotic and non-enhancing core")
    result = user.logic.save_label("a_flair", str(label_file(tmp_path, image)), {"label_info": mixed})
    assert result["label"] == "a_flair"
    kept = read_volume(server.studies / "labels" / "final" / "a_flair.nii.gz")
    assert [kept.data[10 + v, 0, 0] for v in (1, 2, 3)] == [3, 2, 1]
    assert kept.grid.matches(read_grid(image))
    stored = user.logic.datastore()["objects"]["a_flair"]["labels"]["final"]["info"]
    assert stored["label_info"] == mixed
    assert stored["client_id"] == "user-1"


def test_the_reviewer_module_notes_its_verdict_on_the_label(user: Slicer, server: Server) -> None:
    """As MONAILabelReviewer's MonaiServerREST sends it."""
    verdict = {"segmentationMeta": {"status": "approved", "level": "easy"}}
    url = f"{server.url}/datastore/updatelabelinfo?label=a_flair&tag=final"
    assert requests.put(url, data={"params": json.dumps(verdict)}, timeout=60).status_code == 200
    told = user.logic.datastore()["objects"]["a_flair"]["labels"]["final"]["info"]
    assert told["segmentationMeta"] == verdict["segmentationMeta"]
    assert told["client_id"] == "user-1", "what was noted before stays"


def test_a_label_drawn_on_another_volume_is_refused_and_the_sentence_reaches_the_dialog(
    user: Slicer, tmp_path: Path
) -> None:
    write_volume(tmp_path / "other.nii.gz", np.ones((5, 5, 5), np.uint8), Grid((5, 5, 5), np.eye(4)))
    told = dialog(
        lambda: user.logic.save_label("a_flair", str(tmp_path / "other.nii.gz"), {"label_info": segments("oedema")})
    )
    assert "expected the same grid" in told


def test_train_status_and_stop_from_the_module(user: Slicer, server: Server) -> None:
    label = server.studies / "labels" / "final" / "a_flair.nii.gz"
    assert nib.loadsave.load(label).shape == (48, 48, 48)
    assert user.logic.train_status(True) is False
    params = user.params("train", "ccsd", {"max_epochs": "50", "steps": "1", "patch": "32", "max_minutes": ""})
    started = user.logic.train_start("ccsd", params)
    assert started["status"] in {"SUBMITTED", "RUNNING"}
    progress = wait_for_an_epoch(user)
    assert 1 <= progress["epoch"] <= progress["total_epochs"] == 50
    assert 0 <= progress["best_metric"] <= 1
    stopped = user.logic.train_stop()
    assert stopped["status"] == "STOPPED"
    assert stopped["details"]  # the module shows the last line
    assert user.logic.train_status(True) is False
    assert user.logic.train_status(False)["status"] == "STOPPED"


def wait_for_an_epoch(user: Slicer) -> dict[str, Any]:
    """`monitorTraining`: what the module's progress bar and accuracy bar read."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        state = user.logic.train_status(False)
        assert state["status"] in {"SUBMITTED", "RUNNING"}, state
        stats: dict[str, Any] = next(iter(user.logic.info()["train_stats"].values()))
        if stats.get("epoch"):
            return stats
        time.sleep(0.3)
    raise TimeoutError("no epoch was finished")


def test_the_colours_that_slicer_knows_by_name_are_told_in_the_docs(user: Slicer) -> None:
    """Slicer's module takes colours from a table of anatomy by a segment's name; others get Slicer's next free one."""
    assert {name: user.colour(name) for name in BRATS.labels} == dict.fromkeys(BRATS.labels)


def test_the_log_that_the_module_opens_in_a_browser_is_there(server: Server) -> None:
    log = server.get("/logs/?lines=5&html=false")
    assert log.status_code == 200
    assert len(log.text.splitlines()) == 5
