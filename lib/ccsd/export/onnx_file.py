"""The network as one ONNX graph for any subset. Needs `onnx` and `onnxscript`, which the server does not install."""

from __future__ import annotations

from pathlib import Path

import torch

from ccsd.common.errors import InputError
from ccsd.common.files import replacing
from ccsd.method.export import AnySubset
from ccsd.method.network import CCSDNetwork

MAX_WINDOWS = 64  # edges up to this many times the network's divisor


def export(network: CCSDNetwork, path: Path) -> None:
    """Inputs "volumes" (1, N, D, H, W), z-scored, zero where absent, with edges that are multiples of the network's
    divisor, and "present" (N,) of 0.0 and 1.0; output "logits" (1, R, D, H, W).

    Raises:
        InputError: onnx or onnxscript is not installed.
    """
    divisor = network.divisor
    d, h, w = (divisor * torch.export.Dim(name, min=2, max=MAX_WINDOWS) for name in "dhw")
    example = (torch.zeros(1, network.n, *[4 * divisor] * 3), torch.ones(network.n))
    try:
        with replacing(path) as temporary:
            torch.onnx.export(
                AnySubset(network).eval(),
                example,
                temporary,
                input_names=["volumes", "present"],
                output_names=["logits"],
                dynamic_shapes={"volumes": {2: d, 3: h, 4: w}, "present": None},
                external_data=False,
                dynamo=True,
                verbose=False,
            )
    except ImportError as error:
        raise InputError(f"ONNX export needs {error.name}, expected `pip install onnx onnxscript`") from None
