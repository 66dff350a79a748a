"""CCSD's training step and the keeping of its best weights, as MONAI's engines take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines import SupervisedTrainer

from ccsd.method.losses import LossConfig, objective
from ccsd.method.network import CCSDNetwork
from ccsd.models import checkpoint
from ccsd.models.card import Card
from ccsd.models.digest import digest_of_files, image_name


class CCSDStep:
    """One optimiser step on a batch of "image" (B, N, D, H, W) and "label" (B, R, D, H, W); gives the loss terms.

    Args:
        losses: the objective's settings; what is left out has its default.
        seed: of the drawn subsets.
    """

    def __init__(self, losses: Mapping[str, Any] | None = None, seed: int = 0) -> None:
        self.config = LossConfig(**(losses or {}))
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, engine: SupervisedTrainer, batch: Mapping[str, torch.Tensor]) -> dict[str, float]:
        network, device = engine.network, engine.state.device
        network.train()
        volumes, regions = (torch.Tensor(batch[key]).to(device) for key in ("image", "label"))
        done = (engine.state.iteration - 1) / (engine.state.max_epochs * engine.state.epoch_length)
        present = torch.ones(volumes.shape[1], dtype=torch.bool)
        terms = objective(network, volumes, regions, present, self.config, progress=done, generator=self.generator)
        engine.optimizer.zero_grad(set_to_none=True)
        terms["total"].backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 12.0)
        engine.optimizer.step()
        values = {name: float(value.detach()) for name, value in terms.items()}
        return {"loss": values["total"], **values}


class KeepBest:
    """A handler for the validating engine: whenever its first metric is the best so far, the weights are written to
    `path` as the app reads them.

    Args:
        card: what they say of themselves; epoch and score are added.
    """

    def __init__(self, network: CCSDNetwork, path: str, name: str, card: Card) -> None:
        self.network = network
        self.path = Path(path)
        self.name = name
        self.card = card
        self.best = float("-inf")

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.COMPLETED, self.keep)

    def keep(self, engine: Engine) -> None:
        metric = next(iter(engine.state.metrics.values()))
        if metric > self.best:
            self.best = metric
            card = replace(self.card, epoch=engine.state.epoch, score=metric)
            checkpoint.save(self.path, self.network, name=self.name, card=card)


Study = Mapping[str, Any]  # {"image": the modalities' files, "label": a file}, as `list_studies` gives them


def card_of_run(
    start: str,
    modalities: Sequence[str],
    training: Sequence[Study],
    validation: Sequence[Study],
    settings: Mapping[str, Any],
) -> Card:
    """What the weights of a bundle's training say of themselves; a study is called as its folder.

    Args:
        start: the weights that the training starts from.
        settings: of the training, by the names of `ccsd.training.config.TrainConfig`.
    """
    parent = checkpoint.card_in(Path(start))
    names = tuple(_name(study) for study in training)
    return Card(
        parent=parent.version,
        training=names,
        seen=tuple(sorted(parent.trained_on | set(names))),
        validation=tuple(_name(study) for study in validation),
        digests={_name(study): _digest(study, modalities) for study in (*training, *validation)},
        settings={**settings, "losses": asdict(LossConfig(**settings["losses"]))},
        made_by="MONAI bundle",
    )


def _name(study: Study) -> str:
    return Path(study["label"]).parent.name


def _digest(study: Study, modalities: Sequence[str]) -> str:
    files = zip(modalities, study["image"], strict=True)
    return digest_of_files({image_name(m): [Path(file)] for m, file in files}, Path(study["label"]))
