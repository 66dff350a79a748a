"""What agreement is worth as a warning: on labelled studies, Dice against the agreement of leave-one-out masks and
against the network's own probabilities; how many of the voxels that disagree are wrong; and the limit under which to
warn, for a share of the poor masks to be found, with its false alarms."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from ccsd.inference.agreement import agreement_map, leave_one_out, region_agreement
from ccsd.inference.confidence import MIN_AGREEMENT, region_masks
from ccsd.inference.label_map import MIN_COMPONENT_FRACTION
from ccsd.inference.predict import predict
from ccsd.inference.windows import WindowConfig
from ccsd.method import subsets
from ccsd.method.task import BRATS, Task
from ccsd.models import checkpoint
from ccsd.models.served import SHIPPED
from ccsd.studies.study import find_studies
from ccsd.training.cache import load_cases
from ccsd.training.cases import Case

POOR = 0.5  # Dice under it is a mask that a user should have been warned of


@dataclass(frozen=True)
class Point:
    """One region of one study with one subset of its modalities."""

    study: str
    subset: int
    region: str
    dice: float
    agreement: float
    probability: float


Score = Callable[[Point], float]
SCORES: dict[str, Score] = {"agreement": lambda p: p.agreement, "probability": lambda p: p.probability}


def main() -> None:
    arguments = _parse()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    network = checkpoint.load(arguments.model, task=BRATS).network
    cases = load_cases(find_studies(arguments.data, BRATS.modalities), BRATS, cache=arguments.cache)
    points: list[Point] = []
    counts = np.zeros((2, 2, 2), dtype=np.int64)
    for case in cases:
        chosen = subsets.lattice(case.available)
        window = WindowConfig(edge=arguments.window or None)
        found = predict(network, case.volumes.float(), case.present, chosen, window)
        masks = {s: region_masks(p, BRATS, fraction=MIN_COMPONENT_FRACTION) for s, p in found.items()}
        points += points_of(case, found, masks, BRATS)
        whole = {s: masks[s] for s in _with_others(case.available)}
        counts += _wrong_voxels(case, found[case.available], whole, BRATS)
    print(report(points, BRATS, found=arguments.found))
    print(_voxels(counts))


def points_of(case: Case, found: dict[int, Tensor], masks: dict[int, Tensor], task: Task) -> Iterator[Point]:
    """Every region that the label knows, with every subset of two modalities or more."""
    truth = _truth(case, task)
    for subset in [s for s in masks if subsets.size(s) > 1]:
        own = {s: masks[s] for s in _with_others(subset)}
        scores = region_agreement(own, task.regions, task.modalities)
        for r, region in enumerate(task.regions):
            if case.annotated[r]:
                mask = masks[subset][r]
                dice = _soft_dice(truth[r].float(), mask)
                probability = _soft_dice(found[subset][r], mask)
                yield Point(case.id, subset, region, dice, scores[region].score, probability)


def report(points: Sequence[Point], task: Task, *, found: float) -> str:
    """Tables in Markdown: rank correlations; the limits that find this share of the poor masks; alarms as they are."""
    parts = [_correlations(points, task), _limits(points, task, found), _sizes(points), _served(points, task)]
    return "\n\n".join("\n".join(lines) for lines in parts)


def _with_others(subset: int) -> list[int]:
    return [subset, *leave_one_out(subset)]


def _truth(case: Case, task: Task) -> Tensor:
    """Boolean (R, d, h, w)."""
    return task.to_regions(case.label[None])[0].bool()


def _soft_dice(values: Tensor, mask: Tensor) -> float:
    """2 |values in mask| / (|values| + |mask|); for probabilities the Dice that the network itself expects."""
    total = float(values.sum()) + int(mask.sum())
    return 2 * float(values[mask].sum()) / total if total else 1.0


def _wrong_voxels(case: Case, probabilities: Tensor, masks: dict[int, Tensor], task: Task) -> np.ndarray:
    """Voxels of the brain, [by agreement, by probability][sure, unsure][right, wrong], over the regions that the label
    knows. Unsure is where not all masks agree; by probability as many voxels, those nearest to 0.5."""
    brain = (case.volumes != 0).any(dim=0)
    wrong = (masks[max(masks)] != _truth(case, task))[case.annotated][:, brain].flatten()
    unsure = agreement_map(masks)[case.annotated][:, brain].flatten() < 1
    nearest = (probabilities[case.annotated][:, brain].flatten() - 0.5).abs().argsort()[: int(unsure.sum())]
    by_probability = torch.zeros_like(unsure).index_fill(0, nearest, value=True)
    kinds = [[unsure, wrong], [by_probability, wrong]]
    return np.array([torch.bincount(2 * low + w, minlength=4).reshape(2, 2).numpy() for low, w in kinds])


def _by_region(points: Sequence[Point], task: Task) -> dict[str, list[Point]]:
    return {**{region: [p for p in points if p.region == region] for region in task.regions}, "all": list(points)}


def _correlations(points: Sequence[Point], task: Task) -> list[str]:
    lines = ["| region | masks | Spearman, agreement | Spearman, probability |", "|---|---|---|---|"]
    for region, own in _by_region(points, task).items():
        both = [_rank_correlation(own, score) for score in SCORES.values()]
        lines.append(f"| {region} | {len(own)} | {both[0]:.2f} | {both[1]:.2f} |")
    return lines


def _rank_correlation(points: Sequence[Point], score: Score) -> float:
    return float(spearmanr([p.dice for p in points], [score(p) for p in points]).statistic)


def limit_for(points: Sequence[Point], score: Score, found: float) -> float:
    """The least limit with a share `found` of the poor masks below it; NaN where there is none that is poor."""
    poor = sorted(score(p) for p in points if p.dice < POOR)
    if not poor:
        return float("nan")
    return float(np.nextafter(poor[max(1, int(np.ceil(found * len(poor)))) - 1], 2))


def alarms(points: Sequence[Point], score: Score, limit: float) -> tuple[float, float]:
    """(share of the poor masks below a limit, share of the others: false alarms); NaN where there are none."""
    below = np.array([score(p) < limit for p in points], dtype=bool)
    poor = np.array([p.dice < POOR for p in points], dtype=bool)
    return tuple(float(below[kind].mean()) if kind.any() else float("nan") for kind in (poor, ~poor))  # type: ignore[return-value]


def _limits(points: Sequence[Point], task: Task, found: float) -> list[str]:
    lines = [
        f"| region | poor (Dice < {POOR}) | by | limit that finds {found:.0%} of them | false alarms |",
        "|---|---|---|---|---|",
    ]
    for region, own in _by_region(points, task).items():
        poor = sum(p.dice < POOR for p in own)
        for name, score in SCORES.items():
            limit = limit_for(own, score, found)
            false = alarms(own, score, limit)[1]
            lines.append(f"| {region} | {poor} of {len(own)} | {name} | {limit:.2f} | {false:.2f} |")
    return lines


def _sizes(points: Sequence[Point]) -> list[str]:
    """By the number of modalities: fewer modalities agree less, whatever the Dice."""
    lines = ["| modalities | masks | mean agreement | mean Dice | Spearman, agreement |", "|---|---|---|---|---|"]
    for size in sorted({subsets.size(p.subset) for p in points}):
        own = [p for p in points if subsets.size(p.subset) == size]
        agreement, dice = (float(np.mean(v)) for v in ([p.agreement for p in own], [p.dice for p in own]))
        correlation = _rank_correlation(own, SCORES["agreement"])
        lines.append(f"| {size} | {len(own)} | {agreement:.2f} | {dice:.2f} | {correlation:.2f} |")
    return lines


def _served(points: Sequence[Point], task: Task) -> list[str]:
    lines = [f"| region | poor masks with a warning (agreement < {MIN_AGREEMENT}) | false alarms |", "|---|---|---|"]
    for region, own in _by_region(points, task).items():
        right, false = alarms(own, SCORES["agreement"], MIN_AGREEMENT)
        lines.append(f"| {region} | {right:.2f} | {false:.2f} |")
    return lines


def _voxels(counts: np.ndarray) -> str:
    """From `_wrong_voxels`, of all studies with all their modalities."""
    lines = ["", "| unsure by | of these wrong | share of all wrong voxels | wrong elsewhere |", "|---|---|---|---|"]
    for name, ((right, wrong), (right_low, wrong_low)) in zip(SCORES, counts, strict=True):
        where, elsewhere = wrong_low / max(1, right_low + wrong_low), wrong / (right + wrong)
        found = wrong_low / max(1, wrong + wrong_low)
        lines.append(f"| {name} | {where:.3f} | {found:.2f} | {elsewhere:.4f} |")
    return "\n".join(lines)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="labelled studies that the weights have not seen")
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--cache", type=Path, help="folder for prepared studies")
    parser.add_argument("--window", type=int, default=0, help="edge in voxels; 0: the whole brain in one")
    parser.add_argument("--found", type=float, default=0.8, help="share of the poor masks that warnings are to find")
    parser.add_argument("--threads", type=int)
    return parser.parse_args()
