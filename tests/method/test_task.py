from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ccsd.method.task import BRATS, Task


@given(st.lists(st.integers(0, 3), min_size=8, max_size=8))
def test_label_to_regions_and_back_is_the_identity(values: list[int]) -> None:
    label = torch.tensor(values, dtype=torch.uint8).reshape(1, 2, 2, 2)
    assert torch.equal(BRATS.to_label(BRATS.to_regions(label)[0].bool()), label[0])


@given(st.lists(st.booleans(), min_size=24, max_size=24))
def test_any_region_prediction_becomes_nested_regions(values: list[bool]) -> None:
    regions = torch.tensor(values).reshape(3, 2, 2, 2)
    wt, tc, et = BRATS.to_regions(BRATS.to_label(regions)[None])[0].bool()
    assert torch.equal(wt, regions[0])
    assert not (tc & ~wt).any()
    assert not (et & ~tc).any()


def test_a_task_survives_storage() -> None:
    assert Task.from_dict(BRATS.as_dict()) == BRATS


def test_a_modality_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="modalities must be distinct"):
        Task("x", ("t1", "t1"), {"a": 1}, {"A": (1,)}, {"A": 1})


@pytest.mark.parametrize(
    ("missing", "count"), [([], 0), (["t1ce"], 1), (["flair"], 0), (["flair", "t2"], 1), (["t1ce", "t2", "flair"], 2)]
)
def test_a_caution_is_given_where_all_its_modalities_are_missing(missing: list[str], count: int) -> None:
    assert len(BRATS.warnings(missing)) == count
