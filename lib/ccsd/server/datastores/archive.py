"""Labelled studies as a zip archive, for download."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from ccsd.common.errors import NotFoundError
from ccsd.common.files import replacing

if TYPE_CHECKING:
    from ccsd.server.datastores.local import StudyDatastore


def write_archive(store: StudyDatastore, path: Path, limit: int | None) -> Path:
    """`<study>/<image>` and `<study>/<image>_label.nii.gz`, of `limit` labelled studies or all, as `path`. A label that
    knows some regions only says so in its name: `_label_WT`.

    Raises:
        NotFoundError: no study has a final label.
    """
    rows = store.datalist()[:limit]
    if not rows:
        raise NotFoundError("no study has a label with the tag final, expected one or more to download")
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", strict_timestamps=False) as archive:
        for row in rows:
            files = {uri: os.path.basename(uri) for uri in map(store.get_image_uri, store.images_of(row["study"]))}
            partial = f"_{'+'.join(row['regions'])}" if row["regions"] is not None else ""
            files[row["label"]] = f"{row['id']}_label{partial}.nii.gz"
            for file, name in files.items():
                archive.write(file, f"{row['study']}/{name}")
    return path
