"""What a labelled study is, as a hash of its files' contents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path


def digest_of_files(images: Mapping[str, Iterable[Path]], label: Path, *, extra: str = "") -> str:
    """The same as long as images and label are, wherever they lie.

    Args:
        images: the files of each modality, by its name and, where there are several in one file, its channel or frames.
        extra: what else matters.
    """
    digest = hashlib.sha256(extra.encode())
    for name, files in sorted(images.items()):
        digest.update(name.encode())
        for file in files:
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    digest.update(label.read_bytes())
    return digest.hexdigest()[:16]


def image_name(modality: str, channel: int | None = None, frames: object = None) -> str:
    """A modality's name among the `images` of `digest_of_files`."""
    return f"{modality} {channel}{frames or ''}"
