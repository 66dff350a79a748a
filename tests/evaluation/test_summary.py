from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsd.evaluation.summary import Row, aurc, summarise, worsening, worsening_steps
from ccsd.method import subsets
from ccsd.method.task import BRATS

DICE = st.floats(0, 1)
LATTICE = st.fixed_dictionaries({s: DICE for s in subsets.lattice(0b1111)})


def rows(case: str, values: dict[int, float]) -> list[Row]:
    return [Row(case, s, region, d, 10 * d) for s, d in values.items() for region in BRATS.regions]


def of_wt(case: str, values: dict[int, float]) -> list[Row]:
    return [Row(case, s, "WT", d, 0.0) for s, d in values.items()]


@given(DICE, st.integers(1, 8))
def test_a_flat_curve_scores_itself(value: float, points: int) -> None:
    assert aurc([value] * points) == pytest.approx(value)


@given(st.lists(DICE, min_size=1, max_size=8))
def test_aurc_lies_between_the_worst_and_the_best_point(curve: list[float]) -> None:
    assert min(curve) - 1e-9 <= aurc(curve) <= max(curve) + 1e-9


def test_aurc_is_the_trapezoid_area_divided_by_the_steps() -> None:
    assert aurc([0.9, 0.8, 0.4]) == pytest.approx(((0.9 + 0.8) / 2 + (0.8 + 0.4) / 2) / 2)


def test_worsening_counts_pairs_in_which_some_added_modality_lowers_dice() -> None:
    # {0}: adding 1 lowers, adding 2 raises; {1}: adding 0 raises, adding 2 raises; {2}: both raise; {0,1} and {0,2} and
    # {1,2}: the third raises. One of six pairs, and one of the nine steps 3 x 2 + 3 x 1.
    values = {0b001: 0.5, 0b010: 0.2, 0b100: 0.3, 0b011: 0.4, 0b101: 0.6, 0b110: 0.5, 0b111: 0.9}
    assert worsening(of_wt("a", values)) == pytest.approx(1 / 6, abs=1e-4)
    assert worsening_steps(of_wt("a", values)) == pytest.approx(1 / 9, abs=1e-4)


def test_worsening_compares_within_a_case_only() -> None:
    both = of_wt("a", {0b01: 0.9}) + of_wt("b", {0b11: 0.1})
    assert worsening(both) == worsening_steps(both) == 0.0


def test_an_equal_dice_is_not_worse() -> None:
    assert worsening(of_wt("a", {0b01: 0.7, 0b11: 0.7})) == 0.0


@given(LATTICE)
def test_a_pair_worsens_whenever_one_of_its_steps_does(values: dict[int, float]) -> None:
    pairs, steps = worsening(of_wt("a", values)), worsening_steps(of_wt("a", values))
    assert 0 <= steps <= 1
    assert (pairs > 0) == (steps > 0)
    assert (pairs * 14) + 1e-2 >= steps * 28 / 3  # 14 pairs, 28 steps, at most 3 of them from one pair


def test_a_summary_has_all_subsets_sizes_and_the_worst_of_each_size() -> None:
    values = {s: subsets.size(s) / 5 for s in subsets.lattice(0b1111)}
    values[0b0010] = 0.1  # t1ce alone is the worst single one
    summary = summarise(rows("a", values) + rows("b", values), BRATS)
    assert [len(e["modalities"]) for e in summary["subsets"]] == [4] + [3] * 4 + [2] * 6 + [1] * 4
    assert summary["cases"] == [2] * 15
    assert summary["subsets"][0]["WT"] == {"dice": 0.8, "hd95": 8.0}
    assert summary["worst"]["1"] == {"modalities": ["t1ce"], "dice": 0.1}
    assert summary["sizes"]["1"]["TC"] == {"dice": pytest.approx(0.175), "hd95": pytest.approx(1.75)}
    assert summary["average"]["ET"] == pytest.approx(sum(values.values()) / 15, abs=1e-4)
    assert summary["average_hd95"]["ET"] == pytest.approx(10 * sum(values.values()) / 15, abs=1e-4)
    assert summary["aurc"]["WT"] == pytest.approx((0.8 / 2 + 0.6 + 0.4 + 0.175 / 2) / 3, abs=1e-4)


@given(LATTICE)
def test_figures_lie_between_the_worst_and_the_best_subset(values: dict[int, float]) -> None:
    summary = summarise(rows("a", values), BRATS)
    low, high = min(values.values()) - 1e-4, max(values.values()) + 1e-4
    assert low <= summary["average"]["WT"] <= high
    assert low <= summary["aurc"]["WT"] <= high


def test_a_study_counts_for_the_subsets_that_it_has() -> None:
    summary = summarise(rows("a", {0b01: 1.0, 0b10: 0.0, 0b11: 1.0}) + rows("b", {0b01: 0.5}), BRATS)
    by_names = {tuple(entry["modalities"]): entry["WT"]["dice"] for entry in summary["subsets"]}
    assert by_names == {("t1", "t1ce"): 1.0, ("t1",): 0.75, ("t1ce",): 0.0}
    assert summary["cases"] == [1, 2, 1]


def test_there_is_no_aurc_where_no_study_has_all_modalities() -> None:
    assert summarise(rows("a", {0b01: 0.5}), BRATS)["aurc"] == {"WT": None, "TC": None, "ET": None}


def test_nothing_cannot_be_summarised() -> None:
    with pytest.raises(ValueError, match="nothing to summarise"):
        summarise([], BRATS)
