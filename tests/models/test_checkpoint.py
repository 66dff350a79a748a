from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ccsd.common.errors import InputError
from ccsd.method.network import PRESETS, CCSDNetwork
from ccsd.method.task import BRATS
from ccsd.models import checkpoint
from ccsd.models.card import UNTRAINED, Card
from ccsd.models.served import ServedModel


def tiny(seed: int = 0) -> CCSDNetwork:
    return checkpoint.untrained(BRATS, PRESETS["tiny"], seed=seed).network


def test_saved_weights_give_the_same_answer(tmp_path: Path) -> None:
    network = tiny()
    version = checkpoint.save(tmp_path / "w.pt", network, name="tiny", card=Card(parent="none"))
    loaded = checkpoint.load(tmp_path / "w.pt", task=BRATS)
    x, present = torch.randn(1, 4, 16, 16, 16), torch.tensor([True, False, True, True])
    assert loaded.version == version
    assert loaded.card == Card(version, parent="none")
    assert torch.equal(loaded.network(x, present), network(x, present))
    assert [p.name for p in tmp_path.iterdir()] == ["w.pt"]


def test_weights_get_another_card_and_the_version_stays(tmp_path: Path) -> None:
    version = checkpoint.save(tmp_path / "w.pt", tiny(), name="tiny")
    checkpoint.put_card(tmp_path / "w.pt", Card(parent="none", validation=("a", "b")))
    loaded = checkpoint.load(tmp_path / "w.pt", task=BRATS)
    assert loaded.version == version
    assert loaded.card == Card(version, parent="none", validation=("a", "b"))


def test_the_version_is_that_of_the_content(tmp_path: Path) -> None:
    versions = [checkpoint.save(tmp_path / "w.pt", tiny(seed), name="tiny") for seed in (0, 0, 1)]
    assert versions[0] == versions[1] != versions[2]


def test_untrained_weights_follow_from_the_seed_and_leave_the_random_state_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second = tiny(), tiny()
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


class _Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch harmed",)


def test_a_checkpoint_with_code_in_it_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.pt").write_bytes(pickle.dumps(_Harmful()))
    with pytest.raises(InputError, match=r"weights w\.pt cannot be read"):
        checkpoint.load(tmp_path / "w.pt", task=BRATS)
    assert not (tmp_path / "harmed").exists()


def test_weights_of_another_task_are_refused_with_both_named(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "w.pt", tiny(), name="tiny")
    other = replace(BRATS, modalities=("t1ce", "t1", "t2", "flair"))
    with pytest.raises(InputError, match=r"modalities t1, t1ce, t2, flair and .*expected .* modalities t1ce, t1"):
        checkpoint.load(tmp_path / "w.pt", task=other)


def served(folder: Path) -> ServedModel:
    return ServedModel(folder / "ccsd.pt", folder / "pretrained_ccsd.pt", BRATS, PRESETS["tiny"])


def test_published_weights_come_before_shipped_ones_and_those_before_none(tmp_path: Path) -> None:
    model = served(tmp_path)
    assert model.current().version == UNTRAINED
    shipped = checkpoint.save(model.shipped, tiny(1), name="shipped")
    assert model.current().version == shipped
    published = checkpoint.save(model.published, tiny(2), name="published")
    assert model.current().version == published


def test_a_publication_does_not_touch_the_network_in_use(tmp_path: Path) -> None:
    model = served(tmp_path)
    checkpoint.save(model.published, tiny(1), name="a")
    in_use = model.current()
    before = [p.clone() for p in in_use.network.parameters()]
    checkpoint.save(model.published, tiny(2), name="b")
    assert model.current().version != in_use.version
    assert all(torch.equal(a, b) for a, b in zip(before, in_use.network.parameters(), strict=True))
