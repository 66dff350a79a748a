"""What agreement is worth as a warning: on labelled studies, Dice against the agreement of leave-one-out masks and
against the network's own probabilities; and how many of the voxels that disagree are wrong."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from ccsd.inference.agreement import THRESHOLD, agreement_map, leave_one_out, region_agreement
from ccsd.inference.predict import WindowConfig, predict
from ccsd.method import subsets
from ccsd.method.task import BRATS, Task
from ccsd.models import checkpoint
from ccsd.models.served import SHIPPED
from ccsd.studies.study import find_studies
from ccsd.training.cache import load_cases
from ccsd.training.cases import Case


@dataclass(frozen=True)
class Point:
    """One region of one study with one subset of its modalities."""

    study: str
    subset: int
    region: str
    dice: float
    agreement: float
    probability: float


def main() -> None:
    arguments = _parse()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    network = checkpoint.load(arguments.model, task=BRATS).network
    cases = load_cases(find_studies(arguments.data, BRATS.modalities), BRATS, cache=arguments.cache)
    points: list[Point] = []
    counts = np.zeros((2, 2), dtype=np.int64)
    for case in cases:
        chosen = subsets.lattice(case.available)
        found = predict(
            network, case.volumes.float(), case.present, chosen, WindowConfig(edge=arguments.window or None)
        )
        points += _points(case, found, BRATS)
        counts += _wrong_by_agreement(case, {s: found[s] for s in _with_others(case.available)}, BRATS)
    print(_table(points, BRATS))
    print(_voxels(counts))


def _with_others(subset: int) -> list[int]:
    return [subset, *leave_one_out(subset)]


def _truth(case: Case, task: Task) -> Tensor:
    """Boolean (R, d, h, w)."""
    return torch.stack([torch.isin(case.label, torch.tensor(list(values))) for values in task.regions.values()])


def _points(case: Case, found: dict[int, Tensor], task: Task) -> Iterator[Point]:
    truth = _truth(case, task)
    for subset in [s for s in found if subsets.size(s) > 1]:
        own = {s: found[s] for s in _with_others(subset)}
        scores = region_agreement(own, tuple(task.regions), task.modalities)
        for r, region in enumerate(task.regions):
            if case.drawn[r]:
                p = found[subset][r]
                dice = _soft_dice(truth[r].float(), p > THRESHOLD)
                yield Point(case.id, subset, region, dice, scores[region].score, _soft_dice(p, p > THRESHOLD))


def _soft_dice(values: Tensor, mask: Tensor) -> float:
    """2 |values in mask| / (|values| + |mask|); for probabilities the Dice that the network itself expects."""
    total = float(values.sum()) + int(mask.sum())
    return 2 * float(values[mask].sum()) / total if total else 1.0


def _wrong_by_agreement(case: Case, found: dict[int, Tensor], task: Task) -> np.ndarray:
    """Voxels of the brain, [all agree, not all][right, wrong], over the regions that the label knows."""
    agreed = agreement_map(found)[case.drawn] == 1
    wrong = ((found[max(found)] > THRESHOLD) != _truth(case, task))[case.drawn]
    brain = (case.volumes != 0).any(dim=0)
    return np.array([[int((a & w)[:, brain].sum()) for w in (~wrong, wrong)] for a in (agreed, ~agreed)])


def _table(points: list[Point], task: Task) -> str:
    lines = ["| region | masks | Spearman, agreement | Spearman, probability |", "|---|---|---|---|"]
    for region in task.regions:
        own = [p for p in points if p.region == region]
        values = [[p.dice for p in own], [p.agreement for p in own], [p.probability for p in own]]
        both = [spearmanr(values[0], v).statistic for v in values[1:]]
        lines.append(f"| {region} | {len(own)} | {both[0]:.2f} | {both[1]:.2f} |")
    return "\n".join([*lines, "", *_alarms(points, task)])


def _alarms(points: list[Point], task: Task) -> list[str]:
    """For some limits of agreement: how many masks are below, how many of these are poor, how many poor are found."""
    lines = ["| region | limit | below | of these Dice < 0.5 | poor masks below |", "|---|---|---|---|---|"]
    for region in task.regions:
        own = [p for p in points if p.region == region]
        poor = [p for p in own if p.dice < 0.5]
        for limit in (0.3, 0.5, 0.7, 0.8):
            below = [p for p in own if p.agreement < limit]
            right = sum(p.dice < 0.5 for p in below)
            lines.append(f"| {region} | {limit} | {len(below)} of {len(own)} | {right} | {right} of {len(poor)} |")
    return lines


def _voxels(counts: np.ndarray) -> str:
    (right, wrong), (right_low, wrong_low) = counts
    where, elsewhere = wrong_low / (right_low + wrong_low), wrong / (right + wrong)
    found = wrong_low / (wrong + wrong_low)
    return f"\nwrong voxels: {where:.3f} of those where masks differ ({found:.2f} of all), {elsewhere:.4f} elsewhere"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="labelled studies that the weights have not seen")
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--cache", type=Path, help="folder for prepared studies")
    parser.add_argument("--window", type=int, default=0, help="edge in voxels; 0: the whole brain in one")
    parser.add_argument("--threads", type=int)
    return parser.parse_args()
