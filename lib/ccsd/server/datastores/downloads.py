"""What clients get that download an image: one file that programs read by its name."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from ccsd.common.errors import InputError
from ccsd.imaging import filenames
from ccsd.imaging.content import is_as_named
from ccsd.imaging.sources import Source
from ccsd.imaging.volumes import Volume, read_source, read_volume, write_volume


def of_series(image_id: str, source: Source, kept: Path) -> Path:
    """A volume of a DICOM series as NIfTI, in the folder `kept`. Raises InputError: it is no volume."""
    files = list(dict.fromkeys(source.series or ()))
    return _made(kept / f"{image_id}.nii.gz", files, partial(read_source, source))


def of_file(image_id: str, file: Path, kept: Path) -> Path:
    """The file itself, or a NIfTI in the folder `kept` of one that its name does not tell, or that is in two parts."""
    extension = filenames.extension(file).lower()
    if extension not in filenames.CONVERTED or is_as_named(file):
        return file
    try:
        return _made(
            kept / f"{image_id}{filenames.CONVERTED[extension]}", [file], partial(read_volume, file), like=file
        )
    except InputError:  # several channels, or damaged: whoever reads it says why
        return file


def _made(path: Path, files: Sequence[Path], read: Callable[[], Volume], *, like: Path | None = None) -> Path:
    """`path`, made anew if the files are others since."""
    changed = max(f.stat().st_mtime_ns for f in files)
    if not path.is_file() or path.stat().st_mtime_ns != changed:  # older files may have taken the place of newer
        volume = read()
        write_volume(path, volume.data, volume.grid, like=like)
        os.utime(path, ns=(changed, changed))
    return path
