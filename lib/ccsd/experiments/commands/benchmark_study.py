"""Files to mask on this machine: each step with 1 to 4 modalities, a mask beside a busy neighbour, the network beside
its peers, a real server with one to eight clients. `benchmark` has the method's own parts: training step, lattice,
number of modalities."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
from functools import partial
from pathlib import Path

os.environ.setdefault("MONAI_LABEL_RELOAD_APP_LIB", "false")

import torch

from ccsd.common.devices import quickest
from ccsd.common.process_environment import WAIT_ASLEEP
from ccsd.demo.phantom import PhantomConfig, make_phantom, write_phantom
from ccsd.experiments.benchmarks.method import Setting
from ccsd.experiments.benchmarks.neighbour import TORCHS_OWN, Load, beside
from ccsd.experiments.benchmarks.server import running
from ccsd.experiments.benchmarks.study import (
    NNUNET,
    STEPS,
    all_subsets,
    another_choice,
    file_to_mask,
    millions,
    one_a_subset,
    one_study,
    ours,
    peers,
)
from ccsd.inference.windows import WINDOW
from ccsd.method.network import PRESETS, CCSDNetwork
from ccsd.method.task import BRATS
from ccsd.models.served import SHIPPED, ServedModel

BRAIN = (160, 192, 160)  # voxels: a window that holds a whole brain, and that DynUNet can halve five times


def main() -> None:
    arguments = _parse()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    machine = torch.cuda.get_device_name() if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"{_processor()}, {machine}, torch {torch.__version__}, {quickest(device)}\n")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        names = [f"study{i}" for i in range(arguments.clients)]
        for seed, name in enumerate(names, start=1):
            write_phantom(make_phantom(PhantomConfig(seed=seed)), folder / "studies" / name, name, label=False)
        model = ServedModel(folder / "none.pt", arguments.model, BRATS, PRESETS[arguments.preset])
        total = _study(arguments, model, folder, device)
        _beside_a_neighbour(arguments, model, folder, device)
        _network(model, device, arguments.repeats)
        if arguments.clients and arguments.model == SHIPPED:
            _server(folder / "studies", names, total, arguments.repeats)


def _study(arguments: argparse.Namespace, model: ServedModel, folder: Path, device: torch.device) -> float:
    """Prints the steps; returns the seconds of all modalities in the default window."""
    study, cache = folder / "studies" / "study0", folder / "cache"
    totals = []
    for window in (WINDOW, 0):
        name = f"window {window}" if window else "the whole study in one window"
        print(f"{name}: seconds\n\n| modalities | {' | '.join(STEPS)} | ratio |\n|---|{'---|' * (len(STEPS) + 1)}")
        rows = file_to_mask(model, study, cache, device=str(device), window=window, repeats=arguments.repeats)
        for k, row in enumerate(rows, start=1):
            cells = " | ".join(f"{row[step]:.2f}" for step in STEPS)
            print(f"| {k} | {cells} | {row['total'] / rows[-1]['total']:.2f} |")
        totals.append(rows[-1]["total"])
        print()
    first, second = another_choice(model, study, cache, device=str(device))
    print(
        f"another choice of modalities, one window: network {first:.2f} s, then {second:.2f} s ({second / first:.2f})\n"
    )
    return totals[0]


def _beside_a_neighbour(arguments: argparse.Namespace, model: ServedModel, folder: Path, device: torch.device) -> None:

    def mask() -> float:
        study, chosen = folder / "studies" / "study0", list(BRATS.modalities)
        return one_study(model, study, folder / "cache", chosen, device=str(device))["total"]

    print("a mask beside a neighbour that computes with two threads\n\n| neighbour | alone, s | beside, s | ratio |")
    print("|---|---|---|---|")
    for name, policy in (("waits as torch does", TORCHS_OWN), ("waits as we do", WAIT_ASLEEP)):
        alone, busy = beside(mask, policy, Load(), repeats=arguments.repeats)
        print(f"| {name} | {alone:.2f} | {busy:.2f} | {busy / alone:.2f} |")
    print()


def _network(model: ServedModel, device: torch.device, repeats: int) -> None:
    network = model.current().network.to_device(device)
    setting = Setting(network.config, 0, device, repeats)
    own = ours(setting, network, BRAIN)
    print(
        f"one forward with 4 modalities on {BRAIN}\n\n| network | M parameters | seconds | ratio |\n|---|---|---|---|"
    )
    print(f"| CCSD, {model.current().version} | {millions(network):.1f} | {own:.2f} | 1 |")
    others = peers(setting, BRAIN)
    for name, (size, time) in others.items():
        print(f"| {name} | {size:.1f} | {time:.2f} | {time / own:.2f} |")
    _all_subsets(setting, network, others[f"{NNUNET}, 1 modality"][1])


def _all_subsets(setting: Setting, network: CCSDNetwork, one: float) -> None:
    """One network for all 15 subsets beside one network for each; `one`: seconds of nnU-Net's for one modality, than
    which those for more are not quicker."""
    print("\nmasks of all 15 subsets\n\n| networks | on disk, MiB (float16) | in memory, MiB (float32) | seconds |")
    print("|---|---|---|---|")
    rows = {
        "CCSD, one": (millions(network), all_subsets(setting, network, BRAIN), ""),
        "nnU-Net, 15": (one_a_subset(), 15 * one, "at least "),
    }
    for name, (size, time, least) in rows.items():
        mebibytes = size * 1e6 * 2 / 2**20
        print(f"| {name} | {mebibytes:.0f} | {2 * mebibytes:.0f} | {least}{time:.1f} |")
    print()


def _server(studies: Path, names: list[str], in_process: float, repeats: int) -> None:
    images = [f"{name}_flair" for name in names]
    serving = partial(running, studies, studies.parent / "server", preset="small", weights=SHIPPED)
    starts, firsts = [], []
    print("| server | seconds |\n|---|---|")
    for _ in range(repeats):
        with serving() as server:
            starts.append(server.started_in)
            firsts.append(server.started_in + server.mask(images[0]))
    print(f"| start (median of {repeats}, least, most) | {_spread(starts)} |")
    print(f"| start to the first mask (the same) | {_spread(firsts)} |")
    with serving() as server:
        server.mask(images[0])
        again = server.mask(images[0])
        print(f"| a mask | {again:.2f} |")
        print(f"| of it, beyond the same in process | {again - in_process:.2f} |")
        for clients in (1, 2, 4, 8):
            if clients <= len(images):
                whole, each = server.masks(images, clients)
                print(
                    f"| {clients} clients at once: all done, a mask, the last | "
                    f"{whole:.1f}, {whole / clients:.1f}, {max(each):.1f} |"
                )
        print(f"\npeak memory of the server: {server.peak_gib():.2f} GiB")


def _spread(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.1f}, {min(seconds):.1f}, {max(seconds):.1f}"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=SHIPPED, help="weights (default: the shipped ones)")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="small", help="if --model does not exist")
    parser.add_argument("--clients", type=int, default=8, help="studies to make, and clients at most; 0: no server")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()
    arguments.clients = max(1, arguments.clients) if arguments.model == SHIPPED else 1
    return arguments
