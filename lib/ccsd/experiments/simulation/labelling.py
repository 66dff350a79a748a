"""How many labels a strategy needs: two studies are labelled at a time, the model is trained on, and measured."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ccsd.experiments.simulation.sites import NETWORK, TASK, A, B, make_case
from ccsd.inference.disagreement import subset_disagreement
from ccsd.inference.predict import predict
from ccsd.inference.windows import WindowConfig
from ccsd.method import subsets
from ccsd.method.network import CCSDNetwork
from ccsd.models.checkpoint import untrained
from ccsd.server.strategies.gain import missing_shares, weight
from ccsd.training.cases import Case
from ccsd.training.config import TrainConfig
from ccsd.training.loop import mean_dice, train, validate

CPU = torch.device("cpu")
WHOLE = WindowConfig(edge=None)
SAMPLES, DROPOUT = 5, 0.2  # of MONAI Label's epistemic scoring, and of the dropout that it needs


@dataclass(frozen=True)
class Setup:
    """Numbers of studies, of labels at the start and a round, of rounds, and of optimiser steps."""

    pool: int = 16
    test: int = 5
    start: int = 2
    a_round: int = 2
    rounds: int = 5
    steps_start: int = 1000
    steps_round: int = 250
    patch: int = 32


@dataclass(frozen=True)
class Point:
    """Mean Dice over subsets and regions of the test studies with so many labels."""

    seed: int
    strategy: str
    labels: int
    dice: float


Scorer = Callable[[CCSDNetwork, Sequence[Case], Sequence[Case], torch.Generator], list[float]]


def simulate(seed: int, setup: Setup) -> Iterator[Point]:
    """All strategies from the same start; the pool mixes two sites, and most studies lack modalities."""
    generator = torch.Generator().manual_seed(seed)
    pool = [_some_case(1000 * seed + i, generator) for i in range(setup.pool)]
    test = [make_case((A, B)[i % 2], 1000 * seed + 500 + i) for i in range(setup.test)]
    first = torch.randperm(setup.pool, generator=generator).tolist()[: setup.start]
    begun = untrained(TASK, NETWORK, seed=seed).network
    _train(begun, [pool[i] for i in first], setup.steps_start, setup, seed)
    for name, scorer in STRATEGIES.items():
        network, labelled = copy.deepcopy(begun), list(first)
        chance = torch.Generator().manual_seed(seed)
        yield Point(seed, name, len(labelled), mean_dice(validate(network, test)))
        for number in range(setup.rounds):
            free = [i for i in range(setup.pool) if i not in labelled]
            scores = scorer(network, [pool[i] for i in free], [pool[i] for i in labelled], chance)
            best = sorted(zip(scores, free, strict=True), reverse=True)[: setup.a_round]
            labelled += [i for _, i in best]
            _train(network, [pool[i] for i in labelled], setup.steps_round, setup, seed + number)
            yield Point(seed, name, len(labelled), mean_dice(validate(network, test)))


def _some_case(seed: int, generator: torch.Generator) -> Case:
    """Of either site; every third has all modalities."""
    site = (A, B)[int(torch.randint(2, (), generator=generator))]
    whole = 2 ** len(TASK.modalities) - 1
    chosen = whole if seed % 3 == 0 else int(torch.randint(1, whole + 1, (), generator=generator))
    return make_case(site, seed, modalities=subsets.names(chosen, TASK.modalities))


def _train(network: CCSDNetwork, cases: Sequence[Case], steps: int, setup: Setup, seed: int) -> None:
    config = TrainConfig(max_epochs=1, steps=steps, patch=setup.patch, ema_decay=0.9, seed=seed)
    last: list[CCSDNetwork] = []
    train(network, cases, [], config, device=CPU, on_epoch=lambda epoch: last.append(epoch.network))
    network.load_state_dict(last[-1].state_dict())
    network.eval()


def _by_chance(
    _: CCSDNetwork, free: Sequence[Case], labelled: Sequence[Case], generator: torch.Generator
) -> list[float]:
    return torch.rand(len(free), generator=generator).tolist()


def _by_disagreement(
    network: CCSDNetwork, free: Sequence[Case], labelled: Sequence[Case], generator: torch.Generator
) -> list[float]:
    return [subset_disagreement(network, c.volumes.float(), c.present, window=WHOLE) for c in free]


def _by_gain(
    network: CCSDNetwork, free: Sequence[Case], labelled: Sequence[Case], generator: torch.Generator
) -> list[float]:
    rarity = missing_shares([set(_has(c)) for c in labelled], TASK.modalities)
    scores = _by_disagreement(network, free, labelled, generator)
    return [score * weight(_has(c), rarity) for score, c in zip(scores, free, strict=True)]


def _by_epistemic(
    network: CCSDNetwork, free: Sequence[Case], labelled: Sequence[Case], generator: torch.Generator
) -> list[float]:
    """MONAI Label's `EpistemicScoring`: entropy of the mean of predictions with dropout, mean over voxels."""
    return [_entropy(network, case) for case in free]


def _entropy(network: CCSDNetwork, case: Case) -> float:
    encoders = [network.shared_encoder, *network.specific_encoders]

    def drop(_: object, __: object, pyramid: list[Tensor]) -> list[Tensor]:
        return [F.dropout3d(level, DROPOUT) for level in pyramid]

    hooks = [encoder.register_forward_hook(drop) for encoder in encoders]
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            own = case.available
            found = [predict(network, case.volumes.float(), case.present, [own], WHOLE)[own] for _ in range(SAMPLES)]
    finally:
        for hook in hooks:
            hook.remove()
    mean = torch.stack(found).mean(dim=0).clamp_min(5e-5)
    return float((-mean * mean.log()).sum(dim=0).mean())


def _has(case: Case) -> tuple[str, ...]:
    return subsets.names(case.available, TASK.modalities)


STRATEGIES: dict[str, Scorer] = {
    "random": _by_chance,
    "subset_disagreement": _by_disagreement,
    "expected_gain": _by_gain,
    "epistemic (MONAI Label)": _by_epistemic,
}


def labels_needed(points: Sequence[Point], dice: float) -> float | None:
    """Labels, interpolated, at which the curve of one seed and strategy first reaches a Dice; None: it does not."""
    ordered = sorted(points, key=lambda p: p.labels)
    for before, after in zip([ordered[0], *ordered], ordered, strict=False):
        if after.dice >= dice:
            rise = after.dice - before.dice
            share = 1.0 if rise <= 0 else (dice - before.dice) / rise
            return before.labels + share * (after.labels - before.labels)
    return None
