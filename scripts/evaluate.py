#!/usr/bin/env python3
"""Dice and HD95 of a model on labelled studies, for every subset of the modalities of each.

With --out: summary.json, cases.csv and report.html. Masks are measured on the studies' own grid, as users get them.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from PIL import Image
from tqdm import tqdm

from lib.ccsd import subsets
from lib.ccsd.network import CCSDNetwork
from lib.ccsd.task import BRATS, Task
from lib.errors import InputError
from lib.evaluation.metrics import ET_RULE_REGION
from lib.evaluation.predict import WindowConfig
from lib.evaluation.report import render
from lib.evaluation.subsets15 import Measured, measure_study
from lib.evaluation.summary import DEFINITIONS, Row, summarise
from lib.files import replacing
from lib.pictures.contours import contour_strip
from lib.publishing import checkpoint
from lib.settings import read_task
from lib.studies.lists import select
from lib.studies.study import Study, find_studies

DEFAULT_MODEL = Path(__file__).resolve().parents[1] / "apps" / "ccsd" / "model" / "pretrained_ccsd.pt"


def main() -> None:
    arguments = _parse()
    task = read_task(arguments.task) if arguments.task else BRATS
    model = checkpoint.load(arguments.model, task=task)
    window = WindowConfig(edge=arguments.window or None, overlap=arguments.overlap)
    studies = find_studies(arguments.data, task.modalities)
    if arguments.list:
        studies = select(studies, arguments.list)
    labelled = [s for s in studies if s.label is not None]
    if not labelled:
        raise InputError(f"{arguments.data} holds no study with a label, expected at least one")
    network = model.network.place(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    plain: list[Row] = []
    ruled: list[Row] = []
    pictures: dict[str, tuple[Image.Image, str]] = {}
    for study in tqdm(labelled, unit="study", disable=None):
        for measured, picture in _measure(network, study, window):
            plain += _rows(study.id, measured, task, rule=False)
            ruled += _rows(study.id, measured, task, rule=True)
            if picture is not None:
                pictures[study.id] = (picture, _caption(plain, study.id, measured.subset))
                print(f"{study.id}: {pictures[study.id][1]}", flush=True)
    summary = {"model": model.version, "studies": [s.id for s in labelled], **summarise(plain, task)}
    if ET_RULE_REGION in task.regions:
        summary["et_rule"] = summarise(ruled, task)
    summary["definitions"] = DEFINITIONS
    print(_text(summary, task))
    if arguments.out:
        _write(arguments.out, summary, plain, ruled, pictures, task)


def _measure(network: CCSDNetwork, study: Study, window: WindowConfig) -> list[tuple[Measured, Image.Image | None]]:
    """Every subset's measurement; with the first, of all modalities, its picture."""
    if study.label is None:
        return []
    volumes, reference, measurements = measure_study(network, study, study.label, window=window)
    grid = next(iter(volumes.values())).grid
    found: list[tuple[Measured, Image.Image | None]] = []
    for measured in measurements:
        picture = None
        if not found:
            images = [volumes[m].data for m in network.task.modalities if m in volumes]
            picture = contour_strip(images, measured.label, reference, network.task.regions, grid)
        found.append((measured, picture))
    return found


def _rows(case: str, measured: Measured, task: Task, *, rule: bool) -> list[Row]:
    dice = measured.et_rule_dice if rule else measured.dice
    hd95 = measured.et_rule_hd95 if rule else measured.hd95
    return [
        Row(case, measured.subset, region, float(d), float(h))
        for region, d, h in zip(task.regions, dice, hd95, strict=True)
    ]


def _caption(rows: Sequence[Row], case: str, subset: int) -> str:
    own = [r for r in rows if r.case == case and r.subset == subset]
    return ", ".join(f"{r.region} Dice {r.dice:.3f} HD95 {r.hd95:.1f} mm" for r in own)


def _text(summary: Mapping[str, Any], task: Task) -> str:
    """The summary in Markdown: Dice (HD95)."""
    regions = list(task.regions)

    def cells(entry: Mapping[str, Mapping[str, float]]) -> str:
        return " | ".join(f"{entry[g]['dice']:.3f} ({entry[g]['hd95']:.1f})" for g in regions)

    lines = [f"\nmodel {summary['model']}, mean of {len(summary['studies'])} studies, Dice (HD95 in mm)\n"]
    lines += [f"| modalities | {' | '.join(regions)} |", f"|---|{'---|' * len(regions)}"]
    lines += [f"| {' '.join(entry['modalities'])} | {cells(entry)} |" for entry in summary["subsets"]]
    average = {g: {"dice": summary["average"][g], "hd95": summary["average_hd95"][g]} for g in regions}
    lines.append(f"| **average of {len(summary['subsets'])}** | {cells(average)} |")
    lines += [f"| {k} modalities | {cells(values)} |" for k, values in summary["sizes"].items()]
    for key in ("aurc", "worsening"):
        lines.append(f"\n{key}: {_by_region(summary[key])} ({DEFINITIONS[key]})")
    if "et_rule" in summary:
        rule = summary["et_rule"]
        lines.append(f"\naverage, small ET relabelled: {_by_region(rule['average'])} ({DEFINITIONS['et_rule']})")
    worst = "; ".join(f"{k}: {' '.join(w['modalities'])} {w['dice']:.3f}" for k, w in summary["worst"].items())
    lines.append(f"\nworst subset by size: {worst} ({DEFINITIONS['worst']})")
    return "\n".join(lines)


def _by_region(values: Mapping[str, float]) -> str:
    return ", ".join(f"{region} {value:.3f}" for region, value in values.items())


def _write(
    folder: Path,
    summary: Mapping[str, Any],
    plain: Sequence[Row],
    ruled: Sequence[Row],
    pictures: Mapping[str, tuple[Image.Image, str]],
    task: Task,
) -> None:
    with replacing(folder / "summary.json") as file:
        file.write_text(json.dumps(summary, indent=1))
    with replacing(folder / "cases.csv") as file, file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["case", "modalities", "region", "dice", "hd95_mm", "dice_et_rule", "hd95_mm_et_rule"])
        for a, b in zip(plain, ruled, strict=True):
            names = "+".join(subsets.names(a.subset, task.modalities))
            values = [f"{v:.4f}" for v in (a.dice, a.hd95, b.dice, b.hd95)]
            writer.writerow([a.case, names, a.region, *values])
    with replacing(folder / "report.html") as file:
        heading = f"{summary['model']} on {len(summary['studies'])} studies"
        file.write_text(render(summary, task, pictures, heading=heading))
    print(f"\nwrote {folder / 'summary.json'}, cases.csv and report.html")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of labelled studies")
    parser.add_argument("--out", type=Path, help="folder for summary.json, cases.csv and report.html")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="weights (default: the app's)")
    parser.add_argument("--list", type=Path, help="list of study ids (default: all)")
    parser.add_argument("--task", type=Path, help="task file in TOML (default: BraTS)")
    parser.add_argument("--window", type=int, default=0, help="voxels an edge; 0: the whole study at once")
    parser.add_argument("--overlap", type=float, default=0.5)
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
