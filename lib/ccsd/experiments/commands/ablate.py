"""Train and measure the variants of CCSD under one budget, and write the paper's ablation tables in Markdown.

Every variant and seed is a cell, stored when it is done: a run that was stopped goes on with the next cell. Runs with
other --seeds may share --out at the same time.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import asdict
from pathlib import Path

import torch
from tqdm import tqdm

from ccsd.common.errors import InputError
from ccsd.common.files import replacing
from ccsd.common.settings import read_task
from ccsd.experiments.ablation.cells import Budget, run_cell
from ccsd.experiments.ablation.markdown import render
from ccsd.experiments.ablation.tables import TABLES, TITLES
from ccsd.method.task import BRATS
from ccsd.studies.lists import select
from ccsd.studies.study import find_studies
from ccsd.training.cache import load_cases
from ccsd.training.run_settings import read_run_settings

logger = logging.getLogger("ablate")


def main() -> None:
    arguments = _parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    settings = read_run_settings(arguments.config, arguments.set)
    task = read_task(arguments.task) if arguments.task else BRATS
    studies = [study for folder in arguments.data for study in find_studies(folder, task.modalities)]
    test = select(studies, arguments.test)
    training = [s for s in studies if s.id not in {t.id for t in test}]
    if not training:
        raise InputError(f"{arguments.test.name} names every study of --data, expected some to be left for training")
    budget = Budget(
        settings, task, load_cases(training, task, cache=arguments.cache), load_cases(test, task, cache=arguments.cache)
    )
    names = list(TABLES) if arguments.table == "all" else [arguments.table]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    cells = [(table, row, seed) for seed in arguments.seeds for table in names for row in TABLES[table]]
    results: dict[str, dict[str, list[dict[str, object]]]] = {}
    for table, row, seed in tqdm(cells, unit="cell", disable=None):
        result = run_cell(budget, TABLES[table][row], seed=seed, folder=arguments.out / "cells", device=device)
        results.setdefault(table, {}).setdefault(row, []).append(result)
    text = "\n".join(render(TITLES[table], rows, task) for table, rows in results.items())
    about = (
        f"Dice in percent on {len(budget.test)} test studies ({', '.join(c.id for c in budget.test)}), trained on "
        f"{len(budget.training)} ({', '.join(c.id for c in budget.training)}), mean ± standard deviation over "
        f"{len(arguments.seeds)} seeds.\n\nSettings: `{asdict(settings)}`\n"
    )
    with replacing(arguments.out / "tables.md") as temporary:
        temporary.write_text(f"{text}\n{about}")
    print(text)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", choices=[*TABLES, "all"], default="all")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of studies with labels")
    parser.add_argument("--test", type=Path, required=True, help="list of study ids to measure on; the rest trains")
    parser.add_argument("--out", type=Path, required=True, help="folder for cells and tables.md")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--config", type=Path, help="settings that the variants change, in TOML")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="NAME=VALUE")
    parser.add_argument("--task", type=Path, help="task file in TOML (default: BraTS, four modalities)")
    parser.add_argument("--cache", type=Path, help="folder for prepared studies")
    parser.add_argument("--threads", type=int, default=0)
    return parser.parse_args()
