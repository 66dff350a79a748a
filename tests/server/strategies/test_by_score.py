"""Strategies over a real datastore, with scores that are given."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.imaging.volumes import write_volume
from ccsd.method import subsets
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models.served import ServedModel
from ccsd.server.datastores.folder import open_folder
from ccsd.server.datastores.store import StudyDatastore
from ccsd.server.scoring.scores import Scores
from ccsd.server.strategies.by_score import ByExpectedGain, BySubsetDisagreement
from ccsd.server.strategies.gain import missing_shares, weight

STUDIES = {"a": ["t1", "flair"], "b": ["t1", "t1ce"], "c": ["t2"]}


@pytest.fixture
def store(tmp_path: Path, phantom: Phantom) -> StudyDatastore:
    for name, modalities in STUDIES.items():
        write_phantom(phantom, tmp_path / "studies" / name, name, modalities=modalities, label=False)
    return open_folder(tmp_path / "studies", BRATS)


@pytest.fixture
def model(tmp_path: Path) -> ServedModel:
    return ServedModel(tmp_path / "ccsd.pt", tmp_path / "pretrained.pt", BRATS, PRESETS["tiny"])


def give(store: StudyDatastore, scores: Scores, **values: float | None) -> None:
    for name, value in values.items():
        (image,) = [i for i in store.one_a_study(store.list_images()) if i.startswith(name)]
        found = {"score": value, "has": STUDIES[name]} if value is not None else {"error": "unreadable"}
        scores.put(image, f"untrained {store.stamp(image)}", found)


def test_the_highest_score_is_offered_and_users_get_different_studies(
    store: StudyDatastore, model: ServedModel, tmp_path: Path
) -> None:
    scores, started = Scores(tmp_path / "s.json"), []
    strategy = BySubsetDisagreement(model, scores, lambda: started.append(1))
    first = strategy({"client_id": "x"}, store)
    assert first is not None
    assert (first["score"], first["scored"], first["of"]) == (None, 0, 3)
    give(store, scores, a=0.1, b=0.3)
    offered = [strategy({"client_id": client}, store) for client in ("x", "x", "y", "z")]
    assert [o["id"][0] for o in offered if o] == ["b", "b", "a", "b"]  # z: all were given away, so the best again
    assert len(started) == 5  # c has no score yet
    give(store, scores, c=None)  # it cannot be read
    last = strategy({"client_id": "x"}, store)
    assert last is not None
    assert (last["id"][0], last["scored"], len(started)) == ("b", 3, 5)


def test_a_study_that_was_damaged_after_it_was_scored_is_not_offered_and_the_answer_says_why(
    store: StudyDatastore, model: ServedModel, tmp_path: Path
) -> None:
    scores = Scores(tmp_path / "s.json")
    give(store, scores, a=0.1, b=0.3)
    file = tmp_path / "studies" / "b" / "b_t1ce.nii.gz"
    file.write_bytes(file.read_bytes()[:1000])
    strategy = BySubsetDisagreement(model, scores, lambda: None)
    offered = strategy({}, store)
    assert offered is not None
    assert offered["id"][0] == "a"
    ((image, reason),) = offered["not_offered"].items()
    assert image[0] == "b"
    assert "b_t1ce.nii.gz" in reason
    for name in ("a/a_t1", "a/a_flair"):
        (tmp_path / "studies" / f"{name}.nii.gz").write_bytes(b"no image")
    by_chance = strategy({}, store)
    assert by_chance is not None
    assert (by_chance["id"], by_chance["score"]) == ("c_t2", None)


def test_expected_gain_prefers_modalities_that_no_labelled_study_has(
    store: StudyDatastore, model: ServedModel, phantom: Phantom, tmp_path: Path
) -> None:
    scores = Scores(tmp_path / "s.json")
    give(store, scores, a=0.10, b=0.12, c=0.09)
    write_volume(tmp_path / "l.nii.gz", phantom.label, phantom.grid)
    store.save_label("b_t1", str(tmp_path / "l.nii.gz"), "final", {})
    by_score = BySubsetDisagreement(model, scores, lambda: None)({}, store)
    by_gain = ByExpectedGain(model, scores, lambda: None, BRATS)({}, store)
    assert by_score is not None
    assert by_gain is not None
    assert (by_score["id"][0], by_gain["id"][0]) == ("a", "a")
    assert by_gain["score"] == pytest.approx(0.20)  # flair is new
    for name in ("a_t1", "c_t2"):
        store.save_label(name, str(tmp_path / "l.nii.gz"), "final", {})
    assert by_score != BySubsetDisagreement(model, scores, lambda: None)({}, store) is None


SETS = st.lists(st.integers(1, 15).map(lambda s: set(subsets.names(s, BRATS.modalities))), max_size=6)


@given(SETS, st.integers(1, 15), st.integers(1, 15))
def test_more_modalities_and_rarer_ones_never_count_less(labelled: list[set[str]], has: int, more: int) -> None:
    rarity = missing_shares(labelled, BRATS.modalities)
    fewer, all_ = (subsets.names(s, BRATS.modalities) for s in (has, has | more))
    assert 1 <= weight(fewer, rarity) <= weight(all_, rarity) <= 5
    seen = missing_shares([*labelled, set(fewer)], BRATS.modalities)
    assert weight(fewer, seen) <= weight(fewer, rarity)
