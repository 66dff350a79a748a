"""Warnings on the quality of images: which come on studies that are fine (false ones), and how many studies that were
made worse are told, by degradation and strength.

Studies without skull are degraded in memory and judged as `ccsd segment` would judge them; of studies with skull the
scans are judged for motion, and with --raw the whole study in common space too (a minute each).
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ccsd.experiments.synthesis import degrade
from ccsd.imaging.volumes import Volume, read_source
from ccsd.method.task import BRATS
from ccsd.preprocessing import quality
from ccsd.preprocessing.background import with_zero_background
from ccsd.preprocessing.common_space import CommonSpace, is_prepared, untouched
from ccsd.preprocessing.common_space_cache import cached_common_space
from ccsd.preprocessing.quality_measures import air_ghosts, alignment, bias_ratio, brain_ends, coarse, fluid_contrast
from ccsd.studies.labels import read_label
from ccsd.studies.study import Study, find_studies

Volumes = Mapping[str, Volume]


@dataclass
class Tally:
    """What was found: fine studies by kind, warnings on them, (degradation, strength) -> [told, studies], figures."""

    fine: int = 0
    false: list[str] = field(default_factory=list)
    hits: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    figures: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    seconds: list[float] = field(default_factory=list)

    def note(self, what: str, strength: str, sentences: list[str]) -> None:
        """A study that was made worse, and what the check for it says."""
        count = self.hits[what, strength]
        count[0] += bool(sentences)
        count[1] += 1


def main() -> None:
    arguments = _parse()
    studies = [s for folder in arguments.data for s in find_studies(folder, BRATS.modalities)]
    if arguments.half:
        studies = studies[arguments.half - 1 :: 2]
    tally, before = Tally(), None
    for study in tqdm(studies, disable=None):
        volumes = {m: with_zero_background(read_source(source)) for m, source in study.sources.items()}
        prepared = is_prepared(volumes)
        sentences = _warnings(volumes, prepared, arguments, tally)
        tally.fine += 1
        tally.false += sentences
        print(f"{study.id}: {' | '.join(sentences) or 'none'}", flush=True)
        if not arguments.degrade:
            continue
        if prepared:
            small = {m: coarse(v) for m, v in volumes.items()}
            _degrade_brain(study, small, before, tally)
            before = small
        else:
            _degrade_scans(volumes, tally)
    print(_report(tally))


def _warnings(volumes: Volumes, prepared: bool, arguments: argparse.Namespace, tally: Tally) -> list[str]:
    """Of a study as it is."""
    target = next(iter(volumes))
    if prepared:
        return _of_brain(untouched(volumes, target, judged=True), tally)
    start = time.process_time()
    sentences = quality.of_scans(volumes)
    tally.seconds.append(time.process_time() - start)
    tally.figures["ghosts"] += [air_ghosts(v) for v in volumes.values()]
    if arguments.raw:
        sentences += _of_brain(cached_common_space(volumes, target=target, folder=arguments.raw), tally)
    return sentences


def _of_brain(common: CommonSpace, tally: Tally) -> list[str]:
    used = {m: v for m, v in common.volumes.items() if m not in common.left_out}
    start = time.process_time()
    found = quality.of_brain(used, common.grids, common.transforms)
    tally.seconds.append(time.process_time() - start)
    seen = {m: coarse(v) for m, v in used.items()}
    tally.figures["bias"] += [bias_ratio(coarse(v, 4)) for v in seen.values()]
    tally.figures["sharpness"] += alignment(seen).values()
    for m, v in seen.items():
        for end in brain_ends(v, common.grids[m], common.transforms[m]):
            tally.figures[f"cm2 at the {end.side}"].append(end.area if end.at_edge else 0)
    if {"t2", "flair"} <= set(seen):
        tally.figures["fluid"].append(fluid_contrast(seen["t2"], seen["flair"]))
    return [*common.warnings, *found]


def _degrade_brain(study: Study, volumes: Volumes, other: Volumes | None, tally: Tally) -> None:
    """`volumes`, `other`: of this study and of another patient, 2 mm, without skull."""
    for what, strength, sentences in _made_worse(volumes, other):
        tally.note(what, strength, sentences)
    if study.label is not None and (grid := next(iter(volumes.values())).grid):
        values, whole = read_label(study.label, known=len(BRATS.labels), aliases=BRATS.aliases)
        label = coarse(Volume(values.astype(np.float32), whole))
        for mm in (-10.0, 5.0, 10.0, 20.0) if label.grid.matches(grid) else ():
            how = f"{mm:.0f} mm of it" if mm > 0 else f"the field ends {-mm:.0f} mm above it: not to be told"
            tally.note("tumour cut at the top", how, _tumour_cut(volumes, label.data, mm))


def _tumour_cut(volumes: Volumes, label: np.ndarray, mm: float) -> list[str]:
    """Where the field of view ends `mm` below the upper end of the tumour."""
    name, volume = next(iter(volumes.items()))
    brain_top = degrade.extent(volume.data != 0, volume.grid)[1]
    below = brain_top - degrade.extent(label != 0, volume.grid)[1] + mm
    shown = degrade.cut(volume, "top", max(below, 0.0))
    mask = np.where(shown.data != 0, label, 0).astype(np.uint8)
    return quality.cut_tumour(mask, name, shown, shown.grid, np.eye(4))


def _degrade_scans(volumes: Volumes, tally: Tally) -> None:
    for name, volume in volumes.items():
        for mm in (0.5, 1.0, 1.5, 2.0, 3.0):
            tally.note("motion", f"{mm} mm", quality.moved(name, degrade.with_motion(volume, mm)))


def _made_worse(volumes: Volumes, other: Volumes | None) -> Iterator[tuple[str, str, list[str]]]:
    """What was done, how strongly, and the sentences of the check that it is made for."""
    rng = np.random.default_rng(0)
    name = list(volumes)[int(rng.integers(len(volumes)))]
    for side in ("top", "bottom"):
        for mm in (5.0, 10.0, 15.0, 20.0, 30.0):
            yield f"brain cut at the {side}", f"{mm:.0f} mm", _cut(volumes, side, mm)
    for ratio in (2.0, 3.0, 4.0, 6.0):
        for m, v in volumes.items():
            worse = degrade.with_bias(coarse(v, 4), ratio, rng)
            yield "bias field", f"x{ratio:.0f}", quality.biased(m, worse)
    for a, b, check in (("t1", "t1ce", quality.exchanged_agent), ("t2", "flair", quality.exchanged_fluid)):
        if {a, b} <= set(volumes):
            yield f"{a} and {b} exchanged", "", check(degrade.exchanged(volumes, a, b))
    for mm in (4.0, 6.0, 10.0, 20.0):
        worse = degrade.shifted(volumes[name], mm)
        yield "a series shifted", f"{mm:.0f} mm", quality.not_aligned({**volumes, name: worse})
    if other is not None and name in other and other[name].grid.matches(volumes[name].grid):
        yield "a series of another patient", "", quality.not_aligned({**volumes, name: other[name]})
    for factor in (0.9, 0.85, 0.8, 0.7, 1.25):
        small = {m: degrade.scaled(v, factor) for m, v in volumes.items()}
        yield "voxels of another size", f"x{factor}", quality.brain_size(small)


def _cut(volumes: Volumes, side: str, mm: float) -> list[str]:
    """Every series of a prepared study shows the same, so one stands for all."""
    name, volume = next(iter(volumes.items()))
    return quality.cut_brain({name: brain_ends(degrade.cut(volume, side, mm), volume.grid, np.eye(4))})


def _report(tally: Tally) -> str:
    cpu = f"{np.median(tally.seconds):.2f} s of CPU a study, {max(tally.seconds):.2f} at most"
    lines = [f"\nfine studies: {tally.fine}, warnings on them: {len(tally.false)}; {cpu}\n"]
    lines += ["| figure | images | least | most |", "|---|---|---|---|"]
    lines += [f"| {k} | {len(v)} | {min(v):.2f} | {max(v):.2f} |" for k, v in tally.figures.items()]
    if tally.hits:
        lines += ["", "| made worse | by | told |", "|---|---|---|"]
        lines += [f"| {what} | {how} | {told} of {n} |" for (what, how), (told, n) in tally.hits.items()]
    return "\n".join(lines)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of studies that are fine")
    parser.add_argument("--half", type=int, choices=(1, 2), help="every second study alone, from the first or second")
    parser.add_argument("--degrade", action="store_true", help="make them worse too, and count what is told")
    parser.add_argument("--raw", type=Path, metavar="CACHE", help="heads in common space too, kept in this folder")
    return parser.parse_args()
