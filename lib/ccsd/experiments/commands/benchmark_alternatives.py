"""Where the time from files to mask goes, and other ways to do a step, each as a ratio to the way that is taken, on the
CPU. What is not installed (isal, zlib-ng, openvino) is left out."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

os.environ.setdefault("MONAI_LABEL_RELOAD_APP_LIB", "false")

import torch

from ccsd.demo.phantom import PhantomConfig, make_phantom, write_phantom
from ccsd.experiments.benchmarks.alternatives import of_files, of_network, of_studies, ratios
from ccsd.experiments.benchmarks.breakdown import operations, steps
from ccsd.imaging.volumes import read_sources
from ccsd.inference.predict import WindowConfig
from ccsd.method.task import BRATS
from ccsd.models.served import SHIPPED, model_of
from ccsd.preprocessing.prepare import prepare
from ccsd.studies.study import study_of

PARTS = ("steps", "operations", "files", "studies", "network")


def main() -> None:
    arguments = _parse()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        image = arguments.image
        if image is None:
            image = write_phantom(make_phantom(PhantomConfig(seed=1)), folder / "made", "made", label=False)[0]
        study = study_of(image, BRATS.modalities)
        prepared = prepare(read_sources(study.sources), BRATS.modalities, spacing=BRATS.spacing)
        model = model_of(SHIPPED, BRATS)
        network = model.current().network.to_device(torch.device("cpu"))
        found = {
            "files": lambda: of_files(study),
            "studies": lambda: of_studies(network, prepared),
            "network": lambda: of_network(network, folder),
        }
        if "steps" in arguments.parts:
            for name, window in (("windows of 128", WindowConfig()), ("one window", WindowConfig(edge=None))):
                _print(name, steps(model, study, folder, window))
        if "operations" in arguments.parts:
            _print("one window of 128, as shares", operations(network))
        print("| step | usual | CPU s | instead | ratio |\n|---|---|---|---|---|")
        for part in [p for p in arguments.parts if p in found]:
            for one, seconds, ratio in ratios(found[part](), arguments.repeats):
                print(f"| {one.step} | {one.usual} | {seconds:.3f} | {one.other} | {ratio:.2f} |", flush=True)


def _print(title: str, values: dict[str, float]) -> None:
    print(title)
    for name, value in values.items():
        print(f"  {name:<28} {value:.3f}", flush=True)
    print(f"  {'together':<28} {sum(values.values()):.3f}\n")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", type=Path, help="an image of a study of four modalities (default: a phantom)")
    parser.add_argument("--parts", choices=PARTS, nargs="+", default=PARTS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="more than one waits for others on a busy machine")
    return parser.parse_args()
