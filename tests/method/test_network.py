from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from ccsd.method import subsets
from ccsd.method.fusion import FUSIONS
from ccsd.method.network import PRESETS, CCSDNetwork, FeatureKind, NetworkConfig
from ccsd.method.task import BRATS, Task

LATTICE = subsets.lattice(0b1111)


def present_of(subset: int) -> torch.Tensor:
    return torch.tensor([bool(subset >> m & 1) for m in range(4)])


@pytest.fixture(scope="module", params=FUSIONS)
def network(request: pytest.FixtureRequest) -> CCSDNetwork:
    torch.manual_seed(0)
    return CCSDNetwork(BRATS, replace(PRESETS["tiny"], fusion=request.param)).eval()


@pytest.fixture(scope="module")
def volumes() -> torch.Tensor:
    return torch.randn(2, 4, 16, 24, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("subset", LATTICE, ids=lambda s: "+".join(subsets.names(s, BRATS.modalities)))
def test_lattice_logits_equal_those_of_a_forward_given_only_the_subset(
    network: CCSDNetwork, volumes: torch.Tensor, subset: int
) -> None:
    with torch.no_grad():
        features = network.encode(volumes, present_of(0b1111))
        lattice = dict(network.lattice(features))
        only = torch.where(present_of(subset)[None, :, None, None, None], volumes, torch.nan)
        assert torch.equal(lattice[subset], network(only, present_of(subset)))


def test_logits_have_a_channel_per_region_at_full_resolution(network: CCSDNetwork, volumes: torch.Tensor) -> None:
    assert network(volumes, present_of(0b0101)).shape == (2, 3, 16, 24, 16)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_maps_volumes_to_logits(name: str) -> None:
    network = CCSDNetwork(BRATS, PRESETS[name]).eval()
    edge = 2 * network.divisor
    with torch.no_grad():
        assert network(torch.randn(1, 4, edge, edge, edge), present_of(0b1000)).shape == (1, 3, edge, edge, edge)


def test_an_absent_modality_is_never_encoded(network: CCSDNetwork, volumes: torch.Tensor) -> None:
    encoded: list[int] = []
    hooks = [
        encoder.register_forward_pre_hook(lambda *_, m=m: encoded.append(m))
        for m, encoder in enumerate(network.specific_encoders)
    ]
    shared: list[int] = []
    hooks.append(network.shared_encoder.register_forward_pre_hook(lambda _, x: shared.append(x[0].shape[0])))
    network(volumes, present_of(0b1010))
    for hook in hooks:
        hook.remove()
    assert encoded == [1, 3]
    assert sum(shared) == 2 * volumes.shape[0]


def test_the_whole_lattice_costs_one_pass_of_each_encoder(network: CCSDNetwork, volumes: torch.Tensor) -> None:
    passes: list[int] = []
    hooks = [e.register_forward_pre_hook(lambda *_: passes.append(1)) for e in network.specific_encoders]
    list(network.lattice(network.encode(volumes, present_of(0b1111))))
    for hook in hooks:
        hook.remove()
    assert len(passes) == 4


def test_slots_of_absent_modalities_hold_the_mean_of_the_present_shared_features(
    network: CCSDNetwork, volumes: torch.Tensor
) -> None:
    features = network.encode(volumes, present_of(0b1111))
    slots = network.fuse(features, 0b0011, scale=1).chunk(4, dim=1)
    mean = (features.shared[1][0] + features.shared[1][1]) / 2
    assert torch.equal(slots[0], features.fused[1][0])
    assert torch.allclose(slots[2], mean, atol=1e-6)
    assert torch.equal(slots[2], slots[3])


@pytest.mark.parametrize("subset", [0b0001, 0b1010, 0b0111, 0b1111])
def test_decoding_mixes_the_slots_of_z(network: CCSDNetwork, volumes: torch.Tensor, subset: int) -> None:
    features = network.encode(volumes, present_of(0b1111))
    z = [network.fuse(features, subset, scale=s) for s in range(len(network.config.widths))]
    mixed = [[functional.conv3d(level, mix.weight)] for mix, level in zip(network.decoder.mix, z, strict=True)]
    plain = network.decoder(mixed)
    assert torch.allclose(network.decode(features, [subset])[0], plain, atol=1e-4)


@pytest.mark.parametrize("kind", ["shared", "specific"])
def test_what_is_distilled_can_be_the_shared_or_the_specific_features(
    network: CCSDNetwork, volumes: torch.Tensor, kind: FeatureKind
) -> None:
    features = network.encode(volumes, present_of(0b1111))
    source = getattr(features, kind)[1]
    whole = network.fuse(features, 0b1111, scale=1, kind=kind).chunk(4, dim=1)
    assert all(torch.equal(slot, source[m]) for m, slot in enumerate(whole))
    some = network.fuse(features, 0b0101, scale=1, kind=kind).chunk(4, dim=1)
    assert torch.equal(some[2], source[2])
    assert torch.allclose(some[3], (source[0] + source[2]) / 2, atol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 8])
def test_any_number_of_modalities_up_to_eight_makes_a_network(n: int) -> None:
    names = tuple(f"m{i}" for i in range(n))
    task = Task("other", names, {"organ": 1}, {"organ": (1,)}, {"organ": 1})
    network = CCSDNetwork(task, PRESETS["tiny"]).eval()
    with torch.no_grad():
        features = network.encode(torch.randn(1, n, 16, 16, 16), torch.ones(n, dtype=torch.bool))
        count = sum(1 for _, logits in network.lattice(features) if logits.shape == (1, 1, 16, 16, 16))
    assert count == 2**n - 1


def test_an_unknown_fusion_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="fusion must be one of convolution, attention, found 'sum'"):
        NetworkConfig((4, 8), (4, 8), (1, 1), fusion="sum")


def test_folding_modalities_into_the_batch_changes_nothing_but_rounding(volumes: torch.Tensor) -> None:
    torch.manual_seed(0)
    network = CCSDNetwork(BRATS, PRESETS["tiny"])
    folded = network.train()(volumes, present_of(0b1111))
    assert torch.allclose(folded, network.eval()(volumes, present_of(0b1111)), atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "present", "sentence"),
    [
        ((1, 3, 16, 16, 16), [True] * 4, r"volumes must be \(B, 4, D, H, W\), found \(1, 3, 16, 16, 16\)"),
        ((1, 4, 16, 16, 16), [False] * 4, "no modality is present"),
        ((1, 4, 16, 17, 16), [True] * 4, r"edges must be multiples of 8, found \(16, 17, 16\)"),
        ((1, 4, 16, 16, 16), [True] * 3, r"present must be a boolean \(4,\)"),
    ],
)
def test_wrong_input_is_refused_with_what_was_found(
    network: CCSDNetwork, shape: tuple[int, ...], present: list[bool], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        network(torch.zeros(shape), torch.tensor(present))


def test_a_subset_that_was_not_encoded_is_refused(network: CCSDNetwork, volumes: torch.Tensor) -> None:
    features = network.encode(volumes, present_of(0b0001))
    with pytest.raises(ValueError, match="were not encoded"):
        network.decode(features, [0b0011])
