"""Trainings that start from weights of `ccsd train`: what those were trained on never validates."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from ccsd.commands import train
from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.models import checkpoint
from ccsd.server.trainers.train_request import read_train_request
from tests.server.trainers.clinics import Clinic

STEP = ("--threads", "1", "--set", "preset=tiny", "train.max_epochs=1", "train.steps=1", "train.patch=32")


@pytest.fixture
def ccsd_train(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """The command, in this process."""

    def call(*arguments: str | Path) -> None:
        monkeypatch.setattr(sys, "argv", ["ccsd train", *map(str, arguments), *STEP])
        train.main()

    threads = torch.get_num_threads()
    yield call
    torch.set_num_threads(threads)  # those of the other tests


def test_what_the_command_trained_on_does_not_validate(
    tmp_path: Path, phantom: Phantom, ccsd_train: Callable[..., None]
) -> None:
    for folder, name in (("old", "a"), ("old", "b"), ("later", "c"), ("later", "d")):
        write_phantom(phantom, tmp_path / folder, name)
    ccsd_train("--data", tmp_path / "old", "--out", tmp_path / "first.pt")
    ccsd_train("--data", tmp_path / "later", "--model", tmp_path / "first.pt", "--out", tmp_path / "pretrained.pt")
    card = checkpoint.card_in(tmp_path / "pretrained.pt")
    assert (card.training, card.seen) == (("c", "d"), ("a", "b", "c", "d"))
    assert card.parent == checkpoint.card_in(tmp_path / "first.pt").version
    assert card.settings["patch"] == 32

    clinic = Clinic(tmp_path, phantom, "abcdefg")
    clinic.save(*"abcdefg")
    stats = clinic.train(val_split=0.9)
    assert set(stats["validation"]) == {"e", "f", "g"}
    assert set(stats["training"]) == {"a", "b", "c", "d"}
    assert clinic.model.current().card.held_out


def test_the_command_and_the_server_know_a_study_by_the_same_digest(
    tmp_path: Path, phantom: Phantom, ccsd_train: Callable[..., None]
) -> None:
    for name in "xyz":
        write_phantom(phantom, tmp_path / "old", name)
    (tmp_path / "val.txt").write_text("z\n")
    ccsd_train("--data", tmp_path / "old", "--val", tmp_path / "val.txt", "--out", tmp_path / "pretrained.pt")
    card = checkpoint.card_in(tmp_path / "pretrained.pt")
    clinic = Clinic(tmp_path, phantom, "a")
    clinic.save("a")
    ready, _ = clinic.task(replay=tmp_path / "old")._ready(clinic.store)
    assert {one.id: one.digest for one in ready if one.earlier} == {f"replay/{s}": card.digests[s] for s in "xyz"}


def test_only_studies_that_the_command_did_not_train_on_count_as_new(
    tmp_path: Path, phantom: Phantom, ccsd_train: Callable[..., None]
) -> None:
    write_phantom(phantom, tmp_path / "old", "a")
    ccsd_train("--data", tmp_path / "old", "--out", tmp_path / "pretrained.pt")
    clinic = Clinic(tmp_path, phantom, "ab")
    clinic.save("a", "b")
    task = clinic.task()
    job = task._plan(
        read_train_request({"val_split": 0, "new_share": 0.8}), torch.device("cpu"), task._ready(clinic.store)[0], {}
    )
    assert dict(zip([one.id for one in job.training], job.weights, strict=True)) == {"a": 1 - 0.8, "b": 0.8}
