"""`python -m ccsd.experiments NAME ...`: the commands that measure."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from ccsd.common.process_environment import start_with_variables

NAMES = sorted(file.stem for file in Path(__file__).with_name("commands").glob("[a-z]*.py"))


def main() -> None:
    start_with_variables()
    if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
        sys.exit(f"usage: python -m ccsd.experiments NAME ..., NAME one of {', '.join(NAMES)}")
    name = sys.argv[1]
    sys.argv = [f"python -m ccsd.experiments {name}", *sys.argv[2:]]
    import_module(f"ccsd.experiments.commands.{name}").main()


main()
