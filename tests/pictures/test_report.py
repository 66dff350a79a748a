"""The page of PDF on a mask."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from ccsd.imaging.grid import Grid, Volume
from ccsd.method.task import BRATS
from ccsd.pictures.report import NOT_FOR_DIAGNOSIS, Report, report_pdf
from ccsd.pictures.report_planes import panels_of

GRID = Grid((20, 24, 10), np.diag([1.0, 2.0, 3.0, 1.0]))
ANSWER = {
    "image": "p_flair.nii.gz",
    "volumes_ml": {"WT": 31.25, "TC": 10.0, "ET": 0.0},
    "confidence": {
        "regions": {
            "WT": {"certainty": 0.914, "range_ml": [25.06, 40.14]},
            "TC": {"certainty": None, "range_ml": None},
        },
        "missing": {"t1ce": {"says": "t1ce would tell most about ET"}},
    },
    "modalities": {
        "used": {"flair": "p_flair.nii.gz"},
        "rules": {"flair": "name ends in flair"},
        "missing": ["t1", "t1ce"],
        "ignored": {"scout.nii.gz": "three slices"},
    },
    "warnings": ["no t1ce: ET and TC are estimates"],
}


def report(answer: Mapping[str, Any] = ANSWER, *, title: str = "patient7", drawn: bool = True) -> Report:
    image = np.zeros(GRID.shape, np.float32)
    image[2:18, 2:22, 1:9] = np.random.default_rng(0).random((16, 20, 8)) + 1
    mask = np.zeros(GRID.shape, np.uint8)
    if drawn:
        mask[4:9, 6:16, 5] = 2
    made = datetime(2026, 11, 27, 9, 30, tzinfo=UTC)
    return Report(title, "Mask made by the weights w1.", "flair", Volume(image, GRID), mask, answer, BRATS, made)


def words(pdf: bytes) -> str:
    """What is written, in its order."""
    streams = re.findall(rb"/ASCII85Decode /FlateDecode.*?stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    shown = b"".join(zlib.decompress(base64.a85decode(s.strip().removesuffix(b"~>"))) for s in streams)
    found = re.findall(rb"\(((?:[^()\\]|\\.)*)\) Tj", shown)
    return re.sub(rb"\\(.)", rb"\1", b" ".join(found)).decode("cp1252")


def pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b(?!s)", pdf))


def test_it_says_the_volumes_their_ranges_the_images_the_warnings_and_that_it_is_no_diagnosis() -> None:
    said = words(report_pdf(report()))
    for expected in (
        "patient7",
        "2026-11-27 09:30 UTC",
        "Mask made by the weights w1.",
        "31.2",
        "certainty",
        "0.91",
        "25.1 to 40.1 mL",
        "name ends in flair",
        "Not used: t1, t1ce.",
        "t1ce would tell most about ET.",
        "scout.nii.gz: three slices",
        "no t1ce: ET and TC are estimates",
        "20x24x10 of 1.00x2.00x3.00 mm",
        NOT_FOR_DIAGNOSIS,
    ):
        assert expected in said


def test_ranges_and_images_that_are_not_known_are_not_there() -> None:
    said = words(report_pdf(report({k: v for k, v in ANSWER.items() if k not in ("confidence", "modalities")})))
    assert "31.2" in said
    assert "without one modality" not in said
    assert "certainty" not in said
    assert "why" not in said.split()


def test_it_stays_one_page_whatever_there_is_to_say() -> None:
    ignored = {f"series_{i}.nii.gz": "another grid, and a reason that takes a line of its own" for i in range(120)}
    pdf = report_pdf(report({**ANSWER, "modalities": {**ANSWER["modalities"], "ignored": ignored}}))  # type: ignore[dict-item]
    assert pages(pdf) == 1
    assert "series_119.nii.gz" in words(pdf)


@pytest.mark.parametrize("title", ["Łukasz <b>&amp; 李", "", "x" * 300])
def test_any_name_of_a_study_can_be_written(title: str) -> None:
    assert pages(report_pdf(report(title=title))) == 1


def test_the_outline_of_a_region_lies_around_its_voxels_in_mm() -> None:
    shown = report()
    axial = panels_of(shown.image, shown.mask, BRATS)[0]
    assert axial.index == 5
    whole, core, _ = axial.contours
    points = np.array(whole[0])
    assert np.ptp(points, axis=0) == pytest.approx([5 * 1.0, 10 * 2.0])  # 5 x 10 voxels of 1 x 2 mm
    assert core == []
    assert (axial.width, axial.height) == (20 * 1.0, 24 * 2.0)


def test_an_empty_mask_has_its_page_too() -> None:
    assert pages(report_pdf(report(drawn=False))) == 1
