"""Everything a training run outside the server can be told: the network's sizes and the training's settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ccsd.common.errors import InputError
from ccsd.common.settings import override, parse_assignments, read_toml
from ccsd.method.network import PRESETS, NetworkConfig
from ccsd.models.card import renamed
from ccsd.training.config import TrainConfig


@dataclass(frozen=True)
class RunSettings:
    """`preset` names the network that `network` starts from."""

    preset: str = "small"
    network: NetworkConfig = PRESETS["small"]
    train: TrainConfig = field(default_factory=TrainConfig)


def read_run_settings(config: Path | None, assignments: Sequence[str] = ()) -> RunSettings:
    """A configuration file (see configs/), then `NAME=VALUE` texts on top of it.

    Raises:
        InputError: an unknown name, or a value that cannot be used.
    """
    settings = RunSettings()
    layers: list[tuple[str, dict[str, Any]]] = []
    if config is not None:
        layers.append((config.name, renamed(read_toml(config))))
    layers.append(("--set", renamed(parse_assignments(assignments))))
    for where, values in layers:
        preset = values.get("preset", settings.preset)
        if preset not in PRESETS:
            raise InputError(f"{where}: preset is {preset!r}, expected one of {', '.join(PRESETS)}")
        if "preset" in values:
            settings = replace(settings, preset=preset, network=PRESETS[preset])
        settings = override(settings, values, where=where)
    return settings
