"""The page and the printed table, from made-up measurements."""

from __future__ import annotations

import re
from typing import Any

import pytest
from PIL import Image

from ccsd.evaluation.markdown import as_markdown
from ccsd.evaluation.report import render
from ccsd.evaluation.summary import DEFINITIONS, Row, summarise
from ccsd.method import subsets
from ccsd.method.task import BRATS, Task

ONE = Task("one", ("ct",), {"a<b": 1}, {"a<b": (1,)}, {"a<b": 1})


def summary(task: Task, available: int) -> dict[str, Any]:
    values = {s: subsets.size(s) / 5 for s in subsets.lattice(available)}
    return summarise([Row("a", s, region, d, 3.0) for s, d in values.items() for region in task.regions], task)


@pytest.fixture(scope="module")
def page() -> str:
    picture = Image.new("RGB", (4, 4))
    found = summary(BRATS, 0b1111)
    return render({**found, "et_rule": found}, BRATS, {"case & co": (picture, "WT 0.5")}, heading="model <m>")


def test_the_page_needs_nothing_else(page: str) -> None:
    assert "http" not in page
    assert set(re.findall(r"src='([a-z:/]+)", page)) == {"data:image/png"}
    assert not re.search(r"<link|<script|@import|url\(", page)


def test_the_page_has_a_row_for_each_subset_and_a_line_for_each_region(page: str) -> None:
    assert page.count("<tr class='subset'>") == 15
    assert page.count("<polyline") == 3
    assert page.count("<circle") == 3 * 4


def test_definitions_stand_beside_the_figures(page: str) -> None:
    for key in ("aurc", "worst", "worsening", "et_rule"):
        assert DEFINITIONS[key] in page
    assert "AURC, small ET relabelled" in page


def test_names_are_escaped(page: str) -> None:
    assert "<m>" not in page
    assert "case &amp; co: WT 0.5" in page
    assert "a<b" not in render(summary(ONE, 1), ONE, {}, heading="one")


def test_a_task_of_one_modality_has_a_table_and_a_curve_of_one_point() -> None:
    page = render(summary(ONE, 1), ONE, {}, heading="one")
    assert page.count("<tr class='subset'>") == 1
    assert page.count("<circle") == 1


def test_a_curve_without_its_beginning_starts_where_studies_do() -> None:
    page = render(summary(BRATS, 0b0011), BRATS, {}, heading="two modalities")
    assert "n/a" in page
    first = re.search(r"<polyline points='([\d.]+),", page)
    assert first is not None
    assert float(first[1]) == pytest.approx(50 + 460 * 2 / 3, abs=0.1)  # two missing, of at most three


def test_the_printed_table_names_every_subset_and_figure() -> None:
    text = as_markdown(summary(BRATS, 0b1111), BRATS)
    assert "| t1 t1ce t2 flair | 1 | 0.800 (3.0) | 0.800 (3.0) | 0.800 (3.0) |" in text
    assert "| **average of 15** |" in text
    assert f"AURC: WT 0.500, TC 0.500, ET 0.500 ({DEFINITIONS['aurc']})" in text
    assert "relabelled" not in text
