"""What a mask's certainty (by its own probabilities) and its agreement with the masks made without one modality are
worth as a warning: on labelled studies, Dice against both; the limits under which to warn, for a share of the poor
masks to be found, with their false alarms; the warnings as they are given; how many of the voxels that disagree are
wrong."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from ccsd.common.files import replacing
from ccsd.inference.agreement import agreement_map, leave_one_out, region_agreement
from ccsd.inference.confidence import MIN_CERTAINTY, is_low, region_masks, soft_dice
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
    """One region of one study with one subset of its modalities.

    Attributes:
        agreement: NaN for one modality; certainty: 0 for an empty mask.
        mask_ml, label_ml, probable_ml: of the mask, of the label, and the sum of the probabilities.
    """

    study: str
    subset: int
    region: str
    dice: float
    agreement: float
    certainty: float
    mask_ml: float = 1.0
    label_ml: float = 1.0
    probable_ml: float = 1.0

    @property
    def warned(self) -> bool:
        """As it is served."""
        return self.mask_ml > 0 and is_low(self.certainty)


Score = Callable[[Point], float]
SCORES: dict[str, Score] = {"agreement": lambda p: p.agreement, "certainty": lambda p: p.certainty}
SIZES = {"2 and more": (2, 3, 4), "1": (1,), "any": (1, 2, 3, 4)}


def main() -> None:
    arguments = _parse()
    if arguments.masks:
        print(report(list(read_points(arguments.masks)), BRATS, found=arguments.found))
        return
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
    if arguments.save:
        save_points(arguments.save, points)
    print(report(points, BRATS, found=arguments.found))
    print(_voxels(counts))


def save_points(path: Path, points: Iterable[Point]) -> None:
    """A CSV table, a row a mask of a region."""
    with replacing(path) as file, file.open("w", newline="") as text:
        writer = csv.DictWriter(text, [field.name for field in fields(Point)])
        writer.writeheader()
        writer.writerows(asdict(point) for point in points)


def read_points(path: Path) -> Iterator[Point]:
    """What `save_points` wrote."""
    with path.open(newline="") as text:
        for row in csv.DictReader(text):
            figures = {name: float(value) for name, value in row.items() if name not in ("study", "subset", "region")}
            yield Point(row["study"], int(row["subset"]), row["region"], **figures)


def points_of(case: Case, found: dict[int, Tensor], masks: dict[int, Tensor], task: Task) -> Iterator[Point]:
    """Every region that the label knows, with every subset."""
    truth, ml = _truth(case, task), task.spacing**3 / 1000
    for subset in masks:
        own = {s: masks[s] for s in _with_others(subset)}
        scores = region_agreement(own, task.regions, task.modalities) if len(own) > 1 else {}
        for r, region in enumerate(task.regions):
            if case.annotated[r]:
                mask, probabilities = masks[subset][r], found[subset][r]
                yield Point(
                    case.id,
                    subset,
                    region,
                    dice=soft_dice(truth[r].float(), mask),
                    agreement=scores[region].score if scores else float("nan"),
                    certainty=soft_dice(probabilities, mask),
                    mask_ml=int(mask.sum()) * ml,
                    label_ml=int(truth[r].sum()) * ml,
                    probable_ml=float(probabilities.sum()) * ml,
                )


def report(points: Sequence[Point], task: Task, *, found: float) -> str:
    """Tables in Markdown: rank correlations; the limits that find this share of the poor masks; the same by the number
    of modalities; empty masks; warnings as they are served. An empty mask counts in the last two alone."""
    drawn = [p for p in points if p.mask_ml]
    parts = [
        _correlations(drawn, task),
        _limits(drawn, task, found),
        _sizes(drawn),
        _empty(points),
        _served(points, task),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts)


def _with_others(subset: int) -> list[int]:
    return [subset, *leave_one_out(subset)]


def _truth(case: Case, task: Task) -> Tensor:
    """Boolean (R, d, h, w)."""
    return task.to_regions(case.label[None])[0].bool()


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


def _groups(points: Sequence[Point], task: Task) -> Iterator[tuple[str, str, list[Point]]]:
    """(region or all, number of modalities in words, its points); none that has no points."""
    for words, sizes in SIZES.items():
        own = [p for p in points if subsets.size(p.subset) in sizes]
        for region in (*task.regions, "all"):
            if group := [p for p in own if region in (p.region, "all")]:
                yield region, words, group


def _correlations(points: Sequence[Point], task: Task) -> list[str]:
    lines = ["| region | modalities | masks | Spearman, agreement | Spearman, certainty |", "|---|---|---|---|---|"]
    for region, words, own in _groups(points, task):
        both = " | ".join(_figure(_rank_correlation(own, score)) for score in SCORES.values())
        lines.append(f"| {region} | {words} | {len(own)} | {both} |")
    return lines


def _figure(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.2f}"


def _rank_correlation(points: Sequence[Point], score: Score) -> float:
    return float(spearmanr([p.dice for p in points], [score(p) for p in points]).statistic)


def limit_for(points: Sequence[Point], score: Score, found: float) -> float:
    """The least limit with a share `found` of the poor masks below it; NaN where none is poor, or one has no score."""
    poor = sorted(score(p) for p in points if p.dice < POOR)
    if not poor or np.isnan(poor).any():
        return float("nan")
    return float(np.nextafter(poor[max(1, int(np.ceil(found * len(poor) - 1e-9))) - 1], 2))


def alarms(points: Sequence[Point], score: Score, limit: float) -> tuple[float, float]:
    """(share of the poor masks below a limit, share of the others: false alarms); NaN where there are none."""
    below = np.array([score(p) < limit for p in points], dtype=bool)
    poor = np.array([p.dice < POOR for p in points], dtype=bool)
    return tuple(float(below[kind].mean()) if kind.any() else float("nan") for kind in (poor, ~poor))  # type: ignore[return-value]


def _limits(points: Sequence[Point], task: Task, found: float) -> list[str]:
    lines = [
        f"| region | modalities | poor (Dice < {POOR}) | by | limit that finds {found:.0%} of them | false alarms |",
        "|---|---|---|---|---|---|",
    ]
    for region, words, own in _groups(points, task):
        poor = sum(p.dice < POOR for p in own)
        for name, score in SCORES.items():
            limit = limit_for(own, score, found)
            if not np.isnan(limit):
                false = _figure(alarms(own, score, limit)[1])
                lines.append(f"| {region} | {words} | {poor} of {len(own)} | {name} | {limit:.2f} | {false} |")
    return lines


def _sizes(points: Sequence[Point]) -> list[str]:
    """By the number of modalities: fewer modalities agree less, whatever the Dice."""
    lines = ["| modalities | masks | mean Dice | mean agreement | mean certainty |", "|---|---|---|---|---|"]
    for size in sorted({subsets.size(p.subset) for p in points}):
        own = [p for p in points if subsets.size(p.subset) == size]
        means = [np.mean([p.dice for p in own]), *(np.mean([score(p) for p in own]) for score in SCORES.values())]
        lines.append(f"| {size} | {len(own)} | {' | '.join(_figure(float(mean)) for mean in means)} |")
    return lines


def _empty(points: Sequence[Point]) -> list[str]:
    """Of which no certainty is told: what their probabilities sum to."""
    lines = ["| empty masks | count | mL by probability: least, median, most |", "|---|---|---|"]
    empty = [p for p in points if not p.mask_ml]
    for name, own in (
        ("right: none in the label", [p for p in empty if not p.label_ml]),
        ("wrong", [p for p in empty if p.label_ml]),
    ):
        ml = [p.probable_ml for p in own] or [float("nan")]
        least, median, most = (_figure(float(f(ml))) for f in (np.min, np.median, np.max))
        lines.append(f"| {name} | {len(own)} | {least}, {median}, {most} |")
    return lines


def _served(points: Sequence[Point], task: Task) -> list[str]:
    """Warnings as they are; beside them, what agreement would say wrongly to find as many of the poor masks."""
    lines = [
        f"| region | modalities | poor | with a warning (certainty < {MIN_CERTAINTY}) | false alarms | false alarms of "
        "agreement to find as many |",
        "|---|---|---|---|---|---|",
    ]
    for region, words, own in _groups(points, task):
        right, false = alarms(own, lambda p: float(not p.warned), 0.5)
        limit = limit_for(own, SCORES["agreement"], right) if right > 0 else float("nan")
        by_agreement = float("nan") if np.isnan(limit) else alarms(own, SCORES["agreement"], limit)[1]
        poor = f"{sum(p.dice < POOR for p in own)} of {len(own)}"
        shares = " | ".join(_figure(share) for share in (right, false, by_agreement))
        lines.append(f"| {region} | {words} | {poor} | {shares} |")
    return lines


def _voxels(counts: np.ndarray) -> str:
    """From `_wrong_voxels`, of all studies with all their modalities."""
    lines = ["", "| unsure by | of these wrong | share of all wrong voxels | wrong elsewhere |", "|---|---|---|---|"]
    for name, ((right, wrong), (right_low, wrong_low)) in zip(("agreement", "probability"), counts, strict=True):
        where, elsewhere = wrong_low / max(1, right_low + wrong_low), wrong / (right + wrong)
        found = wrong_low / max(1, wrong + wrong_low)
        lines.append(f"| {name} | {where:.3f} | {found:.2f} | {elsewhere:.4f} |")
    return "\n".join(lines)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    of = parser.add_mutually_exclusive_group(required=True)
    of.add_argument("--data", type=Path, help="labelled studies that the weights have not seen")
    of.add_argument("--masks", type=Path, help="instead: the table that --save wrote")
    parser.add_argument("--save", type=Path, help="CSV to write, a row a mask")
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--cache", type=Path, help="folder for prepared studies")
    parser.add_argument("--window", type=int, default=0, help="edge in voxels; 0: the whole brain in one")
    parser.add_argument("--found", type=float, default=0.8, help="share of the poor masks that warnings are to find")
    parser.add_argument("--threads", type=int)
    return parser.parse_args()
