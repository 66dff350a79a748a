"""A head scanned in several positions on thick, oblique, flipped grids: common space, and the way back to each."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ccsd.common.errors import GridMismatchError, InputError
from ccsd.demo.phantom import Phantom
from ccsd.evaluation.lattice import measure, read_labelled
from ccsd.imaging.volumes import Grid, Volume, write_volume
from ccsd.inference.windows import WindowConfig
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models import checkpoint
from ccsd.preprocessing.brain import extract_brain
from ccsd.preprocessing.common_space import CommonSpace, reference_of, to_common_space, with_target
from ccsd.preprocessing.common_space_cache import cached_common_space, content_hash
from ccsd.studies.study import find_studies
from ccsd.training.cases import case_from
from tests.preprocessing.conftest import Head, moved_by, sampled, thick_grid

GRIDS = {
    "t1": thick_grid((200, 220, 36), (0.9, 0.9, 5.0)),
    "flair": thick_grid((36, 200, 200), (5.0, 1.0, 1.0), axes="RPI", tilt=(8, 0, 0)),
    "t2": thick_grid((220, 40, 200), (0.9, 5.0, 0.9), axes="LAI", tilt=(0, 0, -10)),
}
MOVES = {
    "t1": moved_by((4, -3, 6), (3, -5, 4)),
    "flair": moved_by((-2, 1, 3), (-4, 2, 6)),
    "t2": moved_by((1, 4, -2), (0, 6, -3)),
}


@pytest.fixture(scope="module")
def scanned(head: Head) -> dict[str, Volume]:
    return {m: head.scanned(m, GRIDS[m], MOVES[m]) for m in GRIDS}


@pytest.fixture(scope="module")
def common(scanned: dict[str, Volume]) -> CommonSpace:
    return to_common_space(scanned, target="flair")


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def as_volumes(phantom: Phantom) -> dict[str, Volume]:
    return {m: Volume(d.astype(np.float32), phantom.grid) for m, d in phantom.volumes.items()}


def test_a_prepared_study_passes_untouched(phantom: Phantom) -> None:
    volumes = as_volumes(phantom)
    result = to_common_space(volumes, target="t2")
    assert result.route == "prepared"
    assert all(result.volumes[m] is v for m, v in volumes.items())
    assert result.seconds == {}
    probabilities = torch.rand(3, *phantom.grid.shape)
    assert result.to_native(probabilities) is probabilities


def test_series_end_on_one_another_within_two_millimetres(common: CommonSpace, head: Head) -> None:
    points = np.argwhere(head.brain.data > 0)[::2000] @ head.brain.grid.affine[:3, :3].T
    points = np.c_[points + head.brain.grid.affine[:3, 3], np.ones(len(points))]
    for name in GRIDS:
        if name == "t1":
            continue
        found = common.transforms[name] @ np.linalg.inv(common.transforms["t1"])
        apart = points @ (found @ MOVES["t1"] - MOVES[name]).T
        assert np.linalg.norm(apart[:, :3], axis=1).mean() < 2


def test_the_skull_is_gone_and_the_grid_is_one_of_a_millimetre(common: CommonSpace, head: Head) -> None:
    assert common.route == "raw"
    assert np.allclose(common.grid.spacing, 1)
    assert all(v.grid is common.grid and not v.data[~common.brain].any() for v in common.volumes.values())
    to_head = np.linalg.inv(MOVES["t1"]) @ common.transforms["t1"]
    truth = sampled(head.brain, common.grid, to_head, order=1) > 0.5
    assert overlap(common.brain, truth) > 0.85


@pytest.mark.parametrize("name", GRIDS)
def test_a_label_comes_back_to_the_grid_of_each_series(common: CommonSpace, head: Head, name: str) -> None:
    back = with_target(common, name)
    truth = sampled(head.label, GRIDS[name], np.linalg.inv(MOVES[name]), order=0).astype(np.uint8)
    there = back.to_common(truth)
    assert there.shape == common.grid.shape
    again = back.label_to_native(there)
    assert again.shape == GRIDS[name].shape
    assert overlap(again > 0, truth > 0) > 0.85
    assert overlap(again == 3, truth == 3) > 0.6


def test_a_label_on_a_raw_series_trains_in_common_space(scanned: dict[str, Volume], head: Head, tmp_path: Path) -> None:
    for name, volume in scanned.items():
        write_volume(tmp_path / f"p_{name}.nii.gz", volume.data, volume.grid)
    drawn = sampled(head.label, GRIDS["flair"], np.linalg.inv(MOVES["flair"]), order=0).astype(np.uint8)
    write_volume(tmp_path / "p_seg.nii.gz", drawn, GRIDS["flair"])
    (study,) = find_studies(tmp_path)
    labelled = read_labelled(study, BRATS)  # the label's grid says which series it was drawn on
    case = case_from(labelled, BRATS)
    assert case.present.tolist() == [True, False, True, True]
    millilitres = float((drawn > 0).sum()) * abs(np.linalg.det(GRIDS["flair"].affine[:3, :3])) / 1000
    assert float((case.label > 0).sum()) / 1000 == pytest.approx(millilitres, rel=0.15)
    assert bool((case.volumes[3][case.label == 2] > 0.5).float().mean() > 0.8)  # oedema is bright on FLAIR
    assert labelled.common.target == "flair"
    assert labelled.grid.matches(GRIDS["flair"])
    network = checkpoint.untrained(BRATS, PRESETS["tiny"]).network
    first = next(measure(network, labelled, window=WindowConfig(edge=None)))
    assert first.label.shape == drawn.shape  # measured where it was drawn


def test_off_takes_images_as_they_are_and_needs_one_grid(scanned: dict[str, Volume], phantom: Phantom) -> None:
    with pytest.raises(GridMismatchError, match="expected all modalities of a study on one grid"):
        to_common_space(scanned, target="t1", mode="off")
    alone = {"t1": scanned["t1"]}
    assert to_common_space(alone, target="t1", mode="off").volumes["t1"] is scanned["t1"]


def test_an_image_without_a_brain_is_refused() -> None:
    noise = np.random.default_rng(0).normal(500, 20, (64, 64, 64)).astype(np.float32)
    with pytest.raises(InputError, match="no brain was found"):
        extract_brain(Volume(noise, Grid((64, 64, 64), np.diag([4.0, 4.0, 4.0, 1.0]))))


def test_a_wrong_slice_distance_is_told_by_the_size_of_the_brain(
    scanned: dict[str, Volume], common: CommonSpace
) -> None:
    assert not any("standard brain" in said for said in common.warnings)
    data, grid = scanned["t1"].data, scanned["t1"].grid
    flat = Volume(data, Grid(grid.shape, np.diag([1, 1, 0.6, 1]) @ grid.affine))
    (said,) = to_common_space({"t1": flat}, target="t1").warnings
    measures = re.search(r"its brain measures \d+ x \d+ x (\d+) mm .* the standard one 1\d\d x 1\d\d x (\d+);", said)
    assert measures is not None
    assert int(measures[1]) < 0.75 * int(measures[2])


def test_the_asked_image_must_be_one_of_the_study(scanned: dict[str, Volume]) -> None:
    with pytest.raises(InputError, match="the target image adc is not in the study, expected one of t1, flair, t2"):
        to_common_space(scanned, target="adc")


def test_the_reference_has_thin_slices_then_the_contrast_that_shows_the_brain(scanned: dict[str, Volume]) -> None:
    assert reference_of(scanned) == "t1"
    thin = Volume(np.zeros((180, 200, 120), np.float32), Grid((180, 200, 120), np.diag([1.0, 1.0, 1.5, 1.0])))
    assert reference_of({**scanned, "t2": thin}) == "t2"


def test_the_same_study_gives_the_same_result(scanned: dict[str, Volume], common: CommonSpace) -> None:
    again = to_common_space(scanned, target="flair")
    assert all(np.array_equal(again.transforms[m], common.transforms[m]) for m in scanned)
    assert all(np.array_equal(again.volumes[m].data, common.volumes[m].data) for m in scanned)


def test_the_cache_answers_for_every_image_and_mends_itself(
    scanned: dict[str, Volume], common: CommonSpace, tmp_path: Path
) -> None:
    one = {"t1": scanned["t1"]}
    first = cached_common_space(one, target="t1", folder=tmp_path)
    second = cached_common_space(one, target="t1", folder=tmp_path)
    assert (first.cached, second.cached) == (False, True)
    assert np.array_equal(first.volumes["t1"].data, second.volumes["t1"].data)
    assert np.array_equal(first.brain, second.brain)
    assert second.route == "raw"
    (file,) = tmp_path.glob("*.npz")
    file.write_bytes(file.read_bytes()[:1000])
    assert not cached_common_space(one, target="t1", folder=tmp_path).cached
    assert [p.name for p in tmp_path.iterdir()] == [file.name]


def test_the_cache_keeps_the_studies_used_last(scanned: dict[str, Volume], tmp_path: Path) -> None:
    kept = []
    for name in ("t1", "t2"):
        cached_common_space({name: scanned[name]}, target=name, folder=tmp_path, kept=1)
        kept += [file for file in tmp_path.glob("*.npz") if file not in kept]
    assert len(kept) == 2
    assert list(tmp_path.glob("*.npz")) == kept[1:]


def test_the_hash_sees_voxels_grids_and_names(scanned: dict[str, Volume]) -> None:
    t1 = scanned["t1"]
    moved = Grid(t1.grid.shape, t1.grid.affine + np.eye(4) * 1e-6)
    seen = [{"t1": t1}, {"t2": t1}, {"t1": Volume(t1.data, moved)}, {"t1": Volume(t1.data + 1, t1.grid)}]
    assert len({content_hash(v) for v in seen}) == 4
