"""Warnings on the images: none on a study that is fine, one sentence on each that was made worse."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ccsd.demo.phantom import Phantom, PhantomConfig, make_phantom, write_phantom
from ccsd.experiments.synthesis import degrade
from ccsd.imaging.volumes import Grid, Volume, read_source
from ccsd.inference.pipeline import segment
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models import checkpoint
from ccsd.preprocessing import quality
from ccsd.preprocessing.quality_measures import coarse
from ccsd.studies.study import study_of
from tests.conftest import SHARED_DATA
from tests.preprocessing.conftest import Head, moved_by, thick_grid

Volumes = dict[str, Volume]
REAL = sorted((SHARED_DATA / "brats2018" / "check").glob("*/"))


def patient(seed: int) -> Volumes:
    made = make_phantom(PhantomConfig(seed=seed, shape=(96, 116, 96), spacing=(2.0, 2.0, 2.0)))
    return {name: Volume(data, made.grid) for name, data in made.volumes.items()}


@pytest.fixture(scope="module")
def fine() -> Volumes:
    """A phantom's brain, 2 mm, without skull."""
    return patient(3)


@pytest.fixture(scope="module")
def real() -> Volumes:
    """A real study, 2 mm."""
    if not REAL:
        pytest.skip("the real studies of ../shared/data are not on this machine")
    sources = study_of(next(REAL[0].glob("*_t1.nii.gz"))).sources
    return {name: coarse(read_source(source)) for name, source in sources.items()}


def said(volumes: Mapping[str, Volume]) -> list[str]:
    return quality.of_brain(volumes, {m: v.grid for m, v in volumes.items()}, {m: np.eye(4) for m in volumes})


WORSE: dict[str, tuple[Callable[[Volumes], Volumes], str]] = {
    "top": (lambda v: {m: degrade.cut(x, "top", 30) for m, x in v.items()}, "cut the brain at the top"),
    "t2 and flair": (lambda v: degrade.exchanged(v, "t2", "flair"), "t2 and flair look exchanged"),
    "shifted": (lambda v: {**v, "flair": degrade.shifted(v["flair"], 10)}, "flair does not lie on the other series"),
    "bias": (lambda v: {**v, "t1": degrade.with_bias(v["t1"], 6, np.random.default_rng(0))}, "t1 is .* as bright"),
    "size": (lambda v: {m: degrade.scaled(x, 0.7) for m, x in v.items()}, "the brain measures .* mL, expected 900"),
}


def test_a_fine_phantom_gets_no_warning(fine: Volumes) -> None:
    assert said(fine) == []


def test_a_fine_study_gets_no_warning(real: Volumes) -> None:
    assert said(real) == []


@pytest.mark.parametrize("what", WORSE)
def test_a_phantom_made_worse_gets_one_sentence(what: str, fine: Volumes) -> None:
    make, expected = WORSE[what]
    (sentence,) = said(make(fine))
    assert re.search(expected, sentence)


def test_real_names_that_are_exchanged_are_told(real: Volumes) -> None:
    (sentence,) = said(degrade.exchanged(real, "t2", "flair"))
    assert "t2 and flair look exchanged" in sentence


def test_real_series_that_lie_elsewhere_are_told(real: Volumes) -> None:
    (sentence,) = said({**real, "t2": degrade.shifted(real["t2"], 10)})
    assert sentence.startswith("t2 does not lie on the other series")
    one, other = said({"t1": real["t1"], "t2": degrade.shifted(real["t2"], 10)}), said({"t1": real["t1"]})
    assert one[0].startswith("t1 and t2 do not lie on one another")
    assert other == []


def test_a_real_brain_without_its_top_is_told(real: Volumes) -> None:
    (sentence,) = said({m: degrade.cut(v, "top", 20) for m, v in real.items()})
    assert "cut the brain at the top" in sentence


def test_a_slab_is_not_told_as_a_small_or_cut_brain(fine: Volumes) -> None:
    slab = {m: Volume(v.data[:, :, 36:61], Grid((96, 116, 25), v.grid.affine)) for m, v in fine.items()}
    assert said(slab) == []
    assert quality.slab("t1", slab["t1"].grid) == [
        "t1 covers 50 mm of the head, the network was trained on whole brains: check the mask"
    ]


def test_motion_shows_in_the_air_beside_a_head(head: Head) -> None:
    scan = head.scanned("flair", thick_grid((128, 128, 32), (1.8, 1.8, 5.0)), moved_by((0, 0, 0), (0, 0, 0)))
    assert quality.moved("flair", scan) == []
    (sentence,) = quality.moved("flair", degrade.with_motion(scan, 3))
    assert sentence.startswith("flair has ghosts of motion")


def test_a_skull_is_told_where_images_are_taken_as_they_are(head: Head, fine: Volumes) -> None:
    assert quality.skull_left(fine) == []
    assert quality.skull_left(head.volumes) == ["t1, t1ce and flair still show a skull: `preprocess` full removes it"]


def test_a_tumour_at_the_end_of_the_field_is_told_and_one_inside_is_not(fine: Volumes) -> None:
    shown = degrade.cut(fine["t1"], "top", 40)
    top = np.flatnonzero(shown.data.any(axis=(0, 1)))[-1]
    label = np.zeros(shown.grid.shape, np.uint8)
    label[43:53, 53:63, top - 12 : top - 4] = 2
    assert quality.cut_tumour(label, "t1", shown, shown.grid, np.eye(4)) == []
    label[43:53, 53:63, top - 4 : top + 1] = 2
    (sentence,) = quality.cut_tumour(label, "t1", shown, shown.grid, np.eye(4))
    assert sentence.startswith("the mask reaches the top of what t1 shows")


def test_a_tumour_at_the_rim_of_a_brain_that_is_cropped_to_its_box_is_not_told(fine: Volumes) -> None:
    brain = fine["t1"].data != 0
    (a, b), (c, d), (e, f) = (np.flatnonzero(brain.any(axis=axes))[[0, -1]] for axes in ((1, 2), (0, 2), (0, 1)))
    data = fine["t1"].data[a : b + 1, c : d + 1, e : f + 1]
    tight = Volume(data, Grid(data.shape, fine["t1"].grid.affine))
    label = (data != 0).astype(np.uint8)
    assert quality.cut_tumour(label, "t1", tight, tight.grid, np.eye(4)) == []


def test_the_pipeline_says_it(phantom: Phantom, tmp_path: Path) -> None:
    worse = replace(
        phantom, volumes={**phantom.volumes, "t2": phantom.volumes["flair"], "flair": phantom.volumes["t2"]}
    )
    write_phantom(worse, tmp_path / "case", "case")
    weights = tmp_path / "tiny.pt"
    checkpoint.save(weights, checkpoint.untrained(BRATS, PRESETS["tiny"]).network, name="tiny")
    found = segment(tmp_path / "case", weights=weights)
    assert any("t2 and flair look exchanged" in sentence for sentence in found.answer()["warnings"])
