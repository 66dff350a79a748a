"""Files that matter are written to a temporary name and renamed: a reader sees the old one or the new one, whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

WRITING = ".writing-"


def save_tensors(content: Any, path: Path) -> None:
    """As torch.save. Raises OSError where the disk is full, which torch does not say if it opens the file itself."""
    with path.open("wb") as stream:
        torch.save(content, stream)


def remove_leftovers(folder: Path) -> None:
    """What a process that was killed was writing in this folder."""
    for path in folder.glob(f"{WRITING}*"):
        writer = path.name.removeprefix(WRITING).split("-")[0]
        if not (writer.isdecimal() and _lives(int(writer))):
            path.unlink(missing_ok=True)


def temporary_beside(path: Path) -> Path:
    """A name for a file that this process writes; `remove_leftovers` finds it if the process is killed."""
    return path.with_name(f"{WRITING}{os.getpid()}-{path.name}")


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` to write to; on success it is flushed to disk and takes the place of `path`, on
    any error it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        dir=path.parent, prefix=f"{WRITING}{os.getpid()}-", suffix="".join(path.suffixes[-2:])
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        os.chmod(temporary, 0o644)  # mkstemp makes files that only their owner reads
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
