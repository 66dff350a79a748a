"""Make a synthetic labelled study: brain anatomy of a public template, four contrasts, one tumour."""

from __future__ import annotations

import argparse
from pathlib import Path

from ccsd.common.settings import read_task
from ccsd.demo.organ import make_organ
from ccsd.demo.phantom import PhantomConfig, make_phantom, write_phantom


def main() -> None:
    arguments = _parse()
    if arguments.task:
        task = read_task(arguments.task)
        phantom = make_organ(task, seed=arguments.seed, shape=tuple(arguments.shape or (64, 64, 48)))
    else:
        shape = tuple(arguments.shape or PhantomConfig.shape)
        phantom = make_phantom(PhantomConfig(arguments.seed, shape, tuple(arguments.spacing)))
    for path in write_phantom(phantom, arguments.out, arguments.name, modalities=arguments.modalities):
        print(path)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--name", default="phantom", help="case name in the file names")
    parser.add_argument("--task", type=Path, help="task file: make nested blobs with its modalities instead of a brain")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--modalities", nargs="+", help="only these (default: all of the task)")
    parser.add_argument("--shape", nargs=3, type=int, help="voxels")
    parser.add_argument("--spacing", nargs=3, type=float, default=list(PhantomConfig.spacing), help="mm")
    return parser.parse_args()
