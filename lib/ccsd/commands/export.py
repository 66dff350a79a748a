"""Write weights as a MONAI bundle for `python -m monai.bundle run`; `--onnx` adds an ONNX graph of the network."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ccsd.common.errors import InputError
from ccsd.common.settings import read_task
from ccsd.export.bundle import export
from ccsd.method.task import BRATS
from ccsd.models.served import SHIPPED

EXAMPLE = "example: ccsd export --out bundle --onnx"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    parser.add_argument("--model", type=Path, default=SHIPPED, help="weights (default: the shipped ones)")
    parser.add_argument("--task", type=Path, help="task file in TOML (default: BraTS, four modalities)")
    parser.add_argument("--onnx", action="store_true", help="also write models/model.onnx; needs onnx and onnxscript")
    arguments = parser.parse_args()
    card: Path = arguments.model.with_name("README.md")  # the model card, where there is one
    try:
        text = card.read_text() if card.exists() else ""
        task = read_task(arguments.task) if arguments.task else BRATS
        export(arguments.model, arguments.out, task, card=text, onnx=arguments.onnx)
    except (InputError, OSError) as error:
        sys.exit(str(error))
    print(f"wrote {arguments.out}")
