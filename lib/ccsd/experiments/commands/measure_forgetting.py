"""Site B is learned after site A, from differently made phantoms: Dice on both, by what is done against forgetting."""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import asdict
from pathlib import Path

import torch

from ccsd.common.files import write_json
from ccsd.experiments.simulation.forgetting import Result, Setup, measure


def main() -> None:
    arguments = _parse()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    results: list[Result] = []
    started = time.monotonic()
    for seed in range(arguments.seeds):
        for result in measure(seed, Setup()):
            results.append(result)
            print(f"{time.monotonic() - started:6.0f} s  {result}", flush=True)
            write_json(arguments.out, [asdict(r) for r in results])
    print("\n| method | Dice on A | Dice on B |\n|---|---|---|")
    for name in dict.fromkeys(r.method for r in results):
        both = [[getattr(r, site) for r in results if r.method == name] for site in ("a", "b")]
        print(f"| {name} | {' | '.join(_told(values) for values in both)} |")


def _told(values: list[float]) -> str:
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.3f}{spread}"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="of the CPU (0: torch's choice)")
    parser.add_argument("--out", type=Path, default=Path("forgetting.json"), help="every result")
    return parser.parse_args()
