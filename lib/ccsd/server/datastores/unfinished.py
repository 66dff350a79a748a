"""A label and the index are two files: while one label is being saved, a note beside it holds what the index is to say,
so that it can be said later if the process is killed between the two."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ccsd.common.files import flush

SAVING = ".saving-"


@contextmanager
def label(path: Path) -> Iterator[Callable[[Path, Mapping[str, Any]], None]]:
    """While the label `path` is replaced: `note(new file, info)`. The note is gone after it, unless the process was
    killed."""

    def note(content: Path, info: Mapping[str, Any]) -> None:
        file = _note_of(path)
        file.write_text(json.dumps({"digest": _digest(content), "info": info}, default=str))
        flush(file)

    try:
        yield note
    finally:
        forget(path)


def labels(folder: Path) -> list[Path]:
    """The labels below `labels/` that were being saved."""
    return [
        file.with_name(file.name.removeprefix(SAVING).removesuffix(".json")) for file in folder.glob(f"*/{SAVING}*")
    ]


def noted(path: Path) -> dict[str, Any] | None:
    """What was to be said of the label; None where the one before it is still in place."""
    try:
        content = json.loads(_note_of(path).read_text())
        info: dict[str, Any] = content["info"]
        return info if content["digest"] == _digest(path) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def forget(path: Path) -> None:
    _note_of(path).unlink(missing_ok=True)


def _note_of(path: Path) -> Path:
    return path.with_name(f"{SAVING}{path.name}.json")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
