"""The folders that older releases left."""

from __future__ import annotations

import tarfile
from pathlib import Path


def unpack(release: str, folder: Path) -> None:
    """Write the files of `release` ("first" or "landed") into `folder`; by hand, as Python 3.11.2 has no filters."""
    with tarfile.open(Path(__file__).with_name(f"{release}.tar.xz")) as archive:
        for member in archive.getmembers():
            if (content := archive.extractfile(member)) is not None:
                file = folder / member.name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content.read())
