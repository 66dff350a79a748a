"""Synthetic labelled studies on real anatomy, by domain randomisation: T1, T1ce, T2, FLAIR and the label of each.

A study follows from its number alone: any part of a set can be made again, on any machine, in any order.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.experiments.synthesis.statistics import compare, statistics_of
from ccsd.experiments.synthesis.study import make_study
from ccsd.imaging.volumes import read_volume
from ccsd.method.task import BRATS, COLOURS
from ccsd.studies.labels import read_label
from ccsd.studies.study import find_studies


def main() -> None:
    arguments = _parse()
    numbers = range(arguments.first, arguments.first + arguments.count)
    started = time.monotonic()
    if arguments.out:
        write = partial(_write, arguments.out)
        with ProcessPoolExecutor(arguments.workers) as pool:
            for _ in tqdm(pool.map(write, numbers), total=len(numbers), unit="study", disable=None):
                pass
        seconds = time.monotonic() - started
        print(f"{len(numbers)} studies in {seconds:.0f} s, {seconds / len(numbers):.1f} s each, in {arguments.out}")
    if not arguments.sheet and not arguments.statistics:
        return
    with ProcessPoolExecutor(arguments.workers) as pool:
        studies = list(tqdm(pool.map(make_study, numbers), total=len(numbers), unit="study", disable=None))
    if arguments.sheet:
        draw_sheet(studies, arguments.sheet)
        print(f"{arguments.sheet}: a study a row; T1, T1ce, T2, FLAIR, FLAIR with the label")
    if arguments.statistics:
        real = [statistics_of(volumes, label) for volumes, label in _studies(arguments.statistics)]
        print(compare(real, [statistics_of(one.volumes, one.label) for one in studies]))


def _write(folder: Path, number: int) -> None:
    name = f"made-{number:05d}"
    if not (folder / name / f"{name}_seg.nii.gz").exists():  # written last
        write_phantom(make_study(number), folder / name, name)


def _studies(folder: Path) -> Iterator[tuple[dict[str, NDArray[np.float32]], NDArray[np.uint8]]]:
    for study in find_studies(folder, BRATS.modalities):
        if study.label is not None:
            label, _ = read_label(study.label, known=len(BRATS.labels), aliases=BRATS.aliases, names=BRATS.spoken)
            yield {m: read_volume(path).data for m, path in study.files.items()}, label


def draw_sheet(studies: Sequence[Phantom], path: Path) -> None:
    """The axial slice with most tumour of each study, in the radiological convention."""
    rows = []
    for study in studies:
        k = int((study.label > 0).sum(axis=(0, 1)).argmax())
        tiles = [_grey(volume, k) for volume in study.volumes.values()]
        marked = tiles[-1].copy()
        for value, colour in COLOURS.items():
            where = value == study.label[:, :, k].T
            marked[where] = (0.5 * marked[where] + 0.5 * np.array(colour)).astype(np.uint8)
        rows.append(np.concatenate([*tiles, marked], axis=1))
    Image.fromarray(np.concatenate(rows)).save(path)


def _grey(volume: NDArray[np.float32], k: int) -> NDArray[np.uint8]:
    """(H, D, 3): a slice with the window of the whole volume; stored axes run to the left and back, as it is shown."""
    low, high = np.percentile(volume[volume > 0], [1, 99.5])
    grey = np.clip((volume[:, :, k].T - low) / (high - low), 0, 1) * 255 * (volume[:, :, k].T > 0)
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=-1)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="number of the first study")
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--out", type=Path, help="folder to write studies to; those that are there are not made again")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--sheet", type=Path, help="PNG: a contact sheet")
    parser.add_argument(
        "--statistics", type=Path, help="folder of real labelled studies: intensities of both, compared"
    )
    return parser.parse_args()
