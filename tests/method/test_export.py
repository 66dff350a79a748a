"""The network in other programs' forms gives what the network gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from ccsd.export import onnx_file
from ccsd.method import subsets
from ccsd.method.export import NamedNetwork
from ccsd.method.network import PRESETS, CCSDNetwork
from ccsd.method.task import BRATS


@pytest.fixture(scope="module")
def network() -> CCSDNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return CCSDNetwork(BRATS, PRESETS["tiny"]).eval()


@torch.no_grad()
def test_named_channels_are_put_in_their_slots(network: CCSDNetwork) -> None:
    volumes = torch.randn(1, 2, 16, 16, 16)
    placed = torch.zeros(1, 4, 16, 16, 16)
    placed[:, 3], placed[:, 1] = volumes[:, 0], volumes[:, 1]
    named = NamedNetwork(network, ["flair", "t1ce"])
    assert torch.equal(named(volumes), network(placed, torch.tensor([False, True, False, True])))


@pytest.mark.parametrize("wrong", [[], ["flair", "flair"], ["t1", "t1c"]])
def test_names_that_the_task_does_not_have_are_refused(network: CCSDNetwork, wrong: list[str]) -> None:
    with pytest.raises(ValueError, match="expected some of t1, t1ce, t2, flair, each once"):
        NamedNetwork(network, wrong)


@torch.no_grad()
def test_one_onnx_graph_answers_every_subset_as_the_network_does(network: CCSDNetwork, tmp_path: Path) -> None:
    onnx_file.export(network, tmp_path / "network.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx", providers=["CPUExecutionProvider"])
    for shape in ((32, 32, 32), (48, 32, 40)):
        volumes = torch.randn(1, 4, *shape)
        for subset in subsets.lattice(0b1111):
            present = torch.tensor([bool(subset >> m & 1) for m in range(4)])
            shown = volumes * present[None, :, None, None, None]
            expected = network(shown, present)
            (logits,) = session.run(["logits"], {"volumes": shown.numpy(), "present": present.float().numpy()})
            np.testing.assert_allclose(logits, expected.numpy(), atol=1e-4)
