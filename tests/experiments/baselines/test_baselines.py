"""The plain U-Net behind CCSD's calls, and the script that compares them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from ccsd.common.errors import InputError
from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.experiments.baselines.arms import ARMS, untrained
from ccsd.experiments.baselines.unet import PlainUNet
from ccsd.experiments.commands.compare_baselines import main
from ccsd.method.network import PRESETS, CCSDNetwork
from ccsd.method.task import BRATS


@torch.no_grad()
def test_a_modality_that_is_not_chosen_is_not_seen() -> None:
    network = untrained(ARMS["plain U-Net"], BRATS, PRESETS["small"], seed=0).eval()
    assert isinstance(network, PlainUNet)
    volumes = torch.randn(1, 4, 16, 16, 32)
    other = volumes.clone()
    other[:, 1] = 9.0
    everything = torch.ones(4, dtype=torch.bool)
    (without, whole), (again, _) = (
        network.decode(network.encode(v, everything), [0b1101, 0b1111]) for v in (volumes, other)
    )
    assert without.shape == (1, 3, 16, 16, 32)
    assert torch.equal(without, again)
    assert not torch.equal(without, whole)


def test_the_baseline_is_as_large_as_what_it_is_compared_with() -> None:
    def size(network: torch.nn.Module) -> int:
        return sum(p.numel() for p in network.parameters())

    ours = CCSDNetwork(BRATS, PRESETS["small"])
    assert size(PlainUNet(BRATS, PRESETS["small"])) == pytest.approx(size(ours), rel=0.1)


def test_all_arms_train_and_are_measured_and_what_is_done_is_not_done_again(
    phantom: Phantom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, folder in (("a", "train"), ("b", "also"), ("c", "check")):
        write_phantom(phantom, tmp_path / folder / name, name)
    out = tmp_path / "out"
    command = ["compare_baselines"]
    command += ["--data", str(tmp_path / "train"), "--data", str(tmp_path / "also"), "--test", str(tmp_path / "check")]
    command += ["--out", str(out), "--threads", "1", "--set", "preset=tiny"]
    command += ["train.max_epochs=1", "train.steps=2", "train.patch=32"]
    monkeypatch.setattr("sys.argv", command)
    main()
    told = capsys.readouterr().out
    assert {f.stem for f in out.glob("*.json")} == {f"{a.replace(',', '').replace(' ', '-')}-0" for a in ARMS}
    result = json.loads((out / "CCSD-0.json").read_text())
    assert len(result["check"]["subsets"]) == 15
    stamps = {f: f.stat().st_mtime_ns for f in out.glob("*.json")}
    main()
    assert capsys.readouterr().out == told
    assert {f: f.stat().st_mtime_ns for f in out.glob("*.json")} == stamps
    rows = [line.split(" | ")[0] for line in told.splitlines() if line.startswith("| ") and "arm" not in line]
    assert rows == [f"| {arm}" for arm in ARMS]
    header, _, *figures = [[c.strip() for c in line.split("|")[1:-1]] for line in told.splitlines() if "|" in line]
    assert {len(row) for row in figures} == {len(header)}
    single = [s["WT"]["dice"] for s in result["check"]["subsets"] if len(s["modalities"]) == 1]
    assert float(figures[0][header.index("one modality WT")]) == pytest.approx(sum(single) / 4, abs=1e-3)
    monkeypatch.setattr("sys.argv", [*command, "train.seed=1"])
    with pytest.raises(InputError, match=r"CCSD-0.json was made with other settings or data, expected the same"):
        main()
    assert {f: f.stat().st_mtime_ns for f in out.glob("*.json")} == stamps
