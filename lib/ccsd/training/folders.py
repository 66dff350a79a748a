"""Folders of labelled studies to train on, with the share of the crops that each gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ccsd.common.errors import InputError


@dataclass(frozen=True)
class DataFolder:
    """`share` of the crops come from the studies in `path` (None: what the other folders leave)."""

    path: Path
    share: float | None = None

    @classmethod
    def parse(cls, text: str) -> DataFolder:
        """`DIR` or `DIR:SHARE`, as in `--data made:0.2`.

        Raises:
            InputError: a share that is not between 0 and 1.
        """
        path, colon, share = text.rpartition(":")
        if not colon or Path(text).exists():
            return cls(Path(text))
        try:
            value = float(share)
        except ValueError:
            raise InputError(f"--data {text}: the share is {share!r}, expected a number between 0 and 1") from None
        if not 0 < value < 1:
            raise InputError(f"--data {text}: the share is {share}, expected between 0 and 1")
        return cls(Path(path), value)


def crop_weights(counts: Sequence[int], shares: Sequence[float | None]) -> list[float]:
    """How often each study is drawn: one weight a study, group after group.

    Args:
        counts: studies in each group; shares: of the crops that each group gives. Groups without a share divide what is
            left by their numbers of studies.

    Raises:
        InputError: a share for a group of none, shares of 1 or more together, or of less than 1 where no group takes
            the rest.
    """
    if any(share is not None and not count for count, share in zip(counts, shares, strict=True)):
        raise InputError("a source that is to give a share of the crops has no study, expected at least one")
    if not any(counts):
        return []
    told = sum(share for share in shares if share is not None)
    rest = sum(count for count, share in zip(counts, shares, strict=True) if share is None)
    if told > 1 + 1e-6 or (told >= 1 - 1e-6) == bool(rest):
        raise InputError(
            f"the shares of the crops add up to {told:g}, expected {'less than 1' if rest else '1'} "
            f"({'a' if rest else 'no'} source has none and takes the rest)"
        )
    each = [(1 - told) / rest if share is None else share / count for count, share in zip(counts, shares, strict=True)]
    return [weight for count, weight in zip(counts, each, strict=True) for _ in range(count)]
