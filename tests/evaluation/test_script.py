"""`ccsd evaluate` as its user runs it, on small phantoms and with random weights."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ccsd.commands.evaluate import main
from ccsd.common.errors import InputError
from ccsd.common.settings import read_task
from ccsd.demo.organ import make_organ
from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS, Task
from ccsd.models import checkpoint
from tests.conftest import REPOSITORY


def save(folder: Path, task: Task) -> Path:
    checkpoint.save(folder / "w.pt", checkpoint.untrained(task, PRESETS["tiny"]).network, name="tiny")
    return folder / "w.pt"


def evaluate(data: Path, model: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ccsd", "evaluate", "--data", str(data), "--model", str(model), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def refusal(monkeypatch: pytest.MonkeyPatch, folder: Path, model: Path, *more: str) -> str:
    """The sentence with which the script ends; in this process, which has imported torch already."""
    options = ["--data", "{}/data", *more]  # of an option given twice the last counts
    arguments = ["evaluate.py", "--model", str(model), *(text.format(folder) for text in options)]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(InputError) as refused:
        main()
    assert len(str(refused.value).splitlines()) == 1
    return str(refused.value)


def test_an_evaluation_writes_summary_cases_and_a_page_that_needs_nothing_else(
    phantom: Phantom, weights: Path, tmp_path: Path
) -> None:
    write_phantom(phantom, tmp_path / "data", "rich")
    write_phantom(phantom, tmp_path / "data", "poor", modalities=["t2", "flair"])
    done = evaluate(tmp_path / "data", weights, "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert "2/2" in done.stderr
    assert "| t2 flair | 2 |" in done.stdout
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["cases.csv", "report.html", "summary.json"]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [len(e["modalities"]) for e in summary["subsets"]] == [4] + [3] * 4 + [2] * 6 + [1] * 4
    assert all(set(e) == {"modalities", "WT", "TC", "ET"} for e in summary["subsets"])
    assert all(set(e["ET"]) == {"dice", "hd95"} for e in summary["subsets"])
    assert set(summary["average"]) == set(summary["aurc"]) == set(summary["worsening"]) == set(BRATS.regions)
    assert set(summary["et_rule"]["average"]) == set(BRATS.regions)
    with (tmp_path / "out" / "cases.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 3 * (15 + 3)
    assert {r["case"] for r in rows if r["modalities"] == "t2+flair"} == {"rich", "poor"}
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("<tr class='subset'>") == 15
    assert page.count("data:image/png;base64,") == 2
    assert "http" not in page


def test_another_task_is_evaluated_with_its_own_modalities_and_regions(
    tmp_path: Path, ccsd: Callable[..., str]
) -> None:
    file = REPOSITORY / "configs" / "tasks" / "stroke.toml"
    task = read_task(file)
    write_phantom(make_organ(task, seed=1, shape=(32, 32, 24)), tmp_path / "data", "case")
    options = ["--data", str(tmp_path / "data"), "--model", str(save(tmp_path, task)), "--task", str(file)]
    ccsd("evaluate", *options, "--out", str(tmp_path / "out"))
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [e["modalities"] for e in summary["subsets"]] == [["dwi", "adc"], ["dwi"], ["adc"]]
    assert set(summary["average"]) == set(summary["aurc"]) == {"infarct"}
    assert "et_rule" not in summary


def test_listed_studies_alone_are_measured_and_without_a_folder_only_printed(
    phantom: Phantom, weights: Path, tmp_path: Path, ccsd: Callable[..., str]
) -> None:
    for name in ("one", "other"):
        write_phantom(phantom, tmp_path / "data", name, modalities=["flair"])
    (tmp_path / "ids.txt").write_text("other\n")
    options = ["--data", str(tmp_path / "data"), "--model", str(weights), "--studies", str(tmp_path / "ids.txt")]
    told = ccsd("evaluate", *options, "--device", "cpu")
    assert "mean of 1 studies" in told
    assert "AURC: WT n/a" in told  # no study has all modalities
    assert {p.name for p in tmp_path.iterdir()} == {"data", "ids.txt"}


@pytest.mark.parametrize(
    ("listed", "sentence"),
    [
        ("zebra\n", "list ids.txt names zebra, which are not among the 2 studies found"),
        ("# none\n", "list ids.txt names no study"),
        ("bare\nrich\n", "list ids.txt names bare, expected only studies with a label"),
    ],
)
def test_a_wrong_list_is_refused_before_anything_is_computed(
    phantom: Phantom, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: str, sentence: str
) -> None:
    write_phantom(phantom, tmp_path / "data", "rich")
    write_phantom(phantom, tmp_path / "data", "bare", label=False)
    (tmp_path / "ids.txt").write_text(listed)
    options = ["--studies", "{}/ids.txt", "--out", "{}/out"]
    assert sentence in refusal(monkeypatch, tmp_path, weights, *options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--data", "{}/bare"], "bare holds no study with a label, expected at least one"),
        (["--data", "{}/nowhere"], "nowhere"),
        (["--model", "{}/nowhere.pt"], "nowhere.pt do not exist, expected a checkpoint file"),
        (["--device", "abacus"], "device is 'abacus', expected one of cpu"),
        (["--window", "8"], "window is 8 voxels, expected 32 to 512"),
        (["--out", "{}/data/bare_t1.nii.gz"], "cannot be made (File exists), expected a folder to write to"),
    ],
)
def test_bad_input_is_refused_with_one_sentence(
    phantom: Phantom, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str], sentence: str
) -> None:
    write_phantom(phantom, tmp_path / "bare", "bare", label=False, modalities=["t1"])
    write_phantom(phantom, tmp_path / "data", "bare", modalities=["t1"])
    assert sentence in refusal(monkeypatch, tmp_path, weights, *more)


def test_the_user_sees_a_sentence_and_no_traceback(weights: Path, tmp_path: Path) -> None:
    done = evaluate(tmp_path / "nowhere", weights)
    assert done.returncode != 0
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.strip().splitlines()) == 1
