"""How much tumour a network sees where there is none: the healthy half of studies mirrored over the other half, and
studies of brains without a tumour. Volumes are in mL, at the network's voxel size."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import Tensor

from ccsd.imaging.volumes import read_sources
from ccsd.inference.label_map import label_map
from ccsd.inference.pipeline import common_input
from ccsd.inference.predict import predict
from ccsd.inference.windows import WindowConfig
from ccsd.method import subsets
from ccsd.method.network import CCSDNetwork
from ccsd.method.task import BRATS
from ccsd.models import checkpoint
from ccsd.models.served import SHIPPED
from ccsd.studies.study import find_studies
from ccsd.training.cache import load_cases
from ccsd.training.healthy import mirrored

FLAIR = 1 << BRATS.modalities.index("flair")
COLUMNS = {
    "all it has": lambda s, own: s == own,
    "any with FLAIR": lambda s, own: bool(s & FLAIR),
    "FLAIR alone": lambda s, own: s == FLAIR,
    "any one": lambda s, own: subsets.size(s) == 1,
}


def main() -> None:
    arguments = _parse()
    network = checkpoint.load(arguments.model, task=BRATS).network.eval()
    header = [f"{region}, {name}" for region in ("WT", "TC") for name in COLUMNS]
    print(f"mL, the largest of the subsets that a column names\n\n| brain | {' | '.join(header)} |")
    print("|---|" + "---|" * len(header))
    rows = []
    for name, volumes, present in _brains(arguments):
        found = _volumes(network, volumes, present)
        rows.append(_row(found, subsets.from_present(present)))
        print(f"| {name} | {_cells(rows[-1])} |", flush=True)
    columns = [[value for value in column if value is not None] for column in zip(*rows, strict=True)]
    print(f"| **mean** | {_cells([sum(c) / len(c) if c else None for c in columns])} |")
    print(f"| **largest** | {_cells([max(c, default=None) for c in columns])} |")


def _brains(arguments: argparse.Namespace) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Name, volumes (N, d, h, w) and what is present (N,) of each brain without a tumour."""
    for folder in arguments.mirror:
        for case in load_cases(find_studies(folder, BRATS.modalities), BRATS, cache=arguments.cache):
            if (healthy := mirrored(case)) is not None:
                yield healthy.id, healthy.volumes.float(), healthy.present
    for folder in arguments.brains:
        for study in find_studies(folder, BRATS.modalities):
            images = read_sources(study.sources)
            prepared, _ = common_input(study, images, next(iter(images)), BRATS)
            yield study.id, prepared.volumes, prepared.present


def _volumes(network: CCSDNetwork, volumes: Tensor, present: Tensor) -> dict[int, Tensor]:
    """mL of each region (R,) by subset."""
    chosen = subsets.lattice(subsets.from_present(present))
    found = predict(network, volumes, present, chosen, WindowConfig())
    masks = {s: BRATS.to_regions(label_map(p, BRATS)[0][None].long())[0] for s, p in found.items()}
    return {s: mask.sum(dim=(1, 2, 3)) * BRATS.spacing**3 / 1000 for s, mask in masks.items()}


def _row(found: Mapping[int, Tensor], own: int) -> list[float | None]:
    """The largest volume of WT, then of TC, in each of `COLUMNS`."""
    columns = [[ml for s, ml in found.items() if wanted(s, own)] for wanted in COLUMNS.values()]
    return [max((float(ml[r]) for ml in column), default=None) for r in (0, 1) for column in columns]


def _cells(row: list[float | None]) -> str:
    return " | ".join("" if value is None else f"{value:.1f}" for value in row)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mirror", type=Path, nargs="*", default=[], help="folders of labelled studies to mirror")
    parser.add_argument("--brains", type=Path, nargs="*", default=[], help="folders of studies without a tumour")
    parser.add_argument("--model", type=Path, default=SHIPPED, help="weights (default: the app's)")
    parser.add_argument("--cache", type=Path, help="folder for prepared studies")
    return parser.parse_args()
