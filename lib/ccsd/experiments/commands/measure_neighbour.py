"""How threads should wait for each other (`ccsd.common.process_environment`): seconds of a forward, alone and beside a
neighbour that computes on the same cores, for several ways of waiting. Names of ways choose among them."""

from __future__ import annotations

import argparse

from ccsd.experiments.benchmarks.neighbour import POLICIES, TORCHS_OWN, Load, beside, computing


def main() -> None:
    arguments = _parse()
    load = Load(arguments.edge, arguments.threads)
    print("| threads wait | alone, s | beside one that waits the same way | beside one that waits as torch does |")
    print("|---|---|---|---|")
    for name in arguments.ways or POLICIES:
        with computing(POLICIES[name], load, asked=True) as ask:
            found = [beside(ask, p, load, repeats=arguments.repeats) for p in (POLICIES[name], TORCHS_OWN)]
        ratios = " | ".join(f"{busy / alone:.1f} times" for alone, busy in found)
        print(f"| {name} | {min(alone for alone, _ in found):.2f} | {ratios} |", flush=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ways", nargs="*", metavar="WAY", help=f"some of: {'; '.join(POLICIES)}")
    parser.add_argument("--edge", type=int, default=96, help="voxels of the forward")
    parser.add_argument("--threads", type=int, default=2, help="of each of the two processes")
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args()
