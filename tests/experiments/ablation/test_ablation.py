from __future__ import annotations

import json
from pathlib import Path

import pytest

from ccsd.common.settings import override
from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.experiments.ablation.markdown import render
from ccsd.experiments.ablation.tables import TABLES
from ccsd.experiments.commands.ablate import main
from ccsd.method import subsets
from ccsd.method.task import BRATS
from ccsd.training.run_settings import RunSettings


@pytest.mark.parametrize(("table", "row"), [(t, r) for t, rows in TABLES.items() for r in rows])
def test_every_variant_is_a_valid_change_of_the_settings(table: str, row: str) -> None:
    change = TABLES[table][row]
    assert (override(RunSettings(), change, where=row) == RunSettings()) == (change == {})


def result(value: float) -> dict[str, object]:
    rows = [
        {"modalities": subsets.names(s, BRATS.modalities), "WT": value, "TC": value, "ET": value - 0.1}
        for s in subsets.lattice(0b1111)
    ]
    return {"subsets": rows, "seconds": 120}


def test_a_row_has_the_mean_and_the_spread_over_the_seeds() -> None:
    text = render("Title", {"both": [result(0.5), result(0.7)]}, BRATS)
    assert text.splitlines()[-1] == (
        "| both | " + " | ".join(["60.0 ± 14.1"] * 2 + ["50.0 ± 14.1"] + ["56.7 ± 14.1"] * 4) + " | 2.0 |"
    )


def test_a_table_is_made_and_made_again_from_its_cells_without_training(
    phantom: Phantom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        write_phantom(phantom, tmp_path / "data" / name, name)
    (tmp_path / "test.txt").write_text("b\n")
    command = ["ablate", "--table", "fusion", "--seeds", "0"]
    command += ["--data", str(tmp_path / "data"), "--test", str(tmp_path / "test.txt"), "--out", str(tmp_path / "out")]
    command += ["--set", "preset=tiny", "train.max_epochs=1", "train.steps=2", "train.patch=32"]
    monkeypatch.setattr("sys.argv", command)
    main()
    cells = sorted((tmp_path / "out" / "cells").glob("*.json"))
    assert len(cells) == 2
    assert "| attention |" in capsys.readouterr().out
    for cell in cells:  # a mark that only a table made from the stored cells can show
        cell.write_text(json.dumps({**json.loads(cell.read_text()), "seconds": 5940}))
    main()
    assert capsys.readouterr().out.count("| 99.0 |") == 2
    assert "trained on 1 (a)" in (tmp_path / "out" / "tables.md").read_text()
