"""Weights on disk: written whole or not at all, read without unpickling code, carrying their task and sizes."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ccsd.common.errors import InputError
from ccsd.common.files import replacing
from ccsd.method.network import CCSDNetwork, NetworkConfig
from ccsd.method.task import Task
from ccsd.models.card import Card, read_card


@dataclass(frozen=True)
class Checkpoint:
    """A network in evaluation mode with what is known of it."""

    network: CCSDNetwork
    card: Card = field(default_factory=Card)

    @property
    def version(self) -> str:
        return self.card.version


def save(path: Path, network: CCSDNetwork, *, name: str, card: Card | None = None, half: bool = False) -> str:
    """Write weights to a temporary name beside `path` and rename. Returns the version: `<name>-<content hash>`.

    Args:
        half: store 16-bit floats (half the size); they are read back as 32-bit.
    """
    state = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    if half:
        state = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    version = f"{name}-{_content_hash(state)}"
    content = {
        "model": state,
        "task": network.task.as_dict(),
        "network": asdict(network.config),
        "version": version,
        "card": replace(card or Card(), version=version).as_dict(),
    }
    write_tensors(content, path)
    return version


def load(path: Path, *, task: Task) -> Checkpoint:
    """Read weights for `task`.

    Raises:
        InputError: not a checkpoint of ours, or one of another task (modalities, labels or regions differ).
    """
    content = _content(path)
    try:
        stored = Task.from_dict(content["task"])
        sizes = content["network"]
        config = NetworkConfig.from_dict({"decoder": sizes["widths"], **sizes})  # the first release had but one width
        card, state = read_card(content), content["model"]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _unreadable(path, error) from error
    if stored != task:
        raise InputError(
            f"weights {path.name} are for task {stored.name} with modalities {', '.join(stored.modalities)} and "
            f"regions {dict(stored.regions)}, expected task {task.name} with modalities "
            f"{', '.join(task.modalities)} and regions {dict(task.regions)}"
        )
    network = CCSDNetwork(task, config)
    try:
        network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
    except (RuntimeError, TypeError, AttributeError) as error:
        raise _unreadable(path, error) from error
    return Checkpoint(network.eval(), card)


def card_in(path: Path) -> Card:
    """The card, without reading the weights. Raises InputError: not a checkpoint of ours."""
    content = _content(path, mmap=True)
    try:
        return read_card(content)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _unreadable(path, error) from error


def put_card(path: Path, card: Card) -> None:
    """Give weights another card, whole or not at all; weights and version stay."""
    content = _content(path)
    content.pop("notes", None)  # of an older release
    write_tensors({**content, "card": replace(card, version=content["version"]).as_dict()}, path)


def write_tensors(content: Any, path: Path) -> None:
    """As torch.save, to a temporary name that is then renamed. Raises OSError where the disk is full, which torch does
    not say if it opens the file itself."""
    with replacing(path) as temporary, temporary.open("wb") as stream:
        torch.save(content, stream)


def untrained(task: Task, config: NetworkConfig, *, seed: int = 0) -> Checkpoint:
    """A network with random weights, the same for the same seed; the caller's random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = CCSDNetwork(task, config)
    return Checkpoint(network.eval())


def _content(path: Path, *, mmap: bool = False) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except (KeyError, TypeError, ValueError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"weights {path.name} cannot be read as a CCSD checkpoint ({type(error).__name__})")


def _content_hash(state: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for key in sorted(state):
        digest.update(key.encode())
        digest.update(state[key].numpy().tobytes())
    return digest.hexdigest()[:10]
