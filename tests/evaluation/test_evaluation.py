from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ccsd.common.errors import InputError
from ccsd.demo.phantom import Phantom, PhantomConfig, make_phantom, write_phantom
from ccsd.evaluation import lattice as subsets15
from ccsd.evaluation.lattice import Measured, dice_by_subset, mean_over, measure, read_labelled, table
from ccsd.evaluation.metrics import HD95_ONE_EMPTY
from ccsd.inference.predict import predict
from ccsd.inference.windows import WindowConfig
from ccsd.method import subsets
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models import checkpoint
from ccsd.preprocessing.prepare import prepare_label
from ccsd.studies.study import find_studies

NETWORK = checkpoint.untrained(BRATS, PRESETS["tiny"]).network
PRESENT = torch.tensor([True, True, False, True])


def test_prediction_has_the_shape_of_the_study_whatever_its_size() -> None:
    predicted = predict(NETWORK, torch.randn(4, 21, 34, 19), PRESENT, [0b1011, 0b0001], WindowConfig())
    assert {s: tuple(p.shape) for s, p in predicted.items()} == {0b1011: (3, 21, 34, 19), 0b0001: (3, 21, 34, 19)}


def test_a_subset_predicts_the_same_alone_and_among_others() -> None:
    volumes = torch.randn(4, 24, 24, 24)
    together = predict(NETWORK, volumes, PRESENT, [0b1011, 0b0010], WindowConfig())
    alone = predict(NETWORK, volumes, torch.tensor([False, True, False, False]), [0b0010], WindowConfig())
    assert torch.equal(together[0b0010], alone[0b0010])


def test_overlapping_windows_cover_everything() -> None:
    predicted = predict(NETWORK, torch.randn(4, 50, 40, 36), PRESENT, [1], WindowConfig(edge=32, overlap=0.25))
    assert torch.isfinite(predicted[1]).all()
    assert (predicted[1] > 0).all()


@pytest.mark.parametrize(
    ("wrong", "sentence"), [({"edge": 8}, "window is 8 voxels"), ({"overlap": 0.95}, r"overlap is 0\.95")]
)
def test_an_unusable_window_is_refused(wrong: dict[str, float], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        WindowConfig(**wrong)  # type: ignore[arg-type]  # that is the test


def test_every_subset_of_what_a_case_has_is_measured() -> None:
    label = torch.randint(0, 4, (16, 16, 16), dtype=torch.uint8)
    result = dice_by_subset(NETWORK, torch.randn(4, 16, 16, 16), PRESENT, label, window=WindowConfig())
    assert list(result) == subsets.lattice(0b1011)
    assert all(((v >= 0) & (v <= 1)).all() for v in result.values())


def test_means_count_a_study_for_the_subsets_that_it_has() -> None:
    whole = {1: torch.tensor([1.0, 0.0, 0.5]), 2: torch.tensor([0.2, 0.2, 0.2])}
    mean = mean_over([whole, {1: torch.tensor([0.0, 0.0, 0.5])}])
    assert mean[1].tolist() == [0.5, 0.0, 0.5]
    assert mean[2].tolist() == pytest.approx([0.2, 0.2, 0.2])
    assert table(mean, BRATS)[1] == {"modalities": ["t1ce"], "WT": 0.2, "TC": 0.2, "ET": 0.2}


def measured_with(
    answer: Callable[[Tensor], Tensor], phantom: Phantom, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> list[Measured]:
    """Measurements of a phantom for which a network gives `answer` of the prepared reference's regions."""
    write_phantom(phantom, folder, "case", modalities=["t1", "flair"])
    study = read_labelled(find_studies(folder, BRATS.modalities)[0], BRATS)
    regions = BRATS.to_regions(prepare_label(study.reference, study.prepared.frame)[None])[0]

    def known(
        network: object, volumes: Tensor, present: Tensor, chosen: list[int], window: object
    ) -> dict[int, Tensor]:
        return {s: answer(regions) for s in chosen}

    monkeypatch.setattr(subsets15, "predict", known)
    return list(measure(NETWORK, study, window=WindowConfig(), min_component_fraction=0))


def test_a_perfect_answer_is_perfect_on_the_studys_own_grid(
    phantom: Phantom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = measured_with(lambda regions: regions, phantom, tmp_path, monkeypatch)
    assert [m.subset for m in found] == [0b1001, 0b0001, 0b1000]
    for measured in found:
        assert np.array_equal(measured.label, phantom.label)
        assert {(r.case, r.subset, r.dice, r.hd95) for r in measured.rows} == {("case", measured.subset, 1.0, 0.0)}


def test_an_empty_answer_scores_as_one_empty_region(
    phantom: Phantom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = measured_with(torch.zeros_like, phantom, tmp_path, monkeypatch)
    assert {(r.region, r.dice) for r in found[0].rows} == {("WT", 0.0), ("TC", 0.0), ("ET", 0.0)}
    assert [r.hd95 for r in found[0].rows] == pytest.approx([HD95_ONE_EMPTY] * 3)


def test_distances_are_in_millimetres_of_the_studys_own_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    thick = make_phantom(PhantomConfig(seed=1, shape=(48, 48, 16), spacing=(1.0, 1.0, 3.0)))
    cube = np.zeros_like(thick.label)
    cube[20:28, 20:28, 6:10] = 3

    def moved(regions: Tensor) -> Tensor:
        return torch.roll(regions, 6, dims=3)  # 6 mm up at the network's 1 mm: two slices

    measured = measured_with(moved, replace(thick, label=cube), tmp_path, monkeypatch)[0]
    assert measured.label.shape == (48, 48, 16)
    assert [(r.dice, r.hd95) for r in measured.rows] == [(0.5, pytest.approx(6.0))] * 3


def test_both_forms_of_the_enhancing_tumour_rule_are_measured(
    phantom: Phantom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nearly_no_enhancement(regions: Tensor) -> Tensor:
        few = regions.clone()
        few[2] = 0
        few[2].view(-1)[torch.nonzero(regions[2].flatten())[:10, 0]] = 1
        return few

    measured = measured_with(nearly_no_enhancement, phantom, tmp_path, monkeypatch)[0]
    plain, ruled = ({r.region: r for r in rows} for rows in (measured.rows, measured.et_rule_rows))
    assert plain["ET"].dice > 0
    assert ruled["ET"].dice == 0
    assert ruled["ET"].hd95 == pytest.approx(HD95_ONE_EMPTY)
    assert (ruled["WT"], ruled["TC"]) == (plain["WT"], plain["TC"])


def test_a_study_without_a_label_cannot_be_measured(phantom: Phantom, tmp_path: Path) -> None:
    write_phantom(phantom, tmp_path, "case", label=False)
    with pytest.raises(InputError, match="study case has no label"):
        read_labelled(find_studies(tmp_path, BRATS.modalities)[0], BRATS)
