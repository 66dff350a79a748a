from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from ccsd.common.errors import DivergedError, InputError
from ccsd.method import subsets
from ccsd.method.losses import LossConfig
from ccsd.method.network import PRESETS, CCSDNetwork
from ccsd.method.task import BRATS
from ccsd.models import checkpoint
from ccsd.studies.study import study_of
from ccsd.training.cases import Case, _aimed_at, batches, crop, load_case
from ccsd.training.config import TrainConfig
from ccsd.training.loop import Epoch, describe, train
from ccsd.training.run import Run

CPU = torch.device("cpu")


@pytest.fixture
def case(study_folder: Path) -> Case:
    study = study_of(study_folder / "case_t1.nii.gz")
    return load_case(study, study_folder / "case_seg.nii.gz", BRATS)


def run(case: Case, network: CCSDNetwork, **settings: object) -> list[Epoch]:
    config = TrainConfig(**{"max_epochs": 2, "steps": 3, "patch": 32, "warm_up": 0, **settings})  # type: ignore[arg-type]
    epochs: list[Epoch] = []
    train(network, [case], [case], config, device=CPU, on_epoch=epochs.append)
    return epochs


def tiny() -> CCSDNetwork:
    return checkpoint.untrained(BRATS, PRESETS["tiny"]).network


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_training_lowers_the_loss_and_learns_the_tumour(case: Case, precision: str) -> None:
    settings = {"max_epochs": 4, "steps": 20, "learning_rate": 0.01, "ema_decay": 0.9, "validate_every": 4}
    epochs = run(case, tiny(), **settings, precision=precision)
    assert epochs[-1].losses["seg_full"] < 0.7 * epochs[0].losses["seg_full"]
    assert epochs[-1].validation is not None
    assert epochs[-1].validation[0b1111][0] > 0.5


def test_the_same_seed_gives_the_same_weights(case: Case) -> None:
    first, second = tiny(), tiny()
    run(case, first)
    run(case, second)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_a_time_limit_ends_the_run_early(case: Case) -> None:
    epochs = run(case, tiny(), max_epochs=1000, steps=1, max_minutes=0.02, validate_every=1000)
    assert len(epochs) < 1000
    assert epochs[-1].progress == 1


def test_a_study_with_one_modality_trains(study_folder: Path) -> None:
    for modality in ("t1", "t2", "t1ce"):
        (study_folder / f"case_{modality}.nii.gz").unlink()
    study = study_of(study_folder / "case_flair.nii.gz")
    case = load_case(study, study_folder / "case_seg.nii.gz", BRATS)
    epochs = run(case, tiny(), max_epochs=1)
    assert epochs[0].losses["hmsd"] == 0
    assert list(epochs[0].validation or {}) == [0b1000]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_large_crops_masks_and_mixed_precision_train(case: Case, precision: str) -> None:
    shares = {"large_share": 0.5, "mask_share": 0.5, "scanner_share": 0.5}
    epochs = run(case, tiny(), large_patch=48, precision=precision, steps=6, **shares)
    assert all(math.isfinite(value) for epoch in epochs for value in epoch.losses.values())
    assert epochs[-1].validation is not None


@pytest.mark.parametrize(("able", "kind"), [({"amx_bf16": True}, "bfloat16"), ({"avx2": True}, "float32")])
def test_training_takes_what_the_processor_is_quickest_in_and_says_it(
    case: Case, able: dict[str, bool], kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    with caplog.at_level("INFO"):
        run(case, tiny(), max_epochs=1, steps=1, validate_every=2)
    assert f"computing in {kind} on cpu" in caplog.text


def test_masked_steps_see_only_some_of_the_modalities(case: Case) -> None:
    config = TrainConfig(patch=32, mask_share=1.0)
    masked = Run(tiny(), config, device=CPU)
    kept = [subsets.from_present(masked.mask(case.present)) for _ in range(30)]
    assert all(0 < subsets.size(k) < 4 for k in kept)
    assert len(set(kept)) > 5


def test_the_averaged_weights_may_teach(case: Case) -> None:
    def hmsd(teacher: str) -> list[float]:
        losses = LossConfig(distil="logits", teacher=teacher, lambda_h=1, warm_up=0)  # type: ignore[arg-type]
        epochs = run(case, tiny(), losses=losses, learning_rate=0.01, ema_decay=0.9, validate_every=9)
        return [epoch.losses["hmsd"] for epoch in epochs]

    own, averaged = hmsd("own"), hmsd("average")
    assert all(0 < value < 100 for value in averaged)
    assert own[1] != averaged[1]


def test_a_loss_that_is_no_number_stops_the_training(case: Case) -> None:
    network = tiny()
    with torch.no_grad():
        network.decoder.head.bias.fill_(torch.nan)
    with pytest.raises(DivergedError, match="the loss became nan"):
        run(case, network)


def test_crops_keep_image_and_label_together(case: Case) -> None:
    generator = torch.Generator().manual_seed(0)
    for augment in (False, True):
        volumes, label = crop(case, patch=32, tumour_share=1.0, augment=augment, generator=generator)
        assert volumes.shape == (4, 32, 32, 32)
        assert label.shape == (32, 32, 32)
        flair = volumes[3]
        assert flair[label == 2].mean() > flair[(label == 0) & (flair != 0)].mean() + 1


def test_a_plain_crop_of_the_whole_case_is_the_case(case: Case) -> None:
    edge = case.label.shape[0]
    assert tuple(case.label.shape) == (edge, edge, edge)
    volumes, label = crop(case, patch=edge, tumour_share=0.0, augment=False, generator=torch.Generator())
    assert torch.equal(label, case.label.long())
    assert torch.allclose(volumes, case.volumes.float(), atol=1e-3)


def test_crops_may_have_the_form_of_a_brain(case: Case) -> None:
    volumes, label = crop(case, patch=(16, 24, 8), tumour_share=1, augment=True, generator=torch.Generator())
    assert volumes.shape == (4, 16, 24, 8)
    assert label.shape == (16, 24, 8)


def test_crops_at_the_end_of_a_run_are_as_large_as_a_brain(case: Case) -> None:
    config = TrainConfig(max_epochs=1, steps=4, patch=16, brain_patch=(24, 16, 16), brain_share=0.5)
    run = Run(tiny(), config, device=CPU)
    shapes = []
    run.objective.register_forward_pre_hook(lambda _, inputs: shapes.append(tuple(inputs[0].shape[2:])))
    for _ in range(4):
        run.step([case])
    assert shapes == [(16, 16, 16), (16, 16, 16), (24, 16, 16), (24, 16, 16)]


def test_tumour_crops_are_centred_on_each_label_as_often_as_on_the_others(case: Case) -> None:
    generator = torch.Generator().manual_seed(0)
    targets = [_aimed_at(case, 1.0, generator) for _ in range(300)]
    values = [int(case.label[tuple(t[0].long())]) for t in targets]
    assert {v for v in values} == {1, 2, 3}
    assert min(values.count(v) for v in (1, 2, 3)) > 60


def test_batches_never_mix_studies_with_different_modalities(case: Case) -> None:
    poorer = Case("poorer", case.volumes, case.label, 0b0011, case.tumour, case.annotated)
    chosen = batches([case, poorer], steps=40, batch=3, generator=torch.Generator().manual_seed(0))
    assert {b[0].available for b in chosen} == {0b1111, 0b0011}
    assert all(len({c.available for c in b}) == 1 for b in chosen)


def test_the_log_line_tells_losses_and_dice(case: Case) -> None:
    network = tiny()
    line = describe(run(case, network, max_epochs=1)[0], network)
    assert "epoch 1 (100 %)" in line
    assert "hmsd=" in line
    assert "mean of 15 subsets WT=" in line


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"patch": 30}, "patch is 30 voxels, expected a multiple of 8"),
        ({"steps": 0}, "steps is 0"),
        ({"brain_patch": (96,)}, "brain_patch is .96,., expected three edges"),
    ],
)
def test_unusable_settings_are_refused_before_training(case: Case, wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        run(case, tiny(), **wrong)


def test_training_on_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="no labelled study"):
        train(tiny(), [], [], TrainConfig(), device=CPU, on_epoch=lambda _: None)
