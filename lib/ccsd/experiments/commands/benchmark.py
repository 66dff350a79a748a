"""What the method costs on this machine, as ratios within one run; with --plot, the cost over N as a picture."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import torch

from ccsd.experiments.benchmarks.flops import count
from ccsd.experiments.benchmarks.method import (
    FEATURES,
    LOGITS,
    PLAIN,
    Setting,
    forwards,
    lattice_against_naive,
    lattice_memory,
    step_of_n,
    training_steps,
)
from ccsd.experiments.benchmarks.server import peak_gib
from ccsd.method.network import PRESETS

PER_LEVEL = 4  # subsets of each size in the sampled lattice


def main() -> None:
    arguments = _parse()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    setting = Setting(PRESETS[arguments.preset], arguments.edge, device, arguments.repeats)
    if arguments.flops:
        _flops()
        return
    if arguments.n:
        _one_n(setting, arguments.n, arguments.per_level)
        return
    machine = torch.cuda.get_device_name() if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"{platform.machine()}, {machine}, torch {torch.__version__}, {arguments.preset}, {arguments.edge}^3\n")
    _method(setting)
    if arguments.max_n:
        _over_n(arguments)


def _method(setting: Setting) -> None:
    plain, features, logits = training_steps(setting, (PLAIN, FEATURES, LOGITS))
    lattice, naive = lattice_against_naive(setting)
    memory = lattice_memory(setting)
    print("| what | seconds | ratio |\n|---|---|---|")
    print(f"| training step without distillation | {plain:.3f} | 1 |")
    print(f"| with HMSD and DMCD on features | {features:.3f} | {features / plain:.2f} |")
    print(f"| with HMSD and DMCD on logits, all 15 | {logits:.3f} | {logits / plain:.2f} |")
    print(f"| 15 forwards, a subset each | {naive:.3f} | 1 |")
    print(f"| the lattice of 15 from one encoder pass | {lattice:.3f} | {lattice / naive:.2f} |")
    measured = forwards(setting)
    whole, encoders = measured[-1]
    for k, (one, own) in enumerate(measured, start=1):
        print(
            f"| forward with {k} of {len(measured)} modalities, its encoders alone | {one:.3f}, {own:.3f} | "
            f"{one / whole:.2f}, {own / encoders:.2f} |"
        )
    print(f"\nlattice memory: {memory['features']:.0f} MiB of features, {memory['one subset']:.0f} MiB for one subset")


def _flops() -> None:
    print("| preset | crop | forward, GFLOP | training step, GFLOP |\n|---|---|---|---|")
    for preset in ("small", "base"):
        for edge in (80, 128):
            forward, step = count(PRESETS[preset], edge)
            print(f"| {preset} | {edge}^3 | {forward:.0f} | {step:.0f} |")


def _over_n(arguments: argparse.Namespace) -> None:
    """Each N in a process of its own, so that its peak memory is its own."""
    print("\n| N | subsets | full: seconds, GiB | sampled: seconds, GiB |\n|---|---|---|---|")
    rows = []
    for n in range(1, arguments.max_n + 1):
        full, sampled = (_in_process(arguments, n, per_level) for per_level in (0, PER_LEVEL))
        rows.append({"n": n, "full": full, "sampled": sampled})
        print(
            f"| {n} | {2**n - 1} | {full['seconds']:.2f}, {full['gib']:.2f} | "
            f"{sampled['seconds']:.2f}, {sampled['gib']:.2f} |",
            flush=True,
        )
    if arguments.plot:
        _plot(rows, arguments.plot)


def _in_process(arguments: argparse.Namespace, n: int, per_level: int) -> dict[str, float]:
    command = [sys.executable, "-m", "ccsd.experiments", "benchmark", "--n", str(n), "--per-level", str(per_level)]
    command += ["--preset", arguments.preset, "--edge", str(arguments.n_edge), "--repeats", str(arguments.repeats)]
    command += ["--threads", str(arguments.threads)]
    result: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result


def _one_n(setting: Setting, n: int, per_level: int) -> None:
    duration = step_of_n(setting, n, per_level=per_level)
    peak = torch.cuda.max_memory_allocated() / 2**30 if setting.device.type == "cuda" else peak_gib(os.getpid())
    print(json.dumps({"seconds": duration, "gib": peak}))


def _plot(rows: list[dict[str, object]], path: Path) -> None:
    from matplotlib.figure import Figure  # of requirements-dev.txt

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, key, label in zip(figure.subplots(1, 2), ("seconds", "gib"), ("s", "GiB"), strict=True):
        for kind, style in (("full", "o-"), ("sampled", "s--")):
            axes.plot([r["n"] for r in rows], [r[kind][key] for r in rows], style, label=f"{kind} lattice")  # type: ignore[index]
        axes.set(xlabel="modalities N", ylabel=f"training step, {label}", ylim=(0, None))
        axes.legend()
    figure.savefig(path, dpi=120)
    print(f"wrote {path}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", choices=sorted(PRESETS), default="small")
    parser.add_argument("--edge", type=int, default=128, help="voxels an edge of the crops")
    parser.add_argument("--n-edge", type=int, default=48, help="the same for the cost over N")
    parser.add_argument("--max-n", type=int, default=8, help="0: leave out the cost over N")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--plot", type=Path, help="PNG to write")
    parser.add_argument("--flops", action="store_true", help="count operations instead of measuring seconds")
    parser.add_argument("--n", type=int, default=0, help="measure this N alone and print it as JSON")
    parser.add_argument("--per-level", type=int, default=0, help="with --n: subsets of each size, 0 for all")
    return parser.parse_args()
