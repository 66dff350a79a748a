from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from ccsd.method import subsets

AVAILABLE = st.integers(min_value=1, max_value=255)


@given(AVAILABLE)
def test_members_and_from_members_are_inverse(subset: int) -> None:
    assert subsets.from_members(subsets.members(subset)) == subset


@given(AVAILABLE)
def test_lattice_has_every_non_empty_subset_once(available: int) -> None:
    lattice = subsets.lattice(available)
    assert len(set(lattice)) == len(lattice) == 2 ** subsets.size(available) - 1
    assert all(s and s & ~available == 0 for s in lattice)


@given(AVAILABLE)
def test_lattice_never_grows_in_size(available: int) -> None:
    sizes = [subsets.size(s) for s in subsets.lattice(available)]
    assert sizes == sorted(sizes, reverse=True)


@given(AVAILABLE)
def test_levels_partition_the_lattice(available: int) -> None:
    levels = [subsets.level(available, k) for k in range(1, subsets.size(available) + 1)]
    assert sorted(s for level in levels for s in level) == sorted(subsets.lattice(available))


@given(AVAILABLE, st.integers(0, 2**31))
def test_sample_is_a_proper_subset_unless_there_is_only_one_modality(available: int, seed: int) -> None:
    drawn = subsets.sample(available, torch.Generator().manual_seed(seed))
    assert drawn != 0
    assert drawn & ~available == 0
    assert (drawn == available) == (subsets.size(available) == 1)


@given(AVAILABLE, st.integers(1, 8), st.integers(1, 10), st.integers(0, 2**31))
def test_a_drawn_level_has_distinct_subsets_of_that_size(available: int, k: int, count: int, seed: int) -> None:
    drawn = subsets.sample_level(available, k, count, torch.Generator().manual_seed(seed))
    every = subsets.level(available, k)
    assert len(drawn) == len(set(drawn)) == min(count, len(every))
    assert set(drawn) <= set(every)


def test_sample_is_uniform_over_sizes() -> None:
    generator = torch.Generator().manual_seed(0)
    sizes = [subsets.size(subsets.sample(0b1111, generator)) for _ in range(3000)]
    for k in (1, 2, 3):
        assert 0.29 < sizes.count(k) / len(sizes) < 0.38


def test_names_follow_the_order_of_the_task() -> None:
    assert subsets.names(0b1001, ("t1", "t1ce", "t2", "flair")) == ("t1", "flair")


def test_present_tensor_and_bit_mask_agree() -> None:
    assert subsets.from_present(torch.tensor([True, False, True, True])) == 0b1101


@given(st.integers(1, 2**6 - 1))
def test_a_subset_is_the_same_after_the_way_through_a_mask(subset: int) -> None:
    assert subsets.from_present(subsets.to_present(subset, 6)) == subset
