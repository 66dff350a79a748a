"""`scripts/evaluate.py` as its user runs it, on small phantoms and with random weights."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from lib.ccsd.network import PRESETS
from lib.ccsd.task import BRATS
from lib.phantoms.phantom import Phantom, write_phantom
from lib.publishing import checkpoint
from tests.conftest import REPOSITORY


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "w.pt"
    checkpoint.save(path, checkpoint.untrained(BRATS, PRESETS["tiny"]).network, name="tiny", notes={})
    return path


def evaluate(data: Path, model: Path, *more: str) -> subprocess.CompletedProcess[str]:
    script = str(REPOSITORY / "scripts" / "evaluate.py")
    command = [sys.executable, script, "--data", str(data), "--model", str(model), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def test_an_evaluation_writes_summary_cases_and_a_page_that_needs_nothing_else(
    phantom: Phantom, weights: Path, tmp_path: Path
) -> None:
    write_phantom(phantom, tmp_path / "data", "whole")
    write_phantom(phantom, tmp_path / "data", "poor", modalities=["t2", "flair"])
    done = evaluate(tmp_path / "data", weights, "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [len(e["modalities"]) for e in summary["subsets"]] == [4] + [3] * 4 + [2] * 6 + [1] * 4
    assert all(set(e) == {"modalities", "WT", "TC", "ET"} for e in summary["subsets"])
    assert all(set(e["ET"]) == {"dice", "hd95"} for e in summary["subsets"])
    assert set(summary["average"]) == set(summary["aurc"]) == set(summary["worsening"]) == set(BRATS.regions)
    assert set(summary["et_rule"]["average"]) == set(BRATS.regions)
    with (tmp_path / "out" / "cases.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 3 * (15 + 3)
    assert {r["case"] for r in rows if r["modalities"] == "t2+flair"} == {"whole", "poor"}
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("<tr class='subset'>") == 15
    assert page.count("data:image/png;base64,") == 2
    assert "http" not in page
    assert "src='/" not in page


@pytest.mark.parametrize(
    ("listed", "sentence"), [("zebra\n", "list ids.txt names zebra"), ("# none\n", "list ids.txt names no study")]
)
def test_a_wrong_list_is_refused_before_anything_is_computed(
    phantom: Phantom, weights: Path, tmp_path: Path, listed: str, sentence: str
) -> None:
    write_phantom(phantom, tmp_path / "data", "whole")
    (tmp_path / "ids.txt").write_text(listed)
    done = evaluate(tmp_path / "data", weights, "--list", str(tmp_path / "ids.txt"), "--out", str(tmp_path / "out"))
    assert done.returncode != 0
    assert sentence in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_without_labels_is_refused(phantom: Phantom, weights: Path, tmp_path: Path) -> None:
    write_phantom(phantom, tmp_path / "data", "whole", label=False)
    done = evaluate(tmp_path / "data", weights)
    assert "holds no study with a label" in done.stderr
    assert "Traceback" not in done.stderr
