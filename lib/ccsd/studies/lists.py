"""Lists of studies as text files: one study id a line, blank lines and lines that start with # ignored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from ccsd.common.errors import InputError, NotFoundError


class Named(Protocol):
    @property
    def id(self) -> str: ...


Item = TypeVar("Item", bound=Named)


def select(studies: Sequence[Item], list_file: Path) -> list[Item]:
    """The studies that the list names, in its order.

    Raises:
        NotFoundError: no such file.
        InputError: an empty list, an id twice, or one that is not among `studies`.
    """
    if not list_file.is_file():
        raise NotFoundError(f"list {list_file} does not exist")
    lines = [line.strip() for line in list_file.read_text().splitlines()]
    ids = [line for line in lines if line and not line.startswith("#")]
    if not ids:
        raise InputError(f"list {list_file.name} names no study, expected one study id a line")
    twice = sorted({i for i in ids if ids.count(i) > 1})
    if twice:
        raise InputError(f"list {list_file.name} names {', '.join(twice)} more than once")
    by_id = {study.id: study for study in studies}
    absent = [i for i in ids if i not in by_id]
    if absent:
        raise InputError(
            f"list {list_file.name} names {', '.join(absent[:5])}{' and more' * (len(absent) > 5)}, "
            f"which are not among the {len(by_id)} studies found"
        )
    return [by_id[i] for i in ids]
