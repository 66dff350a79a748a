"""How long a running server lets others wait while it segments: each path is asked for until the mask is there.

With --train also how much slower a mask is while a training runs beside it (a label must be saved)."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import requests


def main() -> None:
    arguments = _parse()
    if arguments.train is not None:
        return _beside_training(arguments)
    waited: dict[str, list[float]] = {path: [] for path in arguments.get}
    with ThreadPoolExecutor(1) as pool:
        inference = pool.submit(_segment, arguments.url, arguments.image, arguments.params)
        while not inference.done():
            for path, seconds in waited.items():
                started = time.perf_counter()
                requests.get(arguments.url + path, timeout=60).raise_for_status()
                seconds.append(time.perf_counter() - started)
            time.sleep(0.05)
    print(f"the mask took {inference.result():.1f} s; meanwhile\n")
    print("| GET | requests | median ms | longest ms |\n|---|---|---|---|")
    for path, seconds in waited.items():
        print(f"| {path} | {len(seconds)} | {1000 * statistics.median(seconds):.0f} | {1000 * max(seconds):.0f} |")


def _beside_training(arguments: argparse.Namespace) -> None:
    """Masks without and with a training, in turn, so that both see the same machine."""
    url, times = arguments.url, arguments.times
    alone, beside = [], []
    _segment(url, arguments.image, arguments.params)  # the first request loads the weights
    for _ in range(times):
        alone.append(_segment(url, arguments.image, arguments.params))
        requests.post(f"{url}/train/ccsd", json=json.loads(arguments.train), timeout=60).raise_for_status()
        while not any("start: version" in line for line in requests.get(f"{url}/train/", timeout=60).json()["details"]):
            time.sleep(1)
        beside.append(_segment(url, arguments.image, arguments.params))
        status = requests.delete(f"{url}/train/", timeout=60).json()
        if not status:
            sys.exit("error: the training ended before the mask was there, expected a longer one in --train")
    ratio = statistics.median(beside) / statistics.median(alone)
    print("| a mask | seconds, each | median |\n|---|---|---|")
    for name, seconds in (("alone", alone), ("beside a training", beside)):
        print(f"| {name} | {', '.join(f'{s:.1f}' for s in seconds)} | {statistics.median(seconds):.1f} |")
    print(f"\nslower by a factor of {ratio:.2f}")


def _segment(url: str, image: str, params: str) -> float:
    """Seconds until the answer."""
    started = time.perf_counter()
    query = {"image": image, "output": "json"}
    answer = requests.post(f"{url}/infer/ccsd", params=query, data={"params": params}, timeout=600)
    if not answer.ok:
        sys.exit(f"error: {answer.text}")
    return time.perf_counter() - started


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="of the server")
    parser.add_argument("--image", required=True, help="id of the image to segment")
    parser.add_argument("--params", default="{}", help="JSON, as in /infer/ccsd")
    parser.add_argument("--get", nargs="+", default=["/info/", "/datastore/"], help="paths to ask for meanwhile")
    parser.add_argument("--train", help="JSON, as in /train/ccsd: measure beside a training with these settings")
    parser.add_argument("--times", type=int, default=3, help="with --train: masks of each kind")
    return parser.parse_args()
