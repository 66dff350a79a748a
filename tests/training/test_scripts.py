"""`ccsd train` as its user runs it: configuration, lists, resuming, several processes."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.experiments.commands import pack_cases
from ccsd.method.task import BRATS
from ccsd.models import checkpoint

FAST = ["preset=tiny", "train.patch=32", "train.steps=3", "train.validate_every=100"]


@pytest.fixture
def studies(phantom: Phantom, tmp_path: Path) -> Path:
    """Two labelled studies, `a` with four modalities and `b` with two."""
    write_phantom(phantom, tmp_path / "studies", "a")
    write_phantom(phantom, tmp_path / "studies", "b", modalities=["t2", "flair"])
    return tmp_path / "studies"


def command(studies: Path, out: Path, *settings: str, extra: tuple[str, ...] = ()) -> list[str]:
    return [
        "-m",
        "ccsd",
        "train",
        "--data",
        str(studies),
        "--out",
        str(out),
        "--threads",
        "1",
        *extra,
        "--set",
        *FAST,
        *settings,
    ]


def run(arguments: list[str], *, launcher: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *launcher, *arguments], capture_output=True, text=True, timeout=240, check=False
    )


def weights(path: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["model"]
    return state


def assert_same(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert first.keys() == second.keys()
    assert all(torch.equal(first[k], second[k]) for k in first)


def test_a_run_writes_weights_and_a_tensorboard_log(studies: Path, tmp_path: Path) -> None:
    done = run(command(studies, tmp_path / "w.pt", "train.max_epochs=1", extra=("--cache", str(tmp_path / "cache"))))
    assert done.returncode == 0, done.stderr
    assert weights(tmp_path / "w.pt")
    assert list((tmp_path / "w.tensorboard").glob("events.*"))
    assert len(list((tmp_path / "cache").glob("*.pt"))) == 2


def test_a_killed_run_goes_on_to_the_weights_of_one_that_was_never_stopped(studies: Path, tmp_path: Path) -> None:
    length = "train.max_epochs=20"
    whole = run(command(studies, tmp_path / "whole.pt", length))
    assert whole.returncode == 0, whole.stderr
    killed = command(studies, tmp_path / "killed.pt", length)
    process = subprocess.Popen([sys.executable, *killed], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (tmp_path / "killed.state.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    state = torch.load(tmp_path / "killed.state.pt", weights_only=True)
    assert 0 < state["run"]["epoch"] < 20
    resumed = run([*killed, "--resume"])
    assert resumed.returncode == 0, resumed.stderr
    assert "resuming after epoch" in resumed.stderr
    assert_same(weights(tmp_path / "whole.pt"), weights(tmp_path / "killed.pt"))
    assert not list(tmp_path.glob(".writing-*")) or len(list(tmp_path.glob(".writing-*"))) == 1  # the killed one's


def test_lists_choose_the_studies(
    studies: Path, tmp_path: Path, ccsd: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    (tmp_path / "train.txt").write_text("# those with everything\na\n")
    (tmp_path / "val.txt").write_text("b\n")
    lists = ("--train", str(tmp_path / "train.txt"), "--val", str(tmp_path / "val.txt"))
    ccsd(*command(studies, tmp_path / "w.pt", "train.max_epochs=1", "train.validate_every=1", extra=lists)[2:])
    card = checkpoint.card_in(tmp_path / "w.pt")
    assert (card.training, card.validation) == (("a",), ("b",))
    assert "mean of 3 subsets" in caplog.text


@pytest.mark.parametrize(
    ("settings", "content", "sentence"),
    [
        (("train.lossses.tau=2",), None, "lossses is not known, did you mean losses?"),
        (("train.losses.tau=0",), None, "tau must be > 0, found 0.0"),
        (("train.patch=x",), None, "patch is 'x', expected int"),
        ((), "a\nzebra\n", "list val.txt names zebra, which are not among the 2 studies found"),
        ((), "a\na\n", "list val.txt names a more than once"),
        (("preset=huge",), None, "preset is 'huge', expected one of"),
    ],
)
def test_a_mistake_gets_one_sentence_before_training(
    studies: Path,
    tmp_path: Path,
    ccsd: Callable[..., str],
    settings: tuple[str, ...],
    content: str | None,
    sentence: str,
) -> None:
    extra: tuple[str, ...] = ()
    if content is not None:
        (tmp_path / "val.txt").write_text(content)
        extra = ("--val", str(tmp_path / "val.txt"))
    with pytest.raises(SystemExit, match=f"^error: .*{re.escape(sentence)}"):
        ccsd(*command(studies, tmp_path / "w.pt", *settings, extra=extra)[2:])
    assert not (tmp_path / "w.pt").exists()


def test_two_processes_train_together_by_torchrun(studies: Path, tmp_path: Path) -> None:
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    done = run(command(studies, tmp_path / "w.pt", "train.max_epochs=2"), launcher=launcher)
    assert done.returncode == 0, done.stderr[-3000:]
    state = torch.load(tmp_path / "w.state.pt", weights_only=True)
    assert len(state["run"]["generators"]) == 2
    assert done.stderr.count(f"wrote {tmp_path / 'w.pt'}") == 2  # the first process alone, once an epoch


def test_gradients_of_two_processes_equal_those_of_one(tmp_path: Path) -> None:
    """Two processes with a study each against one process with both: `tests/training/gradients.py`."""
    script = str(Path(__file__).with_name("gradients.py"))
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    for extra, out in ((launcher, "two.pt"), ((), "one.pt")):
        subprocess.run([sys.executable, *extra, script, str(tmp_path / out)], check=True, env=environment, timeout=240)
    one, two = (torch.load(tmp_path / f"{n}.pt", weights_only=True) for n in ("one", "two"))
    assert one.keys() == two.keys()
    worst = max(float((one[k] - two[k]).abs().max() / one[k].abs().max().clamp_min(1e-6)) for k in one)
    assert worst < 1e-4


def test_made_studies_are_mixed_in_with_a_share_of_the_crops(
    studies: Path, phantom: Phantom, tmp_path: Path, ccsd: Callable[..., str]
) -> None:
    write_phantom(phantom, tmp_path / "made", "made-1")
    made = str(tmp_path / "made")
    ccsd(*command(studies, tmp_path / "w.pt", "train.max_epochs=1", extra=("--data", f"{made}:0.7"))[2:])
    assert checkpoint.card_in(tmp_path / "w.pt").training == ("a", "b", "made-1")
    with pytest.raises(
        SystemExit, match=re.escape(f"error: --data {made}:1: the share is 1, expected between 0 and 1")
    ):
        ccsd(*command(studies, tmp_path / "w.pt", "train.max_epochs=1", extra=("--data", f"{made}:1"))[2:])


def test_tumours_that_take_up_no_contrast_agent_are_made_from_those_that_do(
    studies: Path, phantom: Phantom, tmp_path: Path, ccsd: Callable[..., str]
) -> None:
    ccsd(*command(studies, tmp_path / "w.pt", "train.max_epochs=1", extra=("--unenhanced", "0.5"))[2:])
    assert checkpoint.card_in(tmp_path / "w.pt").training == ("a", "b", "a/unenhanced")
    without = tmp_path / "without"
    write_phantom(phantom, without, "c", modalities=["t2", "flair"])
    with pytest.raises(SystemExit, match=r"^error: --unenhanced: no study has t1, t1ce and a label of ET"):
        ccsd(*command(without, tmp_path / "w.pt", extra=("--unenhanced", "0.5"))[2:])


def test_packed_studies_train_without_their_images(
    studies: Path, tmp_path: Path, ccsd: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["pack_cases", "--data", str(studies), "--out", str(tmp_path / "packed")])
    pack_cases.main()
    shutil.rmtree(studies)
    out = tmp_path / "w.pt"
    ccsd(*command(tmp_path / "packed", out, "train.max_epochs=1")[2:])
    card = checkpoint.load(out, task=BRATS).card
    assert set(card.training) == set(card.digests) == {"a", "b"}
