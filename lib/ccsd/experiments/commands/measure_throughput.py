"""How busy `ccsd segment` keeps the network over many studies: the seconds that the network alone takes, as a share of
the time from files to masks; one study after the other, and overlapping as the command does it."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ccsd.commands.segment import overlapping
from ccsd.commands.segmenting import Job, Run, do, jobs_in
from ccsd.demo.phantom import PhantomConfig, make_phantom, write_phantom
from ccsd.inference.pipeline import common_input, region_probabilities
from ccsd.studies.study import read_with_target


def main() -> None:
    arguments = _parse()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for seed in range(arguments.studies):
            phantom = make_phantom(PhantomConfig(seed=seed, shape=(arguments.edge, arguments.edge, arguments.edge)))
            write_phantom(phantom, folder / "studies" / f"study{seed}", f"study{seed}", label=False)
        run = Run(folder / "out", weights=arguments.model)
        jobs = list(jobs_in(folder / "studies", run))
        network = len(jobs) * statistics.median(_network_alone(jobs[0], run) for _ in range(3))
        print(f"{len(jobs)} studies of {arguments.edge}^3, {torch.get_num_threads()} threads, {run.options.device}\n")
        print("| studies | seconds | of it the network alone |\n|---|---|---|")
        for name, answers in (("one after the other", _one_by_one), ("overlapping", overlapping)):
            began = time.perf_counter()
            failed = [a["error"] for _, a in answers(jobs, replace(run, out=folder / name)) if "error" in a]
            took = time.perf_counter() - began
            if failed:
                raise RuntimeError(failed[0])
            print(f"| {name} | {took:.1f} | {network / took:.2f} |", flush=True)


def _one_by_one(jobs: Sequence[Job], run: Run) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from ((job.name, do(job, run)) for job in jobs)


def _network_alone(job: Job, run: Run) -> float:
    """Seconds of the network for a study, with nothing beside it."""
    assert job.study is not None
    segmenter, options = run.segmenter, run.options
    images, name = read_with_target(job.study, next(iter(job.study.sources.values())).path)
    prepared, _ = common_input(job.study, images, name, segmenter.model.task, mode=options.preprocess)
    began = time.perf_counter()
    region_probabilities(segmenter.model.current(), prepared, options)
    return time.perf_counter() - began


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="weights (default: what the app serves)")
    parser.add_argument("--studies", type=int, default=10)
    parser.add_argument("--edge", type=int, default=160, help="voxels of a study")
    parser.add_argument("--threads", type=int, default=0)
    return parser.parse_args()
