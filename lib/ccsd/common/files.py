"""Files that matter are written to a temporary name and renamed: a reader sees the old one or the new one, whole.

The names of temporary files say which process writes them, so that what a killed one leaves behind is told from what is
being written.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

WRITING = ".writing-"
SCRATCH = "ccsd-"  # how the names of this project's temporary files begin: ccsd-<use>-<process>-


def scratch(use: str) -> str:
    """The prefix of a temporary file or folder of this process; `remove_scratch` finds it if the process is killed."""
    return f"{SCRATCH}{use}-{_process(os.getpid())}-"


def remove_scratch() -> None:
    """What processes that were killed left in the temporary folder."""
    folder = Path(tempfile.gettempdir())
    for path in folder.glob(f"{SCRATCH}*-*-*"):
        _remove_if_orphan(path, path.name.split("-")[2])
    remove_leftovers(folder)


def remove_leftovers(folder: Path) -> None:
    """What a process that was killed was writing in this folder."""
    for path in folder.glob(f"{WRITING}*"):
        _remove_if_orphan(path, path.name.removeprefix(WRITING).split("-")[0])


def writing() -> str:
    """The prefix of a file or folder that this process writes beside the one it is going to be."""
    return f"{WRITING}{_process(os.getpid())}-"


def temporary_beside(path: Path) -> Path:
    """A name for a file that this process writes; `remove_leftovers` finds it if the process is killed."""
    return path.with_name(f"{writing()}{path.name}")


def _remove_if_orphan(path: Path, writer: str) -> None:
    number = writer.split(".")[0]
    if number.isdecimal() and writer == _process(int(number)):
        return
    with suppress(OSError):  # another user's
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _process(number: int) -> str:
    """`<number>.<start>` of a process, the start in hundredths of a second; empty if it does not live.

    Numbers are used again: in a container, the server has the same at each start.
    """
    from ccsd.common.process import started  # `ccsd serve` says what is to be installed where nothing is

    start = started(number)
    return "" if start is None else f"{number}.{start * 100:.0f}"


def make_newest(path: Path, others: Iterable[Path]) -> None:
    """`path` becomes the one of these files that was changed last, also where the clock went back since the others
    were."""
    latest = 0
    for other in others:
        with suppress(FileNotFoundError):
            latest = max(latest, other.stat().st_mtime_ns if other != path else 0)
    now = max(time.time_ns(), latest + 10**9)
    os.utime(path, ns=(now, now))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` to write to; on success it is flushed to disk and takes the place of `path`, on
    any error it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=writing(), suffix="".join(path.suffixes[-2:]))
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        flush(temporary)
        os.chmod(temporary, 0o644)  # mkstemp makes files that only their owner reads
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, content: object) -> None:
    """As JSON for people too, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1))


def read_json(path: Path) -> dict[str, Any]:
    """Empty where there is none, or one that cannot be read."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content


def flush(path: Path) -> None:
    """A file's content is on the disk when this returns. Raises OSError where there is no room for it."""
    with path.open("rb") as written:
        os.fsync(written.fileno())
