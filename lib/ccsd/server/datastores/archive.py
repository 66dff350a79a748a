"""Labelled studies as a zip archive, for download."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ccsd.common.errors import NotFoundError
from ccsd.common.files import replacing


def write_archive(rows: Sequence[Mapping[str, Any]], images: Sequence[Sequence[str]], path: Path) -> Path:
    """`<study>/<image>` and `<study>/<image>_label.nii.gz` as `path`. A label that knows some regions only says so in
    its name: `_label_WT`.

    Args:
        rows: of the list to train on; images: of each, the files of its study.

    Raises:
        NotFoundError: there are none.
    """
    if not rows:
        raise NotFoundError("no study has a label with the tag final, expected one or more to download")
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", strict_timestamps=False) as archive:
        for row, of_study in zip(rows, images, strict=True):
            files = {file: os.path.basename(file) for file in of_study}
            partial = f"_{'+'.join(row['regions'])}" if row["regions"] is not None else ""
            files[row["label"]] = f"{row['id']}_label{partial}.nii.gz"
            for file, name in files.items():
                archive.write(file, f"{row['study']}/{name}")
    return path
