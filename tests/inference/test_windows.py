"""The whole study in one window, where that was asked for and the memory is large enough."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ccsd.inference import windows
from ccsd.inference.predict import predict
from ccsd.inference.windows import WINDOW, WindowConfig, fitting, needed
from ccsd.method.network import PRESETS, CCSDNetwork
from ccsd.method.task import BRATS

NETWORK = CCSDNetwork(BRATS, PRESETS["tiny"]).eval()
WHOLE = WindowConfig(edge=None)
SHAPE = (144, 176, 144)


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "free", lambda device: 2**20)


def test_a_brain_fits() -> None:
    assert fitting(WHOLE, SHAPE, NETWORK) == WHOLE


@pytest.mark.usefixtures("little_memory")
def test_windows_where_the_memory_is_small() -> None:
    assert fitting(replace(WHOLE, overlap=0.5), SHAPE, NETWORK) == WindowConfig(edge=WINDOW, overlap=0.5)
    assert fitting(WindowConfig(edge=64), SHAPE, NETWORK).edge == 64, "what was asked for stays"
    assert fitting(WHOLE, (16, 16, 16), NETWORK).edge is None, "this fits"


@pytest.mark.usefixtures("little_memory")
def test_prediction_cuts_by_itself() -> None:
    volumes, present = torch.randn(4, 16, 136, 16), torch.ones(4, dtype=torch.bool)
    cut, asked = (predict(NETWORK, volumes, present, [15], w)[15] for w in (WHOLE, WindowConfig(WINDOW)))
    assert torch.equal(cut, asked)


def test_half_precision_needs_half() -> None:
    assert needed(SHAPE, NETWORK, torch.float32) == 2 * needed(SHAPE, NETWORK, torch.bfloat16)
