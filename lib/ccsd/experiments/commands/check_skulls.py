"""Whether the skull test is right on studies of one kind, heads or stripped brains: its score by modality, and which
studies are taken as prepared."""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

from tqdm import tqdm

from ccsd.imaging.volumes import read_source
from ccsd.method.task import BRATS
from ccsd.preprocessing.background import with_zero_background
from ccsd.preprocessing.common_space import is_prepared
from ccsd.preprocessing.skull import HEAD, head_score
from ccsd.studies.study import find_studies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of studies")
    scores: dict[str, list[float]] = defaultdict(list)
    prepared: dict[bool, list[str]] = {True: [], False: []}
    studies = [s for folder in parser.parse_args().data for s in find_studies(folder, BRATS.modalities)]
    for study in tqdm(studies, disable=None):
        volumes = {m: with_zero_background(read_source(source)) for m, source in study.sources.items()}
        for modality, volume in volumes.items():
            scores[modality].append(head_score(volume))
        prepared[is_prepared(volumes)].append(study.id)
    print(f"| modality | images | least | most | above {HEAD}: a head |\n|---|---|---|---|---|")
    for modality, found in scores.items():
        above = sum(score > HEAD for score in found)
        print(f"| {modality} | {len(found)} | {min(found):.2f} | {max(found):.2f} | {above} |")
    print(f"\nprepared: {len(prepared[True])}, not prepared: {len(prepared[False])}")
