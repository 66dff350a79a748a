"""A study as scanned against its twin that others prepared: does the raw route find the same tumour in the same place?

The twin is laid on each series as scanned by rigid registration; its label is carried along and compared there with the
mask of the raw route.
"""

from __future__ import annotations

import argparse
import warnings
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from monai.metrics.surface_distance import compute_average_surface_distance
from numpy.typing import NDArray
from scipy import ndimage

from ccsd.common.errors import InputError
from ccsd.evaluation.metrics import dice, hd95
from ccsd.imaging.volumes import Grid, Volume, read_sources
from ccsd.inference.label_map import label_map
from ccsd.inference.pipeline import Options, region_probabilities
from ccsd.method.task import BRATS
from ccsd.models import checkpoint
from ccsd.models.served import SHIPPED
from ccsd.pictures.overlay import overlay
from ccsd.preprocessing.brain import extract_brain
from ccsd.preprocessing.common_space import CommonSpace, to_common_space, with_target
from ccsd.preprocessing.prepare import prepare
from ccsd.preprocessing.register import Matrix, register_rigid, resample
from ccsd.studies.labels import read_label
from ccsd.studies.study import Study, find_studies


def main() -> None:
    arguments = _parse()
    warnings.filterwarnings("ignore", message=".*always_return_as_numpy")
    raw, twin = _one(arguments.raw), _one(arguments.twin)
    if twin.label is None:
        raise InputError(f"study {twin.id} has no label, expected one beside its images (--twin)")
    model = checkpoint.load(arguments.model, task=BRATS)
    scanned, prepared = read_sources(raw.sources), read_sources(twin.sources)
    common = to_common_space(scanned, target=next(iter(scanned)))
    print(f"raw route: {common.grid.describe()}, seconds {common.seconds}, warnings {common.warnings}\n")
    brains = {m: Volume(extract_brain(v).astype(np.float32), v.grid) for m, v in scanned.items()}
    stripped = {
        m: Volume(v.data * brains[m].data, v.grid) for m, v in scanned.items()
    }  # with skull, t1ce ends 7 mm off
    onto = {m: register_rigid(prepared[m], stripped[m]).matrix for m in scanned}  # twin mm -> series mm
    _alignment(common, onto, prepared)
    _brains({**brains, "raw route": Volume(common.brain.astype(np.float32), common.grid)}, onto, common, prepared)
    label, grid = read_label(twin.label, known=3, aliases=BRATS.aliases)
    ours, theirs = (_probabilities(model, v) for v in (common.volumes, {m: prepared[m] for m in scanned}))
    _masks(arguments.out, common, scanned, ours, theirs, label, grid, onto)


def _masks(
    out: Path | None,
    common: CommonSpace,
    scanned: dict[str, Volume],
    ours: torch.Tensor,
    theirs: torch.Tensor,
    label: NDArray[np.uint8],
    twin: Grid,
    onto: dict[str, Matrix],
) -> None:
    print("| asked | mask | " + " | ".join(f"{g} Dice, HD95 mm" for g in BRATS.regions) + " |\n|---|---|---|---|---|")
    for name, volume in scanned.items():
        on_twin = {"twin": Volume(label.astype(np.float32), twin)}
        as_twin = CommonSpace(on_twin, label > 0, {name: onto[name]}, common.grids, name, {}, [])
        reference = as_twin.label_to_native(label)
        masks = {
            "raw route": with_target(common, name).to_native(ours),
            "network on the twin, carried": as_twin.to_native(theirs),
        }
        for route, probabilities in masks.items():
            mask = label_map(probabilities, BRATS)[0].numpy()
            print(f"| {name} | {route} | {_scores(mask, reference, volume.grid)} |")
            if out and route == "raw route":
                out.mkdir(parents=True, exist_ok=True)
                overlay([volume.data], mask, volume.grid).save(out / f"{name}_mask.png")
                overlay([volume.data], reference, volume.grid).save(out / f"{name}_reference.png")


def _scores(mask: NDArray[np.uint8], reference: NDArray[np.uint8], grid: Grid) -> str:
    found, truth = (BRATS.to_regions(torch.from_numpy(a)[None].long())[0].bool() for a in (mask, reference))
    distances = hd95(found, truth, tuple(grid.spacing.tolist()))
    return " | ".join(f"{d:.3f}, {h:.1f}" for d, h in zip(dice(found, truth), distances, strict=True))


def _alignment(common: CommonSpace, onto: dict[str, Matrix], prepared: dict[str, Volume]) -> None:
    """Between series: how far the raw route puts a point of the brain from where the twin puts it."""
    twin = next(iter(prepared.values())).grid
    brain = ndimage.binary_fill_holes(np.any([v.data != 0 for v in prepared.values()], axis=0))
    points = np.argwhere(brain)[::5000] @ twin.affine[:3, :3].T + twin.affine[:3, 3]
    world = np.c_[points, np.ones(len(points))]
    print("| series | mean mm | largest mm |\n|---|---|---|")
    for a, b in combinations(onto, 2):
        ours = common.transforms[b] @ np.linalg.inv(common.transforms[a])
        apart = np.linalg.norm(world @ (ours @ onto[a] - onto[b]).T, axis=1)
        print(f"| {a} to {b} | {apart.mean():.2f} | {apart.max():.2f} |")


def _brains(
    brains: dict[str, Volume], onto: dict[str, Matrix], common: CommonSpace, prepared: dict[str, Volume]
) -> None:
    """The brain found on each series alone, and that of the raw route, against the twin's on its grid."""
    twin = next(iter(prepared.values())).grid
    brain = ndimage.binary_fill_holes(np.any([v.data != 0 for v in prepared.values()], axis=0))
    route = {"raw route": np.linalg.inv(common.transforms[common.target]) @ onto[common.target]}
    print("\n| brain | Dice | mean distance of the surfaces mm | mL |\n|---|---|---|---|")
    for name, matrix in {**onto, **route}.items():
        found = resample(brains[name], twin, matrix) > 0.5
        pair = [torch.from_numpy(a)[None, None] for a in (found, brain)]
        distance = float(compute_average_surface_distance(*pair, symmetric=True, include_background=True))
        score = 2 * (found & brain).sum() / (found.sum() + brain.sum())
        print(f"| {name} | {score:.3f} | {distance:.2f} | {found.sum() / 1000:.0f} |")
    print(f"| twin | 1 | 0 | {brain.sum() / 1000:.0f} |\n")


def _probabilities(model: checkpoint.Checkpoint, volumes: dict[str, Volume]) -> torch.Tensor:
    """Region probabilities (R, d, h, w) on the volumes' grid."""
    prepared = prepare(volumes, BRATS.modalities, spacing=BRATS.spacing)
    (found,) = region_probabilities(model, prepared, Options(device=torch.device("cpu"))).values()
    return prepared.frame.to_native(found)


def _one(folder: Path) -> Study:
    studies = find_studies(folder)
    if len(studies) != 1:
        raise InputError(f"{folder} holds {len(studies)} studies, expected one")
    return studies[0]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, required=True, help="folder of one study as scanned")
    parser.add_argument("--twin", type=Path, required=True, help="folder of the same study prepared, with a label")
    parser.add_argument("--model", type=Path, default=SHIPPED, help="weights (default: the app's)")
    parser.add_argument("--out", type=Path, help="folder for pictures of masks and carried labels")
    return parser.parse_args()
