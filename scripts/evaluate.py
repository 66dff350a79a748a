#!/usr/bin/env python3
"""Dice of a model on a folder of labelled studies, for every subset of the modalities of each."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from lib.ccsd.task import BRATS
from lib.errors import InputError
from lib.evaluation.predict import WindowConfig
from lib.evaluation.subsets15 import dice_by_subset, mean_over, table
from lib.publishing import checkpoint
from lib.studies.study import find_studies
from lib.training.cases import load_case
from lib.training.loop import present

DEFAULT_MODEL = Path(__file__).resolve().parents[1] / "apps" / "ccsd" / "model" / "pretrained_ccsd.pt"


def main() -> None:
    arguments = _parse()
    model = checkpoint.load(arguments.model, task=BRATS)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = model.network.place(device)
    window = WindowConfig(edge=arguments.window or None, overlap=arguments.overlap)
    cases = {}
    for study in find_studies(arguments.data):
        label = study.label
        if label is None:
            print(f"{study.id}: no label, left out")
            continue
        case = load_case(study, label, BRATS)
        has = present(case, network)
        cases[study.id] = dice_by_subset(network, case.volumes.float(), has, case.label, window=window)
        full = next(iter(cases[study.id].values()))
        print(study.id, "Dice with all modalities:", _row(full), flush=True)
    if not cases:
        raise InputError(f"{arguments.data} holds no study with a label, expected at least one")
    mean = mean_over(list(cases.values()))
    print(f"\nmodel {model.version}, mean of {len(cases)} studies, Dice\n")
    print(f"| modalities | {' | '.join(BRATS.regions)} |\n|---|{'---|' * len(BRATS.regions)}")
    for row in table(mean, BRATS):
        print(f"| {' '.join(row['modalities'])} | {' | '.join(f'{row[r]:.3f}' for r in BRATS.regions)} |")
    average = torch.stack(list(mean.values())).mean(dim=0)
    print(f"| **average** | {' | '.join(f'{float(v):.3f}' for v in average)} |")
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        summary = {
            "model": model.version,
            "average": dict(zip(BRATS.regions, (round(float(v), 4) for v in average), strict=True)),
            "subsets": table(mean, BRATS),
            "cases": {name: table(result, BRATS) for name, result in cases.items()},
        }
        (arguments.out / "summary.json").write_text(json.dumps(summary, indent=1))


def _row(values: torch.Tensor) -> str:
    return " ".join(f"{r}={float(v):.3f}" for r, v in zip(BRATS.regions, values, strict=True))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of labelled studies")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    parser.add_argument("--out", type=Path, help="folder for summary.json")
    parser.add_argument("--window", type=int, default=0, help="voxels an edge; 0: the whole study at once")
    parser.add_argument("--overlap", type=float, default=0.5)
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
