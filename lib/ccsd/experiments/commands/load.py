"""Several users at once, for some minutes, at a server of its own (phantoms, the shipped weights) or at --url: masks,
labels, next studies, a training beside them. Prints what they waited, errors, fairness and memory as Markdown."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

os.environ.setdefault("MONAI_LABEL_RELOAD_APP_LIB", "false")

import requests

from ccsd.demo.phantom import PhantomConfig, make_phantom, write_phantom
from ccsd.experiments.benchmarks.load import TRAINING, Plan, Seen, load, resident_gib
from ccsd.experiments.benchmarks.server import running
from ccsd.models.served import SHIPPED

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def main() -> None:
    arguments = _parse()
    if arguments.url:
        host = urlsplit(arguments.url).hostname
        if host not in LOOPBACK and not arguments.any_host:
            sys.exit(f"error: --url is at {host}, expected this machine (127.0.0.1), or --any-host")
        process = arguments.process
        seen = load(arguments.url, _plan(arguments), lambda: resident_gib(process) if process else None)
    else:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
            folder = Path(temporary)
            for seed in range(1, arguments.studies + 1):
                phantom = make_phantom(PhantomConfig(seed=seed))
                write_phantom(phantom, folder / "studies" / f"study{seed}", f"study{seed}", label=False)
            with running(folder / "studies", folder, preset="small", weights=SHIPPED) as server:
                arguments.url = server.url
                seen = load(server.url, _plan(arguments), lambda: resident_gib(server.process))
    _print(seen, arguments)
    sys.exit(bool(seen.errors))


def _plan(arguments: argparse.Namespace) -> Plan:
    """An image of each study of the server is asked for."""
    found = requests.get(f"{arguments.url}/ccsd/data/studies", timeout=60)
    found.raise_for_status()
    images = [study["image"] for study in found.json()["studies"]]
    if not images:
        sys.exit(f"error: {arguments.url} serves no study, expected at least one")
    training = None if arguments.no_training else {**TRAINING, "max_minutes": arguments.minutes}
    least, most = arguments.least, arguments.most
    return Plan(60 * arguments.minutes, arguments.users, images, least, most, arguments.pause, training)


def _print(seen: Seen, arguments: argparse.Namespace) -> None:
    print(f"{arguments.users} users, {seen.requests} requests in {seen.seconds:.0f} s\n\n{seen.table()}")
    for kind, sentence in seen.errors[:20]:
        print(f"error of {kind}: {sentence}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--users", type=int, default=8)
    parser.add_argument("--studies", type=int, default=8, help="phantoms to make, without --url")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between an answer and the next request")
    parser.add_argument("--least", type=int, default=1, help="requests of each user, however long they take")
    parser.add_argument("--most", type=int, default=100_000, help="requests after which it ends")
    parser.add_argument("--no-training", action="store_true")
    parser.add_argument("--url", help="a running server to try out: labels are saved and it is trained")
    parser.add_argument("--process", type=int, help="of the server at --url, for its memory")
    parser.add_argument("--any-host", action="store_true", help="also a server that is not on this machine")
    return parser.parse_args()
