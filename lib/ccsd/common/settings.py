"""Configuration files (TOML) -> a task or a run's settings. A key that does not exist is refused, never ignored."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from ccsd.common.errors import InputError, NotFoundError
from ccsd.method.task import Task

T = TypeVar("T")


def read_toml(path: Path) -> dict[str, Any]:
    """Raises NotFoundError or InputError naming the file and the line."""
    if not path.is_file():
        raise NotFoundError(f"configuration {path} does not exist")
    try:
        return tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"configuration {path.name} is not valid TOML ({error})") from None


def read_task(path: Path) -> Task:
    """A task file: name, modalities, spacing, [labels], [regions], [region_labels], [aliases], [label_names],
    [region_names], [[cautions]].

    Raises:
        InputError: an unknown or missing key, or values that make no task.
    """
    values = read_toml(path)
    _known(values, [f.name for f in fields(Task)], path.name)
    missing = [k for k in ("name", "modalities", "labels", "regions", "region_labels") if k not in values]
    if missing:
        raise InputError(f"task file {path.name} lacks {', '.join(missing)}")
    try:
        return Task.from_dict(values)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise InputError(f"task file {path.name}: {error}") from None


def override(settings: T, values: Mapping[str, Any], *, where: str) -> T:
    """A copy of a frozen dataclass with `values` (nested tables for nested dataclasses) put in place.

    Raises:
        InputError: a name that does not exist, a value of another type, or one that the dataclass refuses.
    """
    _known(values, [f.name for f in fields(settings)], where)  # type: ignore[arg-type]  # a dataclass instance
    changed = {}
    for name, value in values.items():
        old = getattr(settings, name)
        label = f"{where}: {name}"
        if is_dataclass(old) and not isinstance(old, type):
            if not isinstance(value, Mapping):
                raise InputError(f"{label} is {value!r}, expected a table")
            changed[name] = override(old, value, where=label)
        else:
            changed[name] = _convert(old, value, label)
    try:
        return replace(settings, **changed)  # type: ignore[type-var]
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None


def read_switch(name: str, text: str) -> bool:
    """`--conf NAME on|off`. Raises InputError: something else."""
    if text.lower() not in ("on", "off"):
        raise InputError(f"--conf {name} is {text!r}, expected on or off")
    return text.lower() == "on"


def parse_assignments(texts: Sequence[str]) -> dict[str, Any]:
    """`["losses.tau=4", "seed=1"]` -> nested tables; values as TOML writes them, else text.

    Raises:
        InputError: a text without "=".
    """
    result: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"--set {text!r}: expected NAME=VALUE")
        try:
            parsed = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            parsed = value
        table = result
        *parents, last = name.strip().split(".")
        for parent in parents:
            table = table.setdefault(parent, {})
        table[last] = parsed
    return result


def _known(values: Mapping[str, Any], names: Sequence[str], where: str) -> None:
    for name in values:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f", did you mean {near[0]}?" if near else f", expected some of {', '.join(names)}"
            raise InputError(f"{where}: {name} is not known{hint}")


def _convert(old: Any, value: Any, label: str) -> Any:
    """`value` as the type that `old` has; numbers may be whole where fractions are expected."""
    if isinstance(old, bool) or isinstance(value, bool):
        if isinstance(old, bool) and isinstance(value, bool):
            return value
    elif old is None or isinstance(old, float):
        if isinstance(value, int | float):
            return float(value)
    elif isinstance(old, tuple):
        if isinstance(value, list | tuple):
            return tuple(value)
    elif isinstance(value, type(old)):
        return value
    expected = "a number" if old is None else type(old).__name__
    raise InputError(f"{label} is {value!r}, expected {expected}")
