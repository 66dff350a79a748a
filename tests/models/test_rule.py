from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ccsd.common.errors import InputError
from ccsd.method.task import BRATS
from ccsd.models.rule import PublishRule, judge

NAN = float("nan")


def dice(**rows: list[float]) -> dict[int, torch.Tensor]:
    return {int(name[1:], 2): torch.tensor(values) for name, values in rows.items()}


BEFORE = dice(_1111=[0.9, 0.8, 0.7], _0011=[0.6, 0.5, 0.4])


def test_what_is_as_good_is_published_and_the_sentence_has_both_means() -> None:
    verdict = judge(BEFORE, BEFORE, PublishRule(), BRATS)
    assert verdict.publish
    assert verdict.reason == "mean validation Dice 0.650, 0.650 before"


def test_a_mean_that_falls_by_more_than_the_margin_is_kept_back() -> None:
    after = {subset: values - 0.02 for subset, values in BEFORE.items()}
    verdict = judge(BEFORE, after, PublishRule(margin=0.01), BRATS)
    assert not verdict.publish
    assert verdict.reason == "mean validation Dice fell from 0.650 to 0.630, at most 0.01 is allowed"
    assert judge(BEFORE, after, PublishRule(margin=0.03), BRATS).publish


def test_one_region_of_one_subset_that_collapses_keeps_all_back_and_is_named() -> None:
    after = dice(_1111=[0.98, 0.95, 0.9], _0011=[0.7, 0.6, 0.2])
    verdict = judge(BEFORE, after, PublishRule(), BRATS)
    assert not verdict.publish
    assert verdict.reason == "ET with t1+t1ce fell from 0.400 to 0.200, at most 0.15 is allowed"


def test_regions_that_no_label_knows_do_not_count() -> None:
    before, after = dice(_1111=[0.9, NAN, NAN]), dice(_1111=[0.91, NAN, NAN])
    assert judge(before, after, PublishRule(), BRATS).publish


@pytest.mark.parametrize("wrong", [{"margin": -0.1}, {"collapse": 2}])
def test_a_rule_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=r"expected 0 to 1"):
        PublishRule(**wrong)


VALUES = st.lists(st.floats(0, 1), min_size=3, max_size=3)


@given(VALUES, VALUES, st.floats(0, 0.5), st.floats(0, 0.5))
def test_what_is_published_lost_no_more_than_the_rule_allows(
    old: list[float], new: list[float], margin: float, collapse: float
) -> None:
    before, after = dice(_1111=old), dice(_1111=new)
    if judge(before, after, PublishRule(margin, collapse), BRATS).publish:
        assert sum(new) / 3 >= sum(old) / 3 - margin - 1e-6
        assert all(b >= a - collapse - 1e-6 for a, b in zip(old, new, strict=True))
