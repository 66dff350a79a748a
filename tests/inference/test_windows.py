"""A study is one window unless the memory is too small for that."""

from __future__ import annotations

import pytest
import torch

from ccsd.inference import windows
from ccsd.inference.predict import predict
from ccsd.inference.windows import SMALL_WINDOW, WindowConfig, fitting, needed
from ccsd.method.network import PRESETS, CCSDNetwork
from ccsd.method.task import BRATS

NETWORK = CCSDNetwork(BRATS, PRESETS["tiny"]).eval()
SHAPE = (144, 176, 144)


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "free", lambda device: 2**20)


def test_a_brain_is_one_window() -> None:
    assert fitting(WindowConfig(), SHAPE, NETWORK).edge is None


@pytest.mark.usefixtures("little_memory")
def test_windows_where_the_memory_is_small() -> None:
    assert fitting(WindowConfig(overlap=0.5), SHAPE, NETWORK) == WindowConfig(edge=SMALL_WINDOW, overlap=0.5)
    assert fitting(WindowConfig(edge=64), SHAPE, NETWORK).edge == 64, "what was asked for stays"
    assert fitting(WindowConfig(), (16, 16, 16), NETWORK).edge is None, "this fits"


@pytest.mark.usefixtures("little_memory")
def test_prediction_cuts_by_itself() -> None:
    volumes, present = torch.randn(4, 16, 136, 16), torch.ones(4, dtype=torch.bool)
    cut, asked = (predict(NETWORK, volumes, present, [15], w)[15] for w in (WindowConfig(), WindowConfig(SMALL_WINDOW)))
    assert torch.equal(cut, asked)


def test_half_precision_needs_half() -> None:
    assert needed(SHAPE, NETWORK, torch.float32) == 2 * needed(SHAPE, NETWORK, torch.bfloat16)
