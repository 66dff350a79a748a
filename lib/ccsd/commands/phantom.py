"""Make a synthetic labelled study: brain anatomy of a public template, four contrasts, one tumour."""

from __future__ import annotations

import argparse
from pathlib import Path

from ccsd.common.settings import read_task
from ccsd.demo.organ import make_organ
from ccsd.demo.phantom import PhantomConfig, make_phantom, write_phantom
from ccsd.demo.tumour import TumourConfig


def main() -> None:
    arguments = _parse()
    if arguments.task:
        task = read_task(arguments.task)
        phantom = make_organ(task, seed=arguments.seed, shape=tuple(arguments.shape or (64, 64, 48)))
    else:
        phantom = make_phantom(_config(arguments))
    for path in write_phantom(
        phantom, arguments.out, arguments.name, modalities=arguments.modalities, label=not arguments.no_label
    ):
        print(path)


def _config(arguments: argparse.Namespace) -> PhantomConfig:
    return PhantomConfig(
        seed=arguments.seed,
        shape=tuple(arguments.shape or PhantomConfig.shape),
        spacing=tuple(arguments.spacing),
        noise=arguments.noise,
        bias=arguments.bias,
        tumour=TumourConfig(rim=0.0 if arguments.no_enhancing else TumourConfig.rim),
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--name", default="phantom", help="case name in the file names")
    parser.add_argument("--task", type=Path, help="task file: nested blobs with its modalities instead of a brain")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--modalities", nargs="+", help="only these (default: all of the task)")
    parser.add_argument("--shape", nargs=3, type=int, help="voxels")
    parser.add_argument("--spacing", nargs=3, type=float, default=list(PhantomConfig.spacing), help="mm")
    parser.add_argument("--noise", type=float, default=PhantomConfig.noise, help="share of white matter")
    parser.add_argument("--bias", type=float, default=PhantomConfig.bias, help="strength of the smooth gain")
    parser.add_argument("--no-enhancing", action="store_true", help="a tumour without enhancement")
    parser.add_argument("--no-label", action="store_true", help="images only")
    return parser.parse_args()
