"""The command `ccsd`: which subcommands there are. Each is a file of `ccsd.commands`, imported when it is called."""

from __future__ import annotations

import sys
from importlib import import_module

from ccsd import VERSION
from ccsd.common.errors import DivergedError, InputError
from ccsd.common.loading import without_garbage_collection

COMMANDS = {
    "segment": "segment studies, without a server",
    "inspect": "which modality each image of a study is taken for, and why",
    "train": "train on folders of labelled studies",
    "evaluate": "Dice, HD95 and more over all subsets of modalities",
    "versions": "list and compare versions of the weights; serve, pin or add one",
    "export": "weights as a MONAI bundle or as ONNX",
    "serve": "start the MONAI Label server",
    "picture": "draw a mask over the images of its study, as PNG",
    "phantom": "make a synthetic study to try things with",
}


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name == "--version":
        print(VERSION)
        return
    if name in ("-h", "--help"):
        print(_usage())
        return
    if name not in COMMANDS:
        sys.exit(f"error: ccsd {name} is not a command, expected one of {', '.join(COMMANDS)}")
    sys.argv = [f"ccsd {name}", *sys.argv[2:]]
    try:
        with without_garbage_collection():
            command = import_module(f"ccsd.commands.{name}")
        command.main()
    except (InputError, DivergedError, OSError) as error:
        sys.exit(f"error: {error}")


def _usage() -> str:
    lines = [f"  {name:10}{does}" for name, does in COMMANDS.items()]
    return "\n".join(["usage: ccsd COMMAND ... (more: ccsd COMMAND --help)", "", *lines])
