#!/usr/bin/env python3
"""List the studies of a folder with their modalities, and how to ask the server for one."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.errors import InputError
from lib.studies import names
from lib.studies.study import find_studies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", type=Path)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="address of the server")
    arguments = parser.parse_args()
    found = find_studies(arguments.studies)
    print(f"\n{len(found)} studies in {arguments.studies}")
    for study in found[:20]:
        print(f"  {study.id}: {', '.join(study.files)}")
    if len(found) > 20:
        print(f"  and {len(found) - 20} more")
    print(f"\nserver: {arguments.url}  (API page: {arguments.url}/)")
    if found:
        image = names.strip_extension(next(iter(found[0].files.values())).name)
        print(
            f"segment the first study once the server is up:\n"
            f"  curl -X POST '{arguments.url}/infer/ccsd?image={image}&output=image' -o mask.nii.gz\n"
        )


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
