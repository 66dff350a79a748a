"""What a run leaves behind, by `ccsd train` in this process, and what is left by runs of older releases."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ccsd.commands import train
from ccsd.common.errors import InputError
from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models import checkpoint
from ccsd.models.card import Card
from ccsd.training.loop import Epoch
from ccsd.training.recorder import BestFile, RunRecorder, read_state
from ccsd.training.run_settings import read_run_settings

STEPS = ("--threads", "1", "--set", "preset=tiny", "train.max_epochs=3", "train.steps=1", "train.patch=32")


class KilledError(BaseException):
    """As kill -9: nothing after it runs."""


@pytest.fixture
def ccsd_train(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    def call(*arguments: str | Path, killed: bool = False) -> None:
        see = RunRecorder.see

        def see_then_die(self: RunRecorder, epoch: Epoch) -> None:
            see(self, epoch)
            raise KilledError

        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["ccsd train", *map(str, arguments), *STEPS])
            if killed:
                patch.setattr(RunRecorder, "see", see_then_die)
            train.main()

    threads = torch.get_num_threads()
    yield call
    torch.set_num_threads(threads)  # those of the other tests


def epoch(index: int, dice: float | None, seed: int) -> Epoch:
    network = checkpoint.untrained(BRATS, PRESETS["tiny"], seed=seed).network
    validation = None if dice is None else {15: torch.full((3,), dice)}
    return Epoch(index, index / 9, 0.1, {"total": 1.0}, validation, network, {"epoch": index})


def test_the_best_validated_weights_stay_whatever_comes_after_them(tmp_path: Path) -> None:
    keeper = BestFile(tmp_path / "w.pt", "tiny")
    kept = [keeper.keep(epoch(i, dice, i), Card(epoch=i)) for i, dice in enumerate((None, 0.5, None, 0.4, 0.6, None))]
    assert kept == [True, True, False, False, True, False]
    assert checkpoint.card_in(tmp_path / "w.pt").epoch == 4


def test_without_validation_the_last_weights_are_kept(tmp_path: Path) -> None:
    keeper = BestFile(tmp_path / "w.pt", "tiny")
    assert [keeper.keep(epoch(i, None, i), Card(epoch=i)) for i in (1, 2)] == [True, True]


def test_a_resumed_run_remembers_what_it_was_trained_on_and_from(
    tmp_path: Path, phantom: Phantom, ccsd_train: Callable[..., None]
) -> None:
    for folder in "abc":
        write_phantom(phantom, tmp_path / folder, folder)
    ccsd_train("--data", tmp_path / "a", "--out", tmp_path / "first.pt")
    ccsd_train("--data", tmp_path / "b", "--out", tmp_path / "other.pt")
    first = ("--model", tmp_path / "first.pt", "--out", tmp_path / "w.pt")
    with pytest.raises(KilledError):
        ccsd_train("--data", tmp_path / "b", *first, killed=True)
    ccsd_train("--data", tmp_path / "c", "--model", tmp_path / "other.pt", "--out", tmp_path / "w.pt", "--resume")
    card = checkpoint.card_in(tmp_path / "w.pt")
    assert (card.training, card.seen, card.epoch) == (("c",), ("a", "b", "c"), 3)
    assert card.parent == checkpoint.card_in(tmp_path / "first.pt").version


def test_a_run_of_an_older_release_goes_on(tmp_path: Path, phantom: Phantom, ccsd_train: Callable[..., None]) -> None:
    write_phantom(phantom, tmp_path / "a", "a")
    run = ("--data", tmp_path / "a", "--out", tmp_path / "w.pt")
    with pytest.raises(KilledError):
        ccsd_train(*run, killed=True)
    file = tmp_path / "w.state.pt"
    state = torch.load(file, weights_only=True)
    settings = state["settings"]["train"]
    settings |= {"average": settings.pop("ema_decay"), "keep": settings.pop("parent_weight")}
    torch.save({name: state[name] for name in ("run", "settings", "best")}, file)  # as 0.2.0 wrote it
    ccsd_train(*run, "--resume")
    assert checkpoint.card_in(tmp_path / "w.pt").epoch == 3
    assert [one["epoch"] for one in torch.load(file, weights_only=True)["history"]] == [2, 3]


def test_a_run_with_other_settings_is_not_resumed(
    tmp_path: Path, phantom: Phantom, ccsd_train: Callable[..., None]
) -> None:
    write_phantom(phantom, tmp_path / "a", "a")
    run = ("--data", tmp_path / "a", "--out", tmp_path / "w.pt")
    with pytest.raises(KilledError):
        ccsd_train(*run, killed=True)
    with pytest.raises(InputError, match=r"w\.state\.pt is of a run with other settings, expected the same"):
        ccsd_train(*run, "--resume", "--set", "train.seed=3")


@pytest.mark.parametrize("content", [b"half", {"run": {"epoch": 1}}, {"settings": {}}, [1]])
def test_a_state_that_cannot_be_read_is_named(tmp_path: Path, content: Any) -> None:
    file = tmp_path / "w.state.pt"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        torch.save(content, file)
    with pytest.raises(InputError, match=r"w\.state\.pt cannot be read"):
        read_state(file)


def test_old_names_of_settings_count_in_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[train]\nkeep = 0.25\n[train.losses]\nalign = 0.5\nteacher = 'own'\n")
    settings = read_run_settings(tmp_path / "c.toml", ["train.average=0.5"]).train
    assert (settings.parent_weight, settings.losses.lambda_align, settings.ema_decay) == (0.25, 0.5, 0.5)
