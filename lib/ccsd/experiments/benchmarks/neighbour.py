"""A process that computes beside another one on the same cores. `python -m ccsd.experiments.benchmarks.neighbour EDGE
THREADS` runs the network without end; for each line that it is sent it says the seconds of a forward."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from ccsd.common.process_environment import WAIT_ASLEEP

TORCHS_OWN: Mapping[str, str] = MappingProxyType({})
POLICIES: Mapping[str, Mapping[str, str]] = {
    "torch's own": TORCHS_OWN,
    "asleep": WAIT_ASLEEP,
    "asleep after 1 000 turns": {**WAIT_ASLEEP, "GOMP_SPINCOUNT": "1000"},
    "asleep after 10 000 turns": {**WAIT_ASLEEP, "GOMP_SPINCOUNT": "10000"},
}
READY = "ready"


@dataclass(frozen=True)
class Load:
    """Forwards of `small` on edge^3 voxels with four modalities, by so many threads."""

    edge: int = 96
    threads: int = 2


@contextmanager
def computing(policy: Mapping[str, str], load: Load, *, asked: bool = False) -> Iterator[Callable[[], float]]:
    """A process that computes without end or, `asked`, when the function is called, which gives the seconds."""
    others = {name: value for name, value in os.environ.items() if "OMP_" not in name}
    command = [sys.executable, "-m", __name__, str(load.edge), str(load.threads), *(["asked"] if asked else [])]
    with subprocess.Popen(
        command, env={**others, **policy}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        talk, answers = process.stdin, process.stdout
        if answers.readline().strip() != READY:
            raise RuntimeError("the neighbour did not start")

        def ask() -> float:
            talk.write("\n")
            return float(answers.readline())

        try:
            yield ask
        finally:
            process.kill()


def beside(run: Callable[[], float], policy: Mapping[str, str], load: Load, *, repeats: int) -> tuple[float, float]:
    """Median seconds that `run` gives, alone and beside a neighbour that waits by `policy`."""
    run()
    alone = [run() for _ in range(repeats)]
    with computing(policy, load):
        busy = [run() for _ in range(repeats)]
    return statistics.median(alone), statistics.median(busy)


def _main(edge: int, threads: int, *, asked: bool) -> None:
    import torch  # after the variables of this process: the module above is for the one that starts it

    from ccsd.experiments.benchmarks.method import forward_of_small

    torch.set_num_threads(threads)
    forward = forward_of_small(edge)
    forward()
    print(READY, flush=True)
    while not asked or sys.stdin.readline():
        began = time.perf_counter()
        forward()
        if asked:
            print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]), asked="asked" in sys.argv)
