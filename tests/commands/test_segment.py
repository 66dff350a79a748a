"""`ccsd segment`: masks of one study or of a folder of them, without a server."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image

from ccsd import cli
from ccsd.commands.segmenting import _segmenter
from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models.served import ServedModel
from ccsd.server.infers.ccsd import CCSDInferTask

Command = Callable[..., "int | str | None"]  # the exit status
NAMES = ("one", "three", "two")


@pytest.fixture
def studies(phantom: Phantom, tmp_path: Path) -> Path:
    """A folder with three studies."""
    for name in NAMES:
        write_phantom(phantom, tmp_path / "studies" / name, name, label=False)
    return tmp_path / "studies"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def segment(weights: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs the command; returns its exit status."""

    def run(*arguments: Path | str) -> int | str | None:
        given = ["ccsd", "segment", *arguments, "-o", out, "--weights", weights, "--device", "cpu"]
        monkeypatch.setattr(sys, "argv", [str(a) for a in given])
        _segmenter.cache_clear()  # as in a process of its own
        try:
            cli.main()
        except SystemExit as end:
            return end.code
        return 0

    return run


def table(out: Path) -> dict[str, dict[str, str]]:
    with (out / "volumes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["study"] for row in rows}) == len(rows)
    return {row["study"]: row for row in rows}


def test_a_folder_of_studies_gives_a_mask_each_and_a_table(segment: Command, studies: Path, out: Path) -> None:
    assert segment(studies, "--picture") == 0
    assert list(table(out)) == list(NAMES)
    for name, row in table(out).items():
        mask = np.asanyarray(nib.loadsave.load(out / row["file"]).dataobj)
        assert float(row["WT_ml"]) == pytest.approx((mask > 0).sum() / 1000, abs=1e-3)
        assert row["modalities"] == "t1 t1ce t2 flair"
        assert json.loads((out / f"{name}_seg.json").read_text())["study"] == name
        with Image.open(out / f"{name}.png") as picture:
            assert picture.size == (1800, 1200)


def test_a_page_on_each_mask_is_written_where_it_is_asked_for_also_afterwards(
    segment: Command, studies: Path, out: Path
) -> None:
    assert segment(studies / "one") == 0
    assert not list(out.glob("*.pdf"))
    assert segment(studies / "one", "--report") == 0
    assert (out / "one.pdf").read_bytes().startswith(b"%PDF-")


def test_studies_that_share_the_cores_get_the_masks_that_they_get_alone(
    segment: Command, studies: Path, out: Path
) -> None:
    assert segment(studies) == 0
    together = {name: nib.load(out / f"{name}_seg.nii.gz") for name in NAMES}
    masks = {name: np.asarray(image.dataobj) for name, image in together.items()}
    threads = torch.get_num_threads()
    assert segment(studies / "two", "--overwrite") == 0
    alone = nib.load(out / "two_seg.nii.gz")
    assert np.array_equal(alone.affine, together["two"].affine)
    assert np.mean(np.asarray(alone.dataobj) != masks["two"]) < 0.01, "but for rounding"
    assert threads == torch.get_num_threads()


def test_the_mask_is_the_file_that_the_server_sends(segment: Command, studies: Path, out: Path, weights: Path) -> None:
    assert segment(studies / "one", "--modalities", "t1,flair") == 0
    server = CCSDInferTask(ServedModel(out / "none.pt", weights, BRATS, PRESETS["tiny"]), cache=out / "cache")
    sent, answer = server({"image": str(studies / "one"), "modalities": "t1,flair", "device": "cpu"})
    assert (out / "one_seg.nii.gz").read_bytes()[10:] == Path(str(sent)).read_bytes()[10:]  # gzip's header has a time
    assert json.loads((out / "one_seg.json").read_text()) == json.loads(json.dumps(answer["ccsd"]))


def test_a_study_that_fails_is_told_and_the_others_go_on(
    segment: Command, studies: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (studies / "bad").mkdir()
    for modality in ("t1", "flair"):
        (studies / "bad" / f"bad_{modality}.nii.gz").write_text("no image")
    (studies / "three" / "three_t1.nii.gz").write_bytes(b"\x1f\x8b damaged")
    (studies / "two" / "two_flair.nii.gz").unlink()
    assert segment(studies, "--modalities", "t1,flair") == 1
    errors = {name: row["error"] for name, row in table(out).items()}
    assert errors["one"] == ""
    assert "bad_flair.nii.gz holds text" in errors["bad"]
    assert "three_t1.nii.gz" in errors["three"]
    assert errors["two"] == "modalities: study two has no flair, expected some of t1, t1ce, t2"
    said = capsys.readouterr().err
    assert "bad: failed: " in said
    assert "Traceback" not in said


def test_wrong_input_is_one_sentence(segment: Command, studies: Path, tmp_path: Path, out: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    assert segment(tmp_path / "notes.txt", tmp_path / "none") == 1
    errors = {name: row["error"] for name, row in table(out).items()}
    assert "notes.txt holds text" in errors["notes.txt"]
    assert errors["none"] == "image none does not exist"
    assert "expected studies, or images by modality" in str(segment())
    assert "--modalities has t9, expected names from t1, t1ce, t2, flair" in str(segment(studies, "--modalities", "t9"))


def test_files_by_modality_and_archives_are_studies_too(
    segment: Command, studies: Path, tmp_path: Path, out: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        for file in (studies / "two").iterdir():
            archive.write(file, file.name)
    assert segment(tmp_path / "packed.zip", "--format", ".nrrd") == 0
    assert (out / "packed_seg.nrrd").exists()
    for file in out.iterdir():
        file.unlink()
    assert segment("--t2", studies / "one" / "one_t2.nii.gz", "--t1", studies / "two" / "two_t1.nii.gz") == 0
    assert table(out)["two"]["modalities"] == "t1 t2"


def test_killed_half_way_it_goes_on_where_it_was(segment: Command, studies: Path, out: Path, weights: Path) -> None:
    command = [sys.executable, "-m", "ccsd", "segment", studies, "-o", out, "--weights", weights, "--device", "cpu"]
    started = subprocess.Popen([str(c) for c in command], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not list(out.glob("*_seg.nii.gz")):
        assert started.poll() is None
        time.sleep(0.01)
    started.send_signal(signal.SIGKILL)
    started.wait()
    before = {file: file.stat().st_mtime_ns for file in out.glob("*_seg.nii.gz")}
    (out / f".writing-{started.pid}.1-x.nii.gz").write_text("what it was writing")
    assert not (out / "volumes.csv").exists() or len(before) == len(NAMES)
    assert segment(studies) == 0
    assert {file: file.stat().st_mtime_ns for file in before} == before
    assert [table(out)[name]["error"] for name in NAMES] == [""] * 3
    assert not list(out.glob(".writing-*"))


def test_masks_made_otherwise_are_not_passed_over(segment: Command, studies: Path, out: Path) -> None:
    assert segment(studies / "one", "--modalities", "t1") == 0
    assert "holds masks of another run" in str(segment(studies / "one", "--modalities", "t2"))
    assert segment(studies / "one", "--modalities", "t2", "--overwrite") == 0
    assert table(out)["one"]["modalities"] == "t2"


def test_results_do_not_go_among_the_studies(segment: Command, studies: Path, tmp_path: Path) -> None:
    assert "inside" in str(segment(tmp_path))
    assert segment(studies) == 0


def test_json_is_a_line_a_study_and_nothing_else(
    segment: Command, studies: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert segment(studies / "one", tmp_path / "none", "--json") == 1
    one, none = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert set(one["volumes_ml"]) == {"WT", "TC", "ET"}
    assert none == {"study": "none", "error": "image none does not exist"}


def test_the_help_has_examples(segment: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert segment("--help") == 0
    assert "ccsd segment patient7 -o masks" in capsys.readouterr().out


def test_confidence_gives_a_map_beside_each_mask_and_columns_of_the_table(
    segment: Command, studies: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in (studies / "two").glob("*_t*"):
        file.unlink()  # FLAIR alone
    assert segment(studies / "one", studies / "two", "--confidence", "--json") == 0
    one, two = (json.loads(line)["confidence"] for line in capsys.readouterr().out.splitlines())
    agreed, mask = (nib.loadsave.load(out / f"one_{kind}.nii.gz") for kind in ("agreement", "seg"))
    assert agreed.shape == mask.shape
    assert np.array_equal(agreed.affine, mask.affine)
    row = table(out)["one"]
    for kind in ("agreement", "certainty"):
        assert float(row[f"WT_{kind}"]) == one["regions"]["WT"][kind]
    assert [float(row["WT_low_ml"]), float(row["WT_high_ml"])] == one["regions"]["WT"]["range_ml"]
    assert two["reason"] == "one modality: no agreement can be told"
    assert not (out / "two_agreement.nii.gz").exists()
    assert table(out)["two"]["WT_agreement"] == ""
    assert float(table(out)["two"]["WT_certainty"]) == two["regions"]["WT"]["certainty"]


def test_masks_without_their_confidence_are_made_again_when_it_is_asked_for(
    segment: Command, studies: Path, out: Path
) -> None:
    assert segment(studies / "one") == 0
    before = (out / "one_seg.nii.gz").read_bytes()[10:]
    assert segment(studies / "one", "--confidence") == 0
    assert (out / "one_agreement.nii.gz").exists()
    assert (out / "one_seg.nii.gz").read_bytes()[10:] == before
