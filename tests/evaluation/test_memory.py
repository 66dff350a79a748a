"""Features that are kept answer as features that are computed, and never take more than they may."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ccsd.inference.feature_cache import digest, feature_cache, joined, keep, size_of
from ccsd.inference.predict import predict
from ccsd.inference.windows import WindowConfig
from ccsd.method.network import PRESETS, CCSDNetwork, Features
from ccsd.method.task import BRATS
from ccsd.models import checkpoint

NETWORK = checkpoint.untrained(BRATS, PRESETS["tiny"]).network
ALL = torch.ones(4, dtype=torch.bool)
TWO = torch.tensor([False, True, False, True])


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The subsets that were encoded, as they come."""
    seen: list[int] = []
    original = CCSDNetwork.encode_subset

    def counting(self: CCSDNetwork, volumes: torch.Tensor, available: int) -> Features:
        seen.append(available)
        return original(self, volumes, available)

    monkeypatch.setattr(CCSDNetwork, "encode_subset", counting)
    return seen


def test_another_choice_of_modalities_encodes_nothing_again(encoded: list[int]) -> None:
    volumes, memory, window = torch.randn(4, 24, 20, 24), feature_cache(), WindowConfig()
    first = predict(NETWORK, volumes, ALL, [0b1111], window, memory=memory, version="a")
    assert encoded == [1, 2, 4, 8]
    again = predict(NETWORK, volumes, TWO, [0b1010], window, memory=memory, version="a")
    assert encoded == [1, 2, 4, 8]
    assert torch.equal(first[0b1111], predict(NETWORK, volumes, ALL, [0b1111], window)[0b1111])
    assert torch.equal(again[0b1010], predict(NETWORK, volumes, TWO, [0b1010], window)[0b1010])


def test_other_weights_other_voxels_and_another_precision_are_encoded_anew(encoded: list[int]) -> None:
    volumes, memory = torch.randn(4, 24, 20, 24), feature_cache()
    other = volumes.clone()
    other[1, 0, 0, 0] += 1
    for version, shown, precision in (
        ("a", volumes, "float32"),
        ("b", volumes, "float32"),
        ("a", other, "float32"),
        ("a", volumes, "bfloat16"),
    ):
        window = WindowConfig(precision=precision)  # type: ignore[arg-type]  # a literal
        predict(NETWORK, shown, TWO, [0b1010], window, memory=memory, version=version)
    assert encoded == [2, 8, 2, 8, 2, 2, 8]


def test_studies_of_several_windows_are_not_kept(encoded: list[int]) -> None:
    memory = feature_cache()
    predict(NETWORK, torch.randn(4, 40, 40, 40), TWO, [0b1010], WindowConfig(edge=32), memory=memory)
    assert len(memory) == 0
    assert set(encoded) == {0b1010}


def features(values: int) -> Features:
    return Features(1, [{0: torch.zeros(values)}], [{}], [{}])


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 60)), max_size=30))
def test_no_more_is_kept_than_the_limit_and_the_latest_always(puts: list[tuple[int, int]]) -> None:
    memory, sizes = feature_cache(200), {}
    for key, values in puts:
        sizes.setdefault(key, values)
        if memory.get(key) is None:
            sizes[key] = values
            keep(memory, key, features(values))
        kept = {k: f for k in sizes if (f := memory.get(k)) is not None}
        memory.get(key)
        assert sum(size_of(f) for f in kept.values()) <= 200
        assert (key in kept) == (4 * sizes[key] <= 200)


def test_the_digest_tells_values_and_shapes_apart() -> None:
    x = torch.arange(8.0)
    assert digest(x) == digest(x.clone())
    assert len({digest(x), digest(x + 1), digest(x.reshape(2, 4)), digest(x.reshape(2, 2, 2))}) == 4


def test_nothing_cannot_be_joined() -> None:
    with pytest.raises(ValueError, match="no features"):
        joined([])


def test_bfloat16_changes_probabilities_little() -> None:
    volumes = torch.randn(4, 24, 24, 24)
    exact, rounded = (
        predict(NETWORK, volumes, ALL, [0b1111], WindowConfig(precision=p))[0b1111] for p in ("float32", "bfloat16")
    )
    assert not torch.equal(exact, rounded)
    assert (exact - rounded).abs().max() < 0.05
