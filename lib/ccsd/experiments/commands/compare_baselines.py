"""Train CCSD in several forms of distillation, the same network without it and a plain U-Net with modality dropout on
the same data with the same budget, and measure them over all subsets. Every arm and seed is stored when it is done, so
a stopped run goes on; one with other settings needs another --out.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
import warnings
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean
from typing import Any, cast

import torch
from tqdm import tqdm

from ccsd.common.errors import InputError
from ccsd.common.files import replacing, write_json
from ccsd.common.settings import read_task
from ccsd.evaluation.lattice import measure, read_labelled
from ccsd.evaluation.summary import summarise
from ccsd.experiments.baselines.arms import ARMS, untrained
from ccsd.inference.windows import WindowConfig
from ccsd.method.network import CCSDNetwork
from ccsd.method.task import BRATS, Task
from ccsd.studies.lists import select
from ccsd.studies.study import find_studies
from ccsd.training.cache import load_cases
from ccsd.training.folders import DataFolder
from ccsd.training.loop import Epoch, train
from ccsd.training.made import add_made_options, with_made
from ccsd.training.run_settings import RunSettings, read_run_settings

logger = logging.getLogger("compare")

# Options that, with the settings, change a result.
ASKED = ("data", "held_out", "test", "task", "mirrored", "unenhanced")


def main() -> None:
    arguments = _parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    warnings.filterwarnings("ignore", message=".*always_return_as_numpy")  # MONAI warns of its own argument
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    settings = read_run_settings(arguments.config, arguments.set)
    task = read_task(arguments.task) if arguments.task else BRATS
    results: dict[str, list[dict[str, Any]]] = {}
    asked = {name: str(getattr(arguments, name)) for name in ASKED} | {"settings": str(asdict(settings))}
    cells = [(arm, seed) for seed in arguments.seeds for arm in arguments.arms]
    for arm, seed in tqdm(cells, unit="run", disable=None):
        name = arm.replace(",", "").replace(" ", "-")
        file = arguments.out / f"{name}-{seed}.json"
        if not file.exists():
            write_json(file, {"asked": asked, **_run(arguments, arm, seed, settings, task)})
        result = json.loads(file.read_text())
        if result.pop("asked", None) != asked:
            raise InputError(f"{file} was made with other settings or data, expected the same: give another --out")
        results.setdefault(arm, []).append(result)
    text = _table(results, task)
    with replacing(arguments.out / "table.md") as temporary:
        temporary.write_text(f"{text}\n\nSettings: `{asdict(settings)}`\n")
    print(text)


def _run(arguments: argparse.Namespace, arm: str, seed: int, settings: RunSettings, task: Task) -> dict[str, Any]:
    """Train one arm and measure it on every test folder: {test folder: summary}, with the seconds it trained."""
    losses = replace(settings.train.losses, **ARMS[arm].losses)
    config = replace(settings.train, losses=losses, seed=seed)
    network = cast(CCSDNetwork, untrained(ARMS[arm], task, settings.network, seed=seed))  # its calls are those used
    folders = [DataFolder.parse(text) for text in arguments.data]
    by_folder = [find_studies(folder.path, task.modalities) for folder in folders]
    studies = [study for found in by_folder for study in found]
    held = {s.id for s in select(studies, arguments.held_out)} if arguments.held_out else set()
    groups = [load_cases([s for s in found if s.id not in held], task, cache=arguments.cache) for found in by_folder]
    samples, often = with_made(
        groups,
        [folder.share for folder in folders],
        task,
        mirrored_share=arguments.mirrored,
        unenhanced_share=arguments.unenhanced,
    )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    last: list[Epoch] = []

    def keep(epoch: Epoch) -> None:
        last[:] = [epoch]
        logger.info("%s, seed %d: %d %%, loss %.3f", arm, seed, 100 * epoch.progress, epoch.losses["total"])

    started = time.monotonic()
    train(network, samples, [], config, device=device, on_epoch=keep, weights=often)
    seconds = round(time.monotonic() - started)
    tests = {folder.name: find_studies(folder, task.modalities) for folder in arguments.test}
    if held:
        tests["held out"] = [s for s in studies if s.id in held]
    found: dict[str, Any] = {"seconds": seconds, "parameters": sum(p.numel() for p in network.parameters())}
    for name, labelled in tests.items():
        measured = [
            row
            for study in labelled
            for one in measure(last[0].network, read_labelled(study, task), window=WindowConfig())
            for row in one.rows
        ]
        found[name] = summarise(measured, task)
    return found


def _table(results: dict[str, list[dict[str, Any]]], task: Task) -> str:
    """Markdown: a table a test folder, a row an arm, each figure the mean over seeds: Dice (HD95 in mm) as average over
    subsets, Dice of single modalities and of all, AURC; and how far the seeds' average Dice lies apart."""
    lines = []
    first = next(iter(results.values()))[0]
    titles = [title.format(g) for title in ("{}", "one modality {}", "all {}", "AURC {}") for g in task.regions]
    head = ["arm", "M", "minutes", "seeds", *titles, "seeds apart"]
    for test in [name for name in first if name not in ("seconds", "parameters")]:
        lines += [f"**{test}**\n", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
        for arm, runs in results.items():
            found = [run[test] for run in runs]
            means = [fmean(one["average"].values()) for one in found]
            cells = [arm, f"{runs[0]['parameters'] / 1e6:.1f}", f"{fmean(run['seconds'] for run in runs) / 60:.0f}"]
            cells.append(str(len(runs)))
            for g in task.regions:
                hd95 = fmean(one["average_hd95"][g] for one in found)
                cells.append(f"{fmean(one['average'][g] for one in found):.3f} ({hd95:.1f})")
            for size in (1, len(task.modalities)):
                cells += [f"{fmean(one['sizes'][str(size)][g]['dice'] for one in found):.3f}" for g in task.regions]
            cells += [f"{fmean(one['aurc'][g] for one in found):.3f}" for g in task.regions]
            lines.append(f"| {' | '.join(cells)} | {max(means) - min(means):.3f} |")
        lines.append("")
    return "\n".join(lines).rstrip()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data",
        action="append",
        required=True,
        metavar="DIR[:SHARE]",
        help="folder of studies with labels, to train on, with its share of the crops; may be said several times",
    )
    add_made_options(parser)
    parser.add_argument("--held-out", type=Path, help="list of study ids of --data to measure on instead")
    parser.add_argument("--test", type=Path, nargs="*", default=[], help="folders of studies to measure on")
    parser.add_argument("--out", type=Path, required=True, help="folder for results and table.md")
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS), help="default: all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--config", type=Path, help="settings in TOML; configs/train.toml lists them all")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="NAME=VALUE")
    parser.add_argument("--task", type=Path, help="task file in TOML (default: BraTS, four modalities)")
    parser.add_argument("--cache", type=Path, help="folder for prepared studies")
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()
    if not arguments.test and not arguments.held_out:
        parser.error("there is nothing to measure on: --test or --held-out is needed")
    return arguments
