"""Train tasks over a real datastore of small phantoms, in this process."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from ccsd.common.errors import DivergedError, InputError
from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.models.versions import Versions
from ccsd.server.trainers import job as jobs
from ccsd.server.trainers.train_request import read_train_request
from ccsd.training.loop import Epoch
from ccsd.training.recorder import RunRecorder
from ccsd.training.run import Run
from tests.server.trainers.clinics import SHORT, Clinic


@pytest.fixture
def clinic(tmp_path: Path, phantom: Phantom) -> Clinic:
    return Clinic(tmp_path, phantom, "abcdef")


def test_a_training_publishes_a_version_that_says_what_it_was_made_from(clinic: Clinic) -> None:
    clinic.save("a", "b")
    parent = clinic.model.current().version
    stats = clinic.train()
    current = clinic.model.current()
    assert current.version == stats["version"] != parent
    assert stats["outcome"].startswith(f"published {current.version}: mean validation Dice")
    assert current.card.parent == stats["parent"] == parent
    assert current.card.training == current.card.validation == ("a", "b")
    assert stats["training"] == stats["validation"] == stats["seen"] == ["a", "b"]
    assert current.card.held_out is stats["held_out"] is False
    assert stats["outcome"].endswith(", on the training studies: too few to hold one out")
    assert current.card.why_not_expected == "the weights were trained on 2 of the 2 studies that they were measured on"
    assert list(current.card.digests) == ["a", "b"]
    assert current.card.settings["max_epochs"] == stats["config"]["max_epochs"] == 2
    assert len(current.card.dice) == 3  # the lattice of what these studies have
    assert [h["epoch"] for h in stats["history"]] == [0, 1, 2]
    assert not list(clinic.folder.rglob(".writing-*"))
    assert not (clinic.folder / "ccsd.training" / "run.pt").exists()


def test_labels_saved_meanwhile_do_not_touch_the_training(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    clinic.save("a")
    see = RunRecorder.see

    def save_then_see(self: RunRecorder, epoch: Epoch) -> None:
        clinic.save("a", label=np.zeros_like(clinic.phantom.label))
        see(self, epoch)

    monkeypatch.setattr(RunRecorder, "see", save_then_see)
    clinic.train()
    (entry,) = clinic.snapshot()
    assert clinic.model.current().card.digests == {"a": entry["sha256"]}
    monkeypatch.undo()
    clinic.train()
    (later,) = clinic.snapshot()
    assert later["sha256"] != entry["sha256"]
    assert not Path(entry["label"]).exists()  # of the snapshot before: no longer needed


def test_what_the_rule_does_not_let_pass_is_a_candidate_with_the_reason(clinic: Clinic) -> None:
    clinic.save("a")
    clinic.train(max_epochs=30, steps=4, learning_rate=0.01)  # something to lose
    good = clinic.model.current()
    stats = clinic.train(learning_rate=0.9, publish_margin=0.01, steps=20)
    assert stats["version"] is None
    assert "kept back as candidate" in stats["outcome"]
    assert "fell from" in stats["outcome"]
    assert clinic.model.current().version == good.version
    candidate = Versions(clinic.model).known()[0]
    assert candidate.card.kept_back
    assert candidate.card.kept_back in stats["outcome"]
    Versions(clinic.model).serve(candidate.version)  # an admin may
    assert clinic.model.current().version == candidate.version


class KilledError(BaseException):
    """As kill -9: nothing after it runs."""


def test_a_killed_training_goes_on_where_it_was_and_ends_as_if_it_had_not_been(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, phantom: Phantom, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    other = Clinic(tmp_path / "other", phantom, "ab")
    for one in (clinic, other):
        one.save("a", "b")
    whole = other.train(max_epochs=4)
    store = RunRecorder._store

    def store_then_die(self: RunRecorder, epoch: Epoch) -> None:
        store(self, epoch)
        if epoch.index == 2:
            raise KilledError

    monkeypatch.setattr(jobs, "STATE_EVERY", 0.0)
    monkeypatch.setattr(RunRecorder, "_store", store_then_die)
    with pytest.raises(KilledError):
        clinic.train(max_epochs=4)
    monkeypatch.undo()
    assert clinic.model.current().version != "untrained"
    stats = clinic.train(max_epochs=4)
    assert "resuming after epoch 2" in caplog.text
    assert stats["version"] == whole["version"]
    assert [h["epoch"] for h in stats["history"]] == [0, 1, 2, 3, 4]


def test_a_training_killed_between_publishing_and_storing_its_state_goes_on(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    clinic.save("a")
    store = RunRecorder._store

    def die_instead(self: RunRecorder, epoch: Epoch) -> None:
        if epoch.index == 2:
            raise KilledError
        store(self, epoch)

    monkeypatch.setattr(jobs, "STATE_EVERY", 0.0)
    monkeypatch.setattr(RunRecorder, "_store", die_instead)
    with pytest.raises(KilledError):
        clinic.train(max_epochs=4)
    monkeypatch.undo()
    assert clinic.model.current().card.epoch == 2
    stats = clinic.train(max_epochs=4)
    assert "resuming after epoch 1" in caplog.text
    assert [h["epoch"] for h in stats["history"]] == [0, 1, 2, 3, 4]
    assert len(Versions(clinic.model).known()) == 2  # what it started from, and what it published last


def test_with_other_settings_or_other_labels_a_training_starts_anew(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    clinic.save("a")

    def store_then_die(self: RunRecorder, epoch: Epoch) -> None:
        store(self, epoch)
        raise KilledError

    store = RunRecorder._store
    for change in ({"learning_rate": 0.001}, {}):
        monkeypatch.setattr(RunRecorder, "_store", store_then_die)
        with pytest.raises(KilledError):
            clinic.train()
        monkeypatch.undo()
        if not change:
            clinic.save("b")
        clinic.train(**change)
    (clinic.folder / "ccsd.training" / "run.pt").write_bytes(b"half")
    clinic.train()
    assert "resuming" not in caplog.text


def test_the_state_of_an_older_release_is_gone_on_with(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    clinic.save("a")
    store = RunRecorder._store

    def store_then_die(self: RunRecorder, epoch: Epoch) -> None:
        store(self, epoch)
        raise KilledError

    monkeypatch.setattr(RunRecorder, "_store", store_then_die)
    with pytest.raises(KilledError):
        clinic.train()
    task = clinic.task()
    job = task._plan(read_train_request(SHORT), torch.device("cpu"), *task._ready(clinic.store))
    state = torch.load(job.state_file, weights_only=True)
    settings = state["card"]["settings"]
    settings |= {"average": settings.pop("ema_decay"), "keep": settings.pop("parent_weight")}
    torch.save({**state, "key": "a hash of all this"}, job.state_file)  # as 0.2.0 wrote it
    assert job.stored(1)
    assert not job.stored(2)


def test_parameters_by_their_old_names_count() -> None:
    assert read_train_request({"keep": 0.25}).train.parent_weight == 0.25
    assert read_train_request({"keep": 0.25, "parent_weight": None}).train.parent_weight == 0.25


def test_weights_after_a_loss_that_is_no_number_are_those_before(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.save("a")
    before = clinic.model.current().version

    def diverge(self: Run, studies: object) -> dict[str, float]:
        raise DivergedError("the loss became nan, training stopped and the earlier weights stay")

    monkeypatch.setattr(Run, "step", diverge)
    with pytest.raises(DivergedError, match="the loss became nan"):
        clinic.train()
    assert clinic.model.current().version == before


def test_a_study_that_cannot_be_used_is_left_out_and_named(clinic: Clinic) -> None:
    clinic.save("a", "b")
    (clinic.folder / "studies" / "b" / "b_flair.nii.gz").write_bytes(b"no image any more")
    stats = clinic.train()
    assert stats["training"] == ["a"]
    assert "b_flair.nii.gz" in stats["left_out"]["b"]
    shutil.rmtree(clinic.folder / "studies" / "a")
    with pytest.raises(InputError, match=r"none of the labelled studies can be used: .*b_flair"):
        clinic.train()


def test_a_second_training_on_the_same_weights_is_refused(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    clinic.save("a")
    refused = []
    see = RunRecorder.see

    def train_too(self: RunRecorder, epoch: Epoch) -> None:
        with pytest.raises(InputError, match="another training is running"):
            clinic.train()
        refused.append(epoch.index)
        see(self, epoch)

    monkeypatch.setattr(RunRecorder, "see", train_too)
    clinic.train()
    assert refused == [1, 2]


def test_new_studies_are_drawn_more_often_and_earlier_ones_replayed(clinic: Clinic, tmp_path: Path) -> None:
    write_phantom(clinic.phantom, tmp_path / "earlier" / "old", "old")
    clinic.save("a", "b", "c")
    task = clinic.task(replay=tmp_path / "earlier")
    task({**SHORT, "val_split": 0}, clinic.store)
    assert clinic.model.current().card.training == ("a", "b", "c", "replay/old")
    clinic.save("d")
    ready, _ = task._ready(clinic.store)
    job = task._plan(read_train_request({"val_split": 0, "new_share": 0.4}), torch.device("cpu"), ready, {})
    shares = dict(zip([one.id for one in job.training], job.weights, strict=True))
    assert shares == pytest.approx({"a": 0.15, "b": 0.15, "c": 0.15, "d": 0.4, "replay/old": 0.15})


def test_where_only_one_region_was_drawn_the_others_are_neither_trained_nor_measured(clinic: Clinic) -> None:
    whole = (clinic.phantom.label > 0).astype(np.uint8)
    clinic.save("a", label=whole, label_info=[{"name": "Whole Tumor", "idx": 1}])
    stats = clinic.train()
    assert clinic.snapshot()[0]["regions"] == ["WT"]
    assert all(set(row) == {"modalities", "WT"} for row in stats["dice"])
    clinic.save("b")
    assert set(clinic.train()["dice"][0]) == {"modalities", "WT", "TC", "ET"}


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"max_epochs": "many"}, "expected a number"),
        ({"max_epochs": 0}, "max_epochs is 0"),
        ({"patch": -1}, "patch is -1"),
        ({"val_split": 1}, "val_split is 1"),
        ({"publish_margin": -1}, "publish_margin is -1"),
        ({"parent_weight": 1}, "parent_weight is 1.0, expected 0 up to but not 1"),
        ({"keep": 0, "parent_weight": 0}, "keep and parent_weight are both given, expected parent_weight alone"),
    ],
)
def test_wrong_parameters_are_named(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_train_request(wrong)
