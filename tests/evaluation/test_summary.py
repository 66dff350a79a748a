from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.ccsd import subsets
from lib.ccsd.task import BRATS
from lib.evaluation.summary import Row, aurc, summarise, worsening

DICE = st.floats(0, 1)


def rows(case: str, values: dict[int, float]) -> list[Row]:
    return [Row(case, s, region, d, 10 * d) for s, d in values.items() for region in BRATS.regions]


@given(DICE, st.integers(1, 8))
def test_a_flat_curve_scores_itself(value: float, points: int) -> None:
    assert aurc([value] * points) == pytest.approx(value, abs=1e-4)


def test_aurc_is_the_trapezoid_area_divided_by_the_steps() -> None:
    assert aurc([0.9, 0.8, 0.4]) == pytest.approx(((0.9 + 0.8) / 2 + (0.8 + 0.4) / 2) / 2)


def test_worsening_counts_added_modalities_that_lower_dice() -> None:
    # from {0}: adding 1 raises, from {1}: adding 0 lowers; each pair of sets that differ by one modality counts once
    assert worsening([r for r in rows("a", {0b01: 0.5, 0b10: 0.9, 0b11: 0.7}) if r.region == "WT"]) == 0.5


def test_worsening_compares_within_a_case_only() -> None:
    both = rows("a", {0b01: 0.9}) + rows("b", {0b11: 0.1})
    assert worsening([r for r in both if r.region == "WT"]) == 0.0


def test_a_summary_has_all_subsets_sizes_and_the_worst_of_each_size() -> None:
    values = {s: subsets.size(s) / 5 for s in subsets.lattice(0b1111)}
    values[0b0010] = 0.1  # t1ce alone is the worst single one
    summary = summarise(rows("a", values) + rows("b", values), BRATS)
    assert [len(entry["modalities"]) for entry in summary["subsets"]] == sorted(
        (subsets.size(s) for s in values), reverse=True
    )
    assert summary["subsets"][0]["WT"] == {"dice": 0.8, "hd95": 8.0}
    assert summary["worst"]["1"] == {"modalities": ["t1ce"], "dice": 0.1}
    assert summary["average"]["ET"] == pytest.approx(sum(values.values()) / 15, abs=1e-4)
    assert summary["aurc"]["WT"] == pytest.approx((0.8 / 2 + 0.6 + 0.4 + (0.6 + 0.1) / 4 / 2) / 3, abs=1e-4)


def test_a_study_counts_for_the_subsets_that_it_has() -> None:
    summary = summarise(rows("a", {0b01: 1.0, 0b10: 0.0, 0b11: 1.0}) + rows("b", {0b01: 0.5}), BRATS)
    by_names = {tuple(entry["modalities"]): entry["WT"]["dice"] for entry in summary["subsets"]}
    assert by_names == {("t1", "t1ce"): 1.0, ("t1",): 0.75, ("t1ce",): 0.0}
