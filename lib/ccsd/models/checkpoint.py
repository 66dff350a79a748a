"""Weights on disk: written whole or not at all, read without unpickling code, carrying their task and sizes."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from ccsd.common.errors import InputError
from ccsd.common.files import replacing
from ccsd.common.tensor_files import save_tensors
from ccsd.method.network import CCSDNetwork, NetworkConfig
from ccsd.method.task import Task

UNTRAINED = "untrained"


@dataclass(frozen=True)
class Checkpoint:
    """A network in evaluation mode with its `version` and what is known of it (`notes`: data, metrics, parent)."""

    network: CCSDNetwork
    version: str
    notes: Mapping[str, Any] = field(default_factory=dict)


def save(path: Path, network: CCSDNetwork, *, name: str, notes: Mapping[str, Any], half: bool = False) -> str:
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
        "notes": dict(notes),
    }
    with replacing(path) as temporary:
        save_tensors(content, temporary)
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
        version, state = str(content["version"]), content["model"]
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
    return Checkpoint(network.eval(), version, content.get("notes", {}))


def read_notes(path: Path) -> tuple[str, Mapping[str, Any]]:
    """(version, notes), without reading the weights. Raises InputError: not a checkpoint of ours."""
    content = _content(path, mmap=True)
    try:
        return str(content["version"]), content.get("notes", {})
    except (KeyError, TypeError, AttributeError) as error:
        raise _unreadable(path, error) from error


def annotate(path: Path, notes: Mapping[str, Any]) -> None:
    """Add to the notes of weights, whole or not at all; weights and version stay."""
    content = _content(path)
    content["notes"] = {**content.get("notes", {}), **notes}
    with replacing(path) as temporary:
        save_tensors(content, temporary)


def untrained(task: Task, config: NetworkConfig, *, seed: int = 0) -> Checkpoint:
    """A network with random weights, the same for the same seed; the caller's random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = CCSDNetwork(task, config)
    return Checkpoint(network.eval(), UNTRAINED)


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
