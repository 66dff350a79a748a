"""How costs grow with the number of studies and with the size of a study, on this machine; with --plot, as pictures."""

from __future__ import annotations

import argparse
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

os.environ.setdefault("MONAI_LABEL_RELOAD_APP_LIB", "false")

import numpy as np
import torch

from ccsd.experiments.benchmarks.growth import ROUTES, STORE, TINY, make_studies, routes, store, volume
from ccsd.imaging.volumes import write_volume
from ccsd.inference.windows import WINDOW
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models.served import SHIPPED, ServedModel

Table = dict[int, Mapping[str, float]]


def main() -> None:
    arguments = _parse()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if arguments.counts:
            in_process, asked = _studies(arguments, folder)
            if arguments.plot:
                tables = {"in process, CPU": in_process} | ({"requests": asked} if asked else {})
                _plot(tables, arguments.plot / "growth_studies.png", "studies")
        if arguments.edges:
            tables = _volumes(arguments, folder)
            if arguments.plot:
                _plot(tables, arguments.plot / "growth_volume.png", "voxels an edge")


def _studies(arguments: argparse.Namespace, folder: Path) -> tuple[Table, Table]:
    label = folder / "label.nii.gz"
    write_volume(label, np.ones(TINY.shape, np.uint8), TINY)
    in_process: Table = {}
    asked: Table = {}
    for count in arguments.counts:
        root = folder / f"studies{count}"
        make_studies(root, count)
        watch = store(root, label)
        in_process[count] = watch.cpu
        _row(f"{count} studies, in process, CPU seconds (clock)", STORE, watch.cpu, watch.wall)
        if arguments.server:
            asked[count] = routes(root, label)
            _row(f"{count} studies, a server's clients, seconds", ROUTES, asked[count])
    _growth(in_process, STORE)
    return in_process, asked


def _volumes(arguments: argparse.Namespace, folder: Path) -> dict[str, Table]:
    model = ServedModel(folder / "none.pt", arguments.model, BRATS, PRESETS[arguments.preset])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    windows = {f"windows of {WINDOW}": WINDOW, "one window": 0}
    tables: dict[str, Table] = {name: {} for name in windows}
    for edge in arguments.edges:
        for name, window in windows.items():
            watch = volume(model, folder, edge, device=device, window=window, repeats=arguments.repeats)
            tables[name][edge] = {"file to mask": watch.cpu["total"]}
            print(
                f"{edge}^3, {name}: file to mask {watch.cpu['total']:.2f} CPU s, {watch.wall['total']:.2f} s by the "
                f"clock, of it the network {watch.wall['network']:.2f} s",
                flush=True,
            )
    for name, table in tables.items():
        print(f"\n{name}")
        _growth({edge**3: row for edge, row in table.items()}, ("file to mask",))
    return tables


def _row(title: str, steps: Sequence[str], *rows: Mapping[str, float]) -> None:
    print(title)
    for step in steps:
        first, *others = [f"{row[step]:.3f}" for row in rows]
        print(f"  {step:<18} {first}{''.join(f' ({o})' for o in others)}", flush=True)


def _growth(table: Table, steps: Sequence[str]) -> None:
    """The exponent between the two largest sizes: 1 is linear."""
    sizes = sorted(table)[-2:]
    if len(sizes) < 2:
        return
    print(f"growth from {sizes[0]} to {sizes[1]}: 1 is linear")
    for step in steps:
        low, high = (max(table[s][step], 1e-6) for s in sizes)
        print(f"  {step:<18} {math.log(high / low) / math.log(sizes[1] / sizes[0]):.2f}")


def _plot(tables: Mapping[str, Table], path: Path, size: str) -> None:
    from matplotlib.figure import Figure  # of requirements-dev.txt

    figure = Figure(figsize=(4.8 * len(tables), 4), layout="constrained")
    for axes, (name, table) in zip(np.atleast_1d(figure.subplots(1, len(tables))), tables.items(), strict=True):
        sizes = sorted(table)
        for step in table[sizes[0]]:
            axes.plot(sizes, [table[s][step] for s in sizes], "o-", label=step)
        axes.set(xlabel=size, ylabel="s", title=name, xscale="log", yscale="log")
        axes.set_xticks(sizes, [str(s) for s in sizes])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    print(f"wrote {path}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=int, nargs="*", default=[10, 100, 1000, 10000], help="studies; none: left out")
    parser.add_argument("--server", action="store_true", help="also ask a real server over as many studies")
    parser.add_argument("--edges", type=int, nargs="*", default=[96, 128, 160, 192, 224], help="voxels; none: left out")
    parser.add_argument("--model", type=Path, default=SHIPPED, help="weights (default: the shipped ones)")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="small", help="if --model does not exist")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--plot", type=Path, help="folder for the pictures")
    return parser.parse_args()
