"""Prepare labelled studies and pack them in folders of a limited size, 8 bits a voxel, to train elsewhere.

`ccsd train --data OUT` on the other machine reads them; it needs neither images nor what prepares them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ccsd.method.task import BRATS
from ccsd.studies.lists import select
from ccsd.studies.study import find_studies
from ccsd.training.cache import load_cases
from ccsd.training.digest import digests_of
from ccsd.training.packed import pack

MIB = 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder of labelled studies")
    parser.add_argument("--studies", type=Path, help="a text file of study ids, one a line (default: all)")
    parser.add_argument("--cache", type=Path, help="prepared studies, as `ccsd train --cache` keeps them")
    parser.add_argument("--part-mib", type=int, default=30, help="largest size of a part (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    found = find_studies(arguments.data, BRATS.modalities)
    studies = select(found, arguments.studies) if arguments.studies else found
    cases = load_cases(studies, BRATS, cache=arguments.cache)
    parts = pack(cases, BRATS, arguments.out, digests=digests_of(studies), part_bytes=arguments.part_mib * MIB)
    for part in parts:
        files = list(part.iterdir())
        print(f"{part}: {len(files)} studies, {sum(file.stat().st_size for file in files) / MIB:.1f} MiB")
