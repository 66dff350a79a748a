"""How sure a mask is: figures by region, a map on the target grid, and what a missing modality would tell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ccsd.common.errors import InputError
from ccsd.imaging.grid import Grid, Volume
from ccsd.inference.agreement import RegionAgreement
from ccsd.inference.confidence import (
    MIN_CERTAINTY,
    ONE_MODALITY,
    Confidence,
    confidence_of,
    expected_gain,
    soft_dice,
)
from ccsd.inference.mask_file import agreement_beside, write_agreement, write_mask
from ccsd.inference.pipeline import Options, Segmentation, mask_on_grid, segment
from ccsd.inference.windows import WindowConfig
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models import checkpoint
from ccsd.models.card import Card
from ccsd.preprocessing.common_space import to_common_space
from ccsd.preprocessing.prepare import prepare
from tests.server.infers.test_geometry import GRIDS, SHAPE, brain, saved

PLAIN = Options(window=WindowConfig(edge=64), device=torch.device("cpu"), min_component_fraction=0)
Labels = NDArray[np.uint8]
SURE = replace(PLAIN, confidence=True)
PAIR = ("t1", "t2")
SAME_VOXELS = ("oblique", "flipped", "left-handed", "axes swapped")


def two_series(folder: Path, affine: NDArray[np.float64]) -> Path:
    """A study of T1 and T2 that tell different things; the T1."""
    saved(folder, affine, brain()[::-1, :, ::-1].copy(), name="p_t2")
    return saved(folder, affine, brain())


def agreement_of(found: Segmentation) -> NDArray[np.float32]:
    assert found.confidence is not None
    assert found.confidence.agreement is not None
    return found.confidence.agreement


def agreement_of_masks(of_both: Labels, of_one: Iterable[Labels]) -> NDArray[np.float64]:
    """The map from label maps on the target grid."""
    others = list(of_one)
    same = [
        [np.isin(other, values) == np.isin(of_both, values) for other in others] for values in BRATS.regions.values()
    ]
    return np.mean(same, axis=1).min(axis=0)


@pytest.mark.parametrize("name", SAME_VOXELS)
def test_the_map_is_what_masks_made_one_by_one_say_at_each_voxel_of_the_target(
    weights: Path, tmp_path: Path, name: str
) -> None:
    image = two_series(tmp_path, GRIDS[name])
    agreed = agreement_of(segment(image, weights=weights, options=SURE))
    of_both, *of_one = (
        segment(image, weights=weights, options=replace(PLAIN, modalities=m)).label for m in (PAIR, ("t1",), ("t2",))
    )
    expected = agreement_of_masks(of_both, of_one)
    assert 0.02 < (expected < 1).mean() < 0.9
    assert np.allclose(agreed, expected, atol=1e-6)


@pytest.mark.parametrize("name", sorted(set(GRIDS) - set(SAME_VOXELS)))
def test_on_voxels_that_are_resampled_the_map_lies_where_the_masks_differ(name: str) -> None:
    images = {m: Volume(brain(), Grid(SHAPE, GRIDS[name])) for m in PAIR}
    common = to_common_space(images, target="t1", mode="off")
    prepared = prepare(common.volumes, BRATS.modalities, spacing=BRATS.spacing)
    random = np.random.default_rng(0)
    found = {}
    for subset in (0b0101, 0b0001, 0b0100):
        blobs = gaussian_filter(random.normal(size=(3, *prepared.frame.working)), (0, 4, 4, 4))
        found[subset] = torch.from_numpy(blobs > 0).float()[(slice(None), *prepared.frame.inside)]
    confidence = confidence_of(found, prepared, common, BRATS, fraction=0)
    of_both, *of_one = (mask_on_grid(p, prepared, common, BRATS, min_component_fraction=0)[0] for p in found.values())
    expected = agreement_of_masks(of_both, of_one)
    assert confidence.agreement is not None
    assert confidence.agreement.shape == SHAPE
    wrong = np.abs(confidence.agreement - expected).mean()
    assert wrong < 0.1
    for axis in range(3):
        assert np.abs(confidence.agreement - np.flip(expected, axis)).mean() > 2 * wrong


def test_a_raw_study_has_its_map_on_the_target_too_and_1_outside_the_brain(weights: Path, tmp_path: Path) -> None:
    image = two_series(tmp_path, GRIDS["anisotropic and oblique"])
    agreed = agreement_of(segment(image, weights=weights, options=replace(SURE, preprocess="full")))
    assert agreed.shape == SHAPE
    assert agreed.min() < 1
    assert (agreed[:: SHAPE[0] - 1, :: SHAPE[1] - 1, :: SHAPE[2] - 1] == 1).all()  # the corners


def test_the_mask_is_the_same_whether_its_confidence_is_asked_for_or_not(study_folder: Path, weights: Path) -> None:
    sure, plain = (segment(study_folder, weights=weights, options=options) for options in (SURE, PLAIN))
    assert np.array_equal(sure.label, plain.label)
    assert plain.answer()["confidence"] is None
    assert set(sure.answer()) == set(plain.answer())


def test_each_region_has_its_agreement_its_range_and_what_changes_without_a_modality(
    study_folder: Path, weights: Path
) -> None:
    found = segment(study_folder, weights=weights, options=SURE)
    regions = found.answer()["confidence"]["regions"]
    assert list(regions) == ["WT", "TC", "ET"]
    for region, told in regions.items():
        low, high = told["range_ml"]
        assert told["volume_ml"] == found.volumes_ml[region]
        assert low <= told["volume_ml"] <= high
        volumes = [told["volume_ml"], *(one["volume_ml"] for one in told["without"].values())]
        assert (min(volumes), max(volumes)) == (low, high)
        assert list(told["without"]) == list(BRATS.modalities)
        changed = [one["changed"] for one in told["without"].values()]
        assert told["agreement"] == pytest.approx(1 - np.mean(changed), abs=2e-3)
        assert told["low"] == any(sentence.startswith(f"{region} is uncertain") for sentence in found.warnings)


def test_the_volume_without_a_modality_is_that_of_the_mask_from_the_others(study_folder: Path, weights: Path) -> None:
    told = segment(study_folder, weights=weights, options=SURE).answer()["confidence"]["regions"]["WT"]
    others = segment(study_folder, weights=weights, options=replace(PLAIN, modalities=("t1", "t2", "flair")))
    assert told["without"]["t1ce"]["volume_ml"] == pytest.approx(others.volumes_ml["WT"], abs=1e-3)


def test_of_one_modality_no_agreement_is_told_and_no_map_is_written(
    study_folder: Path, weights: Path, tmp_path: Path
) -> None:
    found = segment(study_folder, weights=weights, options=replace(SURE, modalities=("flair",)))
    told = found.answer()["confidence"]
    assert told["reason"] == ONE_MODALITY == "one modality: no agreement can be told"
    whole = dict(told["regions"]["WT"])
    assert 0 < whole.pop("certainty") < MIN_CERTAINTY
    assert whole == {
        "low": True,
        "agreement": None,
        "volume_ml": found.volumes_ml["WT"],
        "range_ml": None,
        "without": {},
    }
    assert f"is below {MIN_CERTAINTY:.2f}" in next(w for w in found.warnings if w.startswith("WT is uncertain"))
    with pytest.raises(InputError, match="has no map of agreement: one modality"):
        write_agreement(tmp_path / "a.nii.gz", found)


BLOCK = torch.zeros(4, 4, 4, dtype=torch.bool)
BLOCK[:2] = True  # 32 of 64 voxels


@pytest.mark.parametrize(
    ("inside", "outside", "expected"), [(1.0, 0.0, 1.0), (0.8, 0.2, 0.8), (0.6, 0.1, 2 * 0.6 / 1.7)]
)
def test_the_soft_dice_of_a_mask_with_its_probabilities(inside: float, outside: float, expected: float) -> None:
    assert soft_dice(torch.where(BLOCK, inside, outside), BLOCK) == pytest.approx(expected, abs=1e-5)


def test_certainty_is_that_of_the_mask_from_all_modalities_and_of_an_empty_one_nothing_is_told() -> None:
    images = {m: Volume(brain(), Grid(SHAPE, np.eye(4))) for m in PAIR}
    common = to_common_space(images, target="t1", mode="off")
    prepared = prepare(common.volumes, BRATS.modalities, spacing=BRATS.spacing)
    shape = tuple(prepared.volumes.shape[1:])
    whole, core = (torch.full(shape, 0.2), torch.full(shape, 0.1))
    whole[4:12, 4:12, 4:12], core[6:10, 6:10, 6:10] = 0.95, 0.6
    probabilities = torch.stack([whole, core, torch.full(shape, 0.49)])  # no ET
    found = {0b0101: probabilities, 0b0001: torch.ones_like(probabilities), 0b0100: torch.ones_like(probabilities)}
    confidence = confidence_of(found, prepared, common, BRATS, fraction=0)
    expected = {"WT": soft_dice(whole, whole > 0.5), "TC": soft_dice(core, core > 0.5), "ET": None}
    assert confidence.certainty == expected
    told = confidence.of_region("ET", 0)
    assert (told["certainty"], told["low"], told["agreement"]) == (None, None, 0)
    assert [warning[:2] for warning in confidence.warnings] == ["WT", "TC"]


def test_a_region_of_low_certainty_is_warned_of_with_the_modality_that_decides() -> None:
    agreed = RegionAgreement(0.49, 100, 0, 100, {"t1": 0.9, "t1ce": 0.08}, {"t1": -5, "t1ce": -100})
    unsure = MIN_CERTAINTY - 0.11
    all_alike = replace(agreed, without={"t1": 1.0, "t1ce": 1.0})
    certainty = {"WT": MIN_CERTAINTY, "TC": unsure, "ET": unsure}
    confidence = Confidence(certainty, {"WT": agreed, "TC": all_alike, "ET": agreed}, None, 0.001)
    says = f"is uncertain: certainty {unsure:.2f} is below {MIN_CERTAINTY:.2f}"
    assert confidence.warnings == [f"TC {says}", f"ET {says}; it changes most without t1ce (Dice 0.08)"]
    assert [confidence.of_region(region, 0.1)["low"] for region in certainty] == [False, True, True]
    assert confidence.of_region("ET", 0.1)["without"]["t1ce"] == {"changed": 0.92, "volume_ml": 0}


ROWS = (
    {"modalities": ["flair"], "WT": 0.75, "TC": 0.4, "ET": 0.2},
    {"modalities": ["t1", "flair"], "WT": 0.75, "TC": 0.38, "ET": 0.15},
    {"modalities": ["t1ce", "flair"], "WT": 0.8, "TC": 0.5, "ET": 0.63},
)


def test_a_missing_modality_is_said_to_tell_most_where_its_validation_dice_gains_most() -> None:
    network = checkpoint.untrained(BRATS, PRESETS["tiny"]).network
    measured = checkpoint.Checkpoint(network, Card("v", dice=ROWS, validation=("a", "b")))
    assert expected_gain(measured, ["flair"], BRATS) == {
        "t1ce": {
            "region": "ET",
            "expected_dice": [0.2, 0.63],
            "says": "t1ce would tell most about ET: expected Dice 0.20 -> 0.63",
        }
    }
    assert expected_gain(checkpoint.Checkpoint(network), ["flair"], BRATS) == {}


@pytest.mark.parametrize("extension", [".nii.gz", ".nrrd"])
def test_the_map_lies_beside_its_mask_and_where_it_lies(weights: Path, tmp_path: Path, extension: str) -> None:
    image = two_series(tmp_path, GRIDS["oblique"])
    found = segment(image, weights=weights, options=SURE)
    mask = tmp_path / f"p_seg{extension}"
    write_mask(mask, found)
    write_agreement(agreement_beside(mask), found)
    assert agreement_beside(mask) == tmp_path / f"p_agreement{extension}"
    if extension == ".nii.gz":
        written = nib.loadsave.load(tmp_path / "p_agreement.nii.gz")
        assert written.get_data_dtype() == np.float32
        assert np.array_equal(written.dataobj, agreement_of(found))
        assert np.allclose(written.affine, nib.loadsave.load(mask).affine, atol=1e-6)
