"""Labels needed to reach a Dice, by the strategy that chooses the next study, on phantoms whose truth is known."""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import asdict
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import torch

from ccsd.common.files import write_json
from ccsd.experiments.simulation.labelling import STRATEGIES, Point, Setup, labels_needed, simulate


def main() -> None:
    arguments = _parse()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    points: list[Point] = []
    started = time.monotonic()
    for seed in range(arguments.seeds):
        for point in simulate(seed, Setup()):
            points.append(point)
            print(f"{time.monotonic() - started:6.0f} s  {point}", flush=True)
        write_json(arguments.out, [asdict(p) for p in points])
        if arguments.plot:
            draw(points, arguments.plot)
    print(table(points))


def table(points: list[Point]) -> str:
    """Dice at the end, and labels needed for what `random` reaches in the mean with the last labels but two rounds."""
    counts = sorted({p.labels for p in points})
    middle = counts[len(counts) // 2]
    goal = statistics.fmean(p.dice for p in points if p.strategy == "random" and p.labels == middle)
    lines = [
        f"| strategy | Dice with {counts[-1]} labels | labels needed for Dice {goal:.3f} |",
        "|---|---|---|",
    ]
    for name in STRATEGIES:
        own = [p for p in points if p.strategy == name]
        last = [p.dice for p in own if p.labels == counts[-1]]
        needed = [labels_needed([p for p in own if p.seed == s], goal) for s in sorted({p.seed for p in own})]
        told = ", ".join("never" if n is None else f"{n:.1f}" for n in needed)
        spread = f" ± {statistics.stdev(last):.3f}" if len(last) > 1 else ""
        lines.append(f"| {name} | {statistics.fmean(last):.3f}{spread} | {told} |")
    return "\n".join(lines)


def draw(points: list[Point], path: Path) -> None:
    """Mean and range over the seeds."""
    figure, axes = plt.subplots(figsize=(7, 4.2))
    for name in STRATEGIES:
        counts = sorted({p.labels for p in points if p.strategy == name})
        values = [[p.dice for p in points if p.strategy == name and p.labels == c] for c in counts]
        (line,) = axes.plot(counts, [statistics.fmean(v) for v in values], marker="o", label=name)
        axes.fill_between(
            counts, [min(v) for v in values], [max(v) for v in values], alpha=0.12, color=line.get_color()
        )
    axes.set(xlabel="labelled studies", ylabel="mean Dice, 15 subsets, 3 regions")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="of the CPU (0: torch's choice)")
    parser.add_argument("--out", type=Path, default=Path("labelling.json"), help="every point")
    parser.add_argument("--plot", type=Path, help="PNG with the curves")
    return parser.parse_args()
