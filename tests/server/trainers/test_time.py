"""`max_minutes` is the time from the request to the end, and what a training does meanwhile can be read."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ccsd.common.errors import InputError
from ccsd.common.files import read_json
from ccsd.demo.phantom import Phantom
from ccsd.server.trainers.before import validate_before
from ccsd.training.cache import read_cached
from ccsd.training.limit import TimeLimit
from ccsd.training.loop import dice_of
from ccsd.training.progress import BEFORE, ENDING, PREPARING, STEPS, VALIDATING, Progress, told
from tests.server.trainers.clinics import Clinic

ENDLESS = {"max_epochs": 100_000, "steps": 5}


@pytest.fixture
def clinic(tmp_path: Path, phantom: Phantom) -> Clinic:
    return Clinic(tmp_path, phantom, "abcdef")


def test_a_training_is_over_within_its_minutes(clinic: Clinic) -> None:
    clinic.save("a", "b")
    started = time.monotonic()
    stats = clinic.train(**ENDLESS, max_minutes=0.2)
    assert time.monotonic() - started < 0.2 * 60
    assert stats["history"][-1]["score"] is not None  # the last epoch was validated
    assert stats["outcome"].startswith("published ")


def test_minutes_that_are_too_few_are_said_in_one_sentence(clinic: Clinic) -> None:
    clinic.save("a", "b")
    before = clinic.model.current().version
    with pytest.raises(InputError, match=r"max_minutes is 0\.04, which has no room for a step: .* expected at least 1"):
        clinic.train(**ENDLESS, max_minutes=0.04)  # writing and ending alone take 3 s of it
    clinic.save("c")
    with pytest.raises(InputError, match="max_minutes was over while the 3 studies were prepared"):
        clinic.train(**ENDLESS, max_minutes=1e-9)
    assert clinic.model.current().version == before
    assert read_json(clinic.folder / "ccsd.training" / "progress.json")["doing"] == ENDING


def test_with_little_time_fewer_studies_validate(clinic: Clinic) -> None:
    clinic.save(*"abcdef")
    clinic.train(max_epochs=1)
    cases = [read_cached(file) for file in sorted((clinic.folder / "ccsd.training" / "cases").glob("*.pt"))]
    network = clinic.model.current().network
    dice_of(network, cases[0])
    started = time.monotonic()
    dice_of(network, cases[0])
    one = time.monotonic() - started
    limit = TimeLimit(time.monotonic() + 11 * one)  # half of that: before and after, a little more than two
    _, used = validate_before(network, cases, Progress(limit=limit))
    assert 1 <= len(used) < 6
    assert limit.left > 0
    assert len(validate_before(network, cases, Progress())[1]) == 6


def test_a_training_that_validated_on_fewer_says_so(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    clinic.save(*"abc")
    monkeypatch.setattr("ccsd.server.trainers.before.SHARE", 0.0)
    stats = clinic.train(max_minutes=5)
    assert stats["outcome"].endswith("(on 1 of 3 validation studies: more do not fit into max_minutes)")
    assert stats["validation"] == list(clinic.model.current().card.validation) == ["a"]


def test_each_step_can_be_read_while_the_first_epoch_runs(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ccsd.training.progress.EVERY", 0.0)
    clinic.save("a", "b")
    seen: list[dict[str, Any]] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            now = read_json(clinic.folder / "ccsd.training" / "progress.json")
            if now and now not in seen[-1:]:
                seen.append(now)
            time.sleep(0.002)

    looking = threading.Thread(target=look)
    looking.start()
    clinic.train(max_epochs=2, steps=12)
    over.set()
    looking.join()
    seen.append(read_json(clinic.folder / "ccsd.training" / "progress.json"))  # what is left there
    assert list(dict.fromkeys(one["doing"] for one in seen)) == [PREPARING, BEFORE, STEPS, VALIDATING, ENDING]
    first = [one for one in seen if one["doing"] == STEPS and one["epoch"] == 1]
    assert len({one["step"] for one in first}) > 5
    assert all(one["steps"] == 12 and one["epochs"] == 2 and "minutes_left" in one for one in first)
    validated = [one for one in seen if one["doing"] == VALIDATING]
    assert {(one["epoch"], one["step"], one["studies"]) for one in validated} <= {(1, 12, 2), (2, 12, 2)}


def test_progress_is_told_in_words_and_that_of_an_earlier_training_is_not(tmp_path: Path) -> None:
    file = tmp_path / "progress.json"
    assert told(file, os.getpid())["says"] == "starting"
    progress = Progress(file, 10, 50, TimeLimit(time.monotonic() + 200))
    progress.begin(PREPARING, 3)
    progress.study(1)
    assert told(file, os.getpid())["says"] == "preparing studies, study 1 of 3, at most 4 minutes left"
    progress.begin(STEPS, 0)
    for _ in range(7):
        progress._written = 0.0
        progress.step()
    assert told(file, os.getpid())["says"].startswith("epoch 1 of 10, step 7 of 50, about ")
    assert told(file, os.getpid() + 1)["says"] == "starting"
