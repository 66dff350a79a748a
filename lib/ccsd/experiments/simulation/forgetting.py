"""What a model forgets of site A while it learns site B from few labels, and what helps."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from ccsd.experiments.simulation.sites import NETWORK, TASK, A, B, make_case
from ccsd.method.network import CCSDNetwork
from ccsd.models.checkpoint import untrained
from ccsd.training.cases import Case
from ccsd.training.config import TrainConfig
from ccsd.training.loop import mean_dice, train, validate

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Setup:
    """Numbers of studies, and of optimiser steps on A and on B."""

    studies_a: int = 20
    studies_b: int = 4
    held_out: int = 5
    steps_a: int = 2000
    steps_b: int = 400
    patch: int = 48


@dataclass(frozen=True)
class Method:
    """`replay`: share of the crops that come from A; `parent_weight`: share of A's weights in the result."""

    name: str
    replay: float = 0.0
    parent_weight: float = 0.0


METHODS = (
    Method("no replay"),
    Method("half of A's weights kept", parent_weight=0.5),
    Method("replay", replay=0.5),
    Method("replay, a quarter of A's weights kept", replay=0.5, parent_weight=0.25),
    Method("replay, half of A's weights kept", replay=0.5, parent_weight=0.5),
)


@dataclass(frozen=True)
class Result:
    """Mean Dice over subsets and regions on the held-out studies of A and of B."""

    seed: int
    method: str
    a: float
    b: float


def measure(seed: int, setup: Setup) -> Iterator[Result]:
    """Train on A; from there on B by each method."""
    start = 1000 * seed
    site_a = [make_case(A, start + i) for i in range(setup.studies_a)]
    site_b = [make_case(B, start + 100 + i) for i in range(setup.studies_b)]
    test_a = [make_case(A, start + 200 + i) for i in range(setup.held_out)]
    test_b = [make_case(B, start + 300 + i) for i in range(setup.held_out)]
    network = untrained(TASK, NETWORK, seed=seed).network
    base = TrainConfig(max_epochs=1, steps=setup.steps_a, patch=setup.patch, ema_decay=0.98, seed=seed)
    learned = _train(network, site_a, base)
    yield Result(seed, "before B", *_dice(learned, test_a, test_b))
    for method in METHODS:
        cases = [*site_b, *(site_a if method.replay else [])]
        weights = [(1 - method.replay) / len(site_b)] * len(site_b)
        weights += [method.replay / len(site_a)] * (len(cases) - len(site_b))
        config = TrainConfig(
            max_epochs=1,
            steps=setup.steps_b,
            patch=setup.patch,
            ema_decay=0.98,
            learning_rate=1e-3,
            parent_weight=method.parent_weight,
            seed=seed,
        )
        after = _train(copy.deepcopy(learned), cases, config, weights)
        yield Result(seed, method.name, *_dice(after, test_a, test_b))


def _train(
    network: CCSDNetwork, cases: Sequence[Case], config: TrainConfig, weights: Sequence[float] | None = None
) -> CCSDNetwork:
    kept = []
    train(network, cases, [], config, device=CPU, on_epoch=lambda e: kept.append(e.network), weights=weights)
    return kept[-1]


def _dice(network: CCSDNetwork, *tests: Sequence[Case]) -> list[float]:
    return [mean_dice(validate(network, cases)) for cases in tests]
