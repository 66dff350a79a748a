#!/usr/bin/env python3
"""Sends made-up requests to a server of its own (`tests/fuzz`), and says which answers were not as they should be."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

os.environ.setdefault("MONAI_LABEL_RELOAD_APP_LIB", "false")

from hypothesis.errors import HypothesisWarning

from ccsd.demo.phantom import make_phantom, write_phantom
from ccsd.experiments.benchmarks.server import running
from tests.fuzz.fuzzing import Report, fuzz
from tests.fuzz.values import PHANTOM, STUDY


def main() -> None:
    arguments = _parse()
    warnings.simplefilter("ignore", HypothesisWarning)  # that a strategy's repr is long
    began = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        write_phantom(make_phantom(PHANTOM), folder / "studies" / STUDY, STUDY)
        with running(folder / "studies", folder) as server:
            report = fuzz(server, arguments.requests, first_seed=arguments.seed, told=_tell)
    print(f"\n{report.requests} requests in {time.monotonic() - began:.0f} s, seed {arguments.seed}\n")
    print("| status | answers |\n|---|---|")
    for status, times in report.by_status().items():
        print(f"| {status or 'none'} | {times} |")
    print(f"\n{sum(report.failed.values())} failures of {len(report.failures)} kinds")
    for wrong, made in report.failures.items():
        print(f"\n{report.failed[wrong]} x {wrong}\n    {made}")
    sys.exit(bool(report.failures))


def _tell(report: Report) -> None:
    print(f"{report.requests} requests, {sum(report.failed.values())} failures", file=sys.stderr, flush=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0, help="the same seed makes the same requests")
    return parser.parse_args()


if __name__ == "__main__":
    main()
