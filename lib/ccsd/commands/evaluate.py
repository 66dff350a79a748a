"""Dice and HD95 of a model on labelled studies, for every subset of the modalities of each study.

With --out: summary.json, cases.csv and report.html. Masks are measured on the grid of the label, as users get them.
"""

from __future__ import annotations

import argparse
import csv
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from ccsd.common.devices import read_device
from ccsd.common.errors import InputError, NotFoundError
from ccsd.common.files import replacing, write_json
from ccsd.common.settings import read_task
from ccsd.evaluation.lattice import LabelledStudy, Measured, measure, read_labelled
from ccsd.evaluation.markdown import as_markdown
from ccsd.evaluation.metrics import ET_RULE_REGION
from ccsd.evaluation.report import render
from ccsd.evaluation.summary import DEFINITIONS, Row, summarise
from ccsd.inference.label_map import MIN_COMPONENT_FRACTION
from ccsd.inference.windows import WindowConfig
from ccsd.method import subsets
from ccsd.method.task import BRATS, Task
from ccsd.models import checkpoint
from ccsd.models.served import SHIPPED
from ccsd.pictures.contours import contour_strip
from ccsd.studies.lists import select
from ccsd.studies.study import Study, find_studies

EXAMPLE = "example: ccsd evaluate --data studies --studies held_out.txt --out evaluation"


def main() -> None:
    arguments = _parse()
    warnings.filterwarnings("ignore", message=".*always_return_as_numpy")  # MONAI warns of its own argument
    window = WindowConfig(edge=arguments.window or None, overlap=arguments.overlap)
    device = read_device(arguments.device)
    model = _model(arguments.model, read_task(arguments.task) if arguments.task else BRATS)
    network = model.network.to_device(device)
    studies = _studies(arguments.data, arguments.studies, network.task)
    if arguments.out:
        _folder(arguments.out)
    plain: list[Row] = []
    ruled: list[Row] = []
    pictures: dict[str, tuple[Image.Image, str]] = {}
    for study in tqdm(studies, unit="study"):
        labelled = read_labelled(study, network.task)
        for measured in measure(network, labelled, window=window, min_component_fraction=arguments.specks):
            plain += measured.rows
            ruled += measured.et_rule_rows
            if study.id not in pictures:  # the first subset is that of all modalities
                pictures[study.id] = (_picture(labelled, measured, network.task), _caption(measured))
                tqdm.write(f"{study.id}: {pictures[study.id][1]}", file=sys.stderr)
    summary = _summary(model.version, studies, plain, ruled, network.task)
    print(f"model {model.version}, mean of {len(studies)} studies\n\n{as_markdown(summary, network.task)}")
    if arguments.out:
        _write(arguments.out, summary, plain, ruled, pictures, network.task)
    if arguments.record:
        _record(arguments.model, model, summary)


def _record(path: Path, model: checkpoint.Checkpoint, summary: Mapping[str, Any]) -> None:
    """Into the weights' card, from where inference tells users what to expect of their modalities."""
    regions = model.network.task.regions
    rows = tuple(
        {
            "modalities": row["modalities"],
            **{g: round(row[g]["dice"], 4) for g in regions if row[g]["dice"] is not None},
        }
        for row in summary["subsets"]
    )
    checkpoint.put_card(path, replace(model.card, dice=rows, validation=tuple(summary["studies"])))
    print(f"recorded in {path}")


def _studies(data: Path, list_file: Path | None, task: Task) -> list[Study]:
    """The labelled studies, or exactly those that the list names.

    Raises:
        InputError: none, two of one id, or one that is listed and has no label.
    """
    studies = find_studies(data, task.modalities)
    if list_file:
        studies = select(studies, list_file)
        bare = [s.id for s in studies if s.label is None]
        if bare:
            raise InputError(f"list {list_file.name} names {', '.join(bare[:5])}, expected only studies with a label")
    labelled = [s for s in studies if s.label is not None]
    if not labelled:
        raise InputError(f"{data} holds no study with a label, expected at least one")
    ids = [s.id for s in labelled]
    twice = sorted({i for i in ids if ids.count(i) > 1})
    if twice:
        raise InputError(f"{data} holds more than one study called {', '.join(twice[:5])}, expected different names")
    return labelled


def _model(path: Path, task: Task) -> checkpoint.Checkpoint:
    if not path.is_file():
        raise NotFoundError(f"weights {path} do not exist, expected a checkpoint file (--model)")
    return checkpoint.load(path, task=task)


def _folder(path: Path) -> None:
    """Make the folder before anything is computed."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path} cannot be made ({error.strerror}), expected a folder to write to (--out)") from None


def _picture(study: LabelledStudy, measured: Measured, task: Task) -> Image.Image:
    images = [v.data for v in study.volumes.values() if v.grid.matches(study.grid)]
    return contour_strip(images, measured.label, study.reference, task.regions, study.grid)


def _caption(measured: Measured) -> str:
    return ", ".join(f"{r.region} Dice {r.dice:.3f} HD95 {r.hd95:.1f} mm" for r in measured.rows)


def _summary(
    version: str, studies: Sequence[Study], plain: Sequence[Row], ruled: Sequence[Row], task: Task
) -> dict[str, Any]:
    summary = {"model": version, "studies": [s.id for s in studies], **summarise(plain, task)}
    if ET_RULE_REGION in task.regions:
        summary["et_rule"] = summarise(ruled, task)
    return {**summary, "definitions": DEFINITIONS}


def _write(
    folder: Path,
    summary: Mapping[str, Any],
    plain: Sequence[Row],
    ruled: Sequence[Row],
    pictures: Mapping[str, tuple[Image.Image, str]],
    task: Task,
) -> None:
    write_json(folder / "summary.json", summary)
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
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of labelled studies")
    parser.add_argument("--out", type=Path, help="folder for summary.json, cases.csv and report.html")
    parser.add_argument("--model", type=Path, default=SHIPPED, help="weights (default: the app's)")
    parser.add_argument("--studies", type=Path, help="text file of study ids, one a line (default: all with a label)")
    parser.add_argument("--task", type=Path, help="task file in TOML (default: BraTS)")
    parser.add_argument(
        "--window",
        type=int,
        default=WindowConfig.edge,
        help="edge of the sliding window in voxels; 0: the whole study at once",
    )
    parser.add_argument(
        "--overlap", type=float, default=WindowConfig.overlap, help="overlap of the windows, as a share of their edge"
    )
    parser.add_argument(
        "--specks",
        type=float,
        default=MIN_COMPONENT_FRACTION,
        help="remove parts of the mask that are smaller than this share of its largest part",
    )
    parser.add_argument("--record", action="store_true", help="store the table in the weights, as the Dice to expect")
    parser.add_argument("--device", help="cpu, cuda or cuda:N (default: a GPU where there is one)")
    return parser.parse_args()
