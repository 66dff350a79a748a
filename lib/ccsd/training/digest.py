"""What a labelled study is, as a hash of its contents."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ccsd.studies.study import Study


def digest_of(study: Study, label: Path, *, extra: str = "") -> str:
    """The same as long as label and images are; `extra`: what else matters."""
    digest = hashlib.sha256(extra.encode())
    for modality, source in sorted(study.sources.items()):
        digest.update(f"{modality} {source.channel}".encode())
        if source.frames and any(source.frames):
            digest.update(f"{source.frames}".encode())
        for file in dict.fromkeys(source.series or (source.path,)):
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    digest.update(label.read_bytes())
    return digest.hexdigest()[:16]
