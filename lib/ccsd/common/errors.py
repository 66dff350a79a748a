"""Errors that a user can cause, as one tree; `ccsd.server.api.errors` turns them into HTTP at one border.

InputError            400  a request, file or configuration value is wrong: the sentence says which, found and expected
├── NotFoundError     404  an image, label or study that does not exist
├── BusyError         429  too many are waiting already: try again after some seconds
├── ServerAwayError   502  another server that is needed does not answer, or not with what it should
├── GridMismatchError 400  images of one study lie on different grids
└── UnalignedError    400  images of one study cannot be laid on one another
"""

from __future__ import annotations

import errno
from pathlib import Path


class InputError(ValueError):
    """Something that the user gave is wrong; the message is one sentence for that user."""

    status = 400


class NotFoundError(InputError):
    """What was asked for does not exist."""

    status = 404


class BusyError(InputError):
    """Too many requests are waiting; `retry_after` seconds from now there may be room."""

    status = 429

    def __init__(self, sentence: str, *, retry_after: int) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class ServerAwayError(InputError):
    """A server that this one depends on, such as the DICOMweb store, fails."""

    status = 502


class GridMismatchError(InputError):
    """Images that must share a grid (shape and affine) do not."""


class UnalignedError(InputError):
    """Images that should show one head cannot be laid on one another."""


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, is that of a full disk or a used-up quota."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
    return False


def first_line(error: BaseException, path: Path | None = None) -> str:
    """An error of a library as part of a sentence, without the server's folders."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return (text.replace(str(path), path.name) if path else text)[:200]


class DivergedError(RuntimeError):
    """The loss is no longer a number; the weights before this run stay."""
