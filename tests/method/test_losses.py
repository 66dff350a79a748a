from __future__ import annotations

import pytest
import torch

from ccsd.method import losses
from ccsd.method.losses import LossConfig, objective, segmentation
from ccsd.method.network import PRESETS, CCSDNetwork
from ccsd.method.task import BRATS

TERMS = {"seg_full", "seg_subset", "align", "classify", "hmsd", "dmcd", "total"}


@pytest.fixture
def network() -> CCSDNetwork:
    torch.manual_seed(0)
    return CCSDNetwork(BRATS, PRESETS["tiny"])


def terms(
    network: CCSDNetwork, present: list[bool], config: LossConfig, progress: float = 1.0
) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    volumes = torch.randn(2, 4, 16, 16, 16, generator=generator)
    regions = (torch.rand(2, 3, 16, 16, 16, generator=generator) > 0.7).float()
    return dict(
        objective(network, volumes, regions, torch.tensor(present), config, progress=progress, generator=generator)
    )


def test_a_perfect_prediction_costs_almost_nothing() -> None:
    regions = (torch.rand(1, 3, 8, 8, 8) > 0.5).float()
    assert losses.segmentation((regions * 2 - 1) * 50, regions).item() < 1e-3


def test_a_wrong_prediction_costs_more_than_a_right_one() -> None:
    regions = torch.zeros(1, 3, 8, 8, 8)
    regions[..., :4] = 1
    right, wrong = regions * 8 - 4, 4 - regions * 8
    assert losses.segmentation(wrong, regions) > losses.segmentation(right, regions) + 1


@pytest.mark.parametrize("present", [[True] * 4, [True, False, True, False], [False, False, False, True]])
def test_every_term_is_finite_whatever_a_study_has(network: CCSDNetwork, present: list[bool]) -> None:
    values = terms(network, present, LossConfig())
    assert set(values) == TERMS
    assert all(torch.isfinite(v) for v in values.values())


def test_one_modality_has_no_distillation(network: CCSDNetwork) -> None:
    values = terms(network, [False, True, False, False], LossConfig())
    assert values["hmsd"].item() == values["dmcd"].item() == 0


def test_distillation_starts_at_zero_weight_and_grows(network: CCSDNetwork) -> None:
    config = LossConfig(lambda_h=1, lambda_d=1, lambda_align=0, lambda_classify=0, warm_up=0.5)
    start = terms(network, [True] * 4, config, progress=0.0)
    half = terms(network, [True] * 4, config, progress=0.25)
    segmentation = start["seg_full"] + start["seg_subset"]
    assert start["total"].item() == pytest.approx(segmentation.item())
    assert half["total"].item() == pytest.approx((segmentation + 0.5 * (half["hmsd"] + half["dmcd"])).item(), rel=1e-5)


@pytest.mark.parametrize(
    "variant",
    [
        {"feature": "shared"},
        {"feature": "specific"},
        {"distil": "logits"},
        {"path": "random"},
        {"per_level": 1},
        {"normalise": True},
    ],
)
def test_every_variant_gives_finite_distillation_with_gradients(
    network: CCSDNetwork, variant: dict[str, object]
) -> None:
    values = terms(network, [True, True, False, True], LossConfig(**variant))  # type: ignore[arg-type]  # any of them
    assert values["hmsd"].item() > 0
    assert values["dmcd"].item() > 0
    (values["hmsd"] + values["dmcd"]).backward()
    assert any(p.grad is not None and bool(p.grad.abs().sum()) for p in network.parameters())


@pytest.mark.parametrize("distil", ["features", "logits"])
@pytest.mark.parametrize("alone", ["lambda_h", "lambda_d"])
def test_each_term_teaches_alone(network: CCSDNetwork, alone: str, distil: str) -> None:
    off = {"lambda_h": 0.0, "lambda_d": 0.0, alone: 0.5}
    values = terms(network, [True] * 4, LossConfig(distil=distil, **off))  # type: ignore[arg-type]  # any of them
    (values["hmsd"] + values["dmcd"]).backward()
    taught = [p for e in network.specific_encoders for p in e.parameters() if p.grad is not None and p.grad.abs().sum()]
    assert taught


def test_a_term_that_is_switched_off_is_zero_and_builds_nothing(
    network: CCSDNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    fused: list[int] = []
    fuse = network.fuse
    monkeypatch.setattr(network, "fuse", lambda f, s, **k: (fused.append(s), fuse(f, s, **k))[1])
    values = terms(network, [True] * 4, LossConfig(lambda_h=0, lambda_d=0))
    assert values["hmsd"].item() == values["dmcd"].item() == 0
    assert not fused


def test_distilling_logits_decodes_each_subset_once(network: CCSDNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    decode = network.decode
    monkeypatch.setattr(network, "decode", lambda f, s: (decoded.extend(s), decode(f, s))[1])
    terms(network, [True] * 4, LossConfig(distil="logits"))
    assert len(decoded) == len(set(decoded)) == 15


def test_gradients_reach_every_part_of_the_network(network: CCSDNetwork) -> None:
    terms(network, [True] * 4, LossConfig())["total"].backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    assert without == []


def test_the_same_seed_gives_the_same_loss(network: CCSDNetwork) -> None:
    first, second = (terms(network, [True] * 4, LossConfig())["total"].item() for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"tau": 0.0}, "tau must be > 0, found 0.0"),
        ({"lambda_h": -1.0}, "lambda_h must not be negative, found -1.0"),
        ({"path": "x"}, "path must be one of most, random, least, found 'x'"),
        ({"teacher": "average"}, "teacher average goes with distil logits, found distil features"),
        ({"distil": "all"}, "distil must be one of features, logits"),
    ],
)
def test_a_wrong_setting_is_refused(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        LossConfig(**wrong)  # type: ignore[arg-type]  # that is the test


def test_regions_that_were_not_drawn_count_for_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn((2, 3, 8, 8, 8), generator=generator).requires_grad_()
    regions = (torch.rand((2, 3, 8, 8, 8), generator=generator) > 0.5).float()
    drawn = torch.tensor([[True, False, True], [True, True, True]])
    segmentation(logits, regions, drawn).backward()
    assert logits.grad is not None
    assert not logits.grad[0, 1].any()
    assert logits.grad[drawn].any(dim=(-1, -2, -3)).all()
    logits = logits.detach()
    everything = segmentation(logits, regions, torch.ones_like(drawn))
    assert float(everything) == pytest.approx(float(segmentation(logits, regions)), rel=1e-5)
    assert float(segmentation(logits, regions, torch.zeros_like(drawn))) == 0
