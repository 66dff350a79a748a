"""Studies in common space, kept on disk by what their images hold: asking again, or for another image, costs a read."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsd.common.files import make_newest, replacing
from ccsd.imaging.volumes import Grid, Volume
from ccsd.preprocessing.background import with_zero_background
from ccsd.preprocessing.common_space import (
    CommonSpace,
    Mode,
    aligned,
    check_target,
    is_prepared,
    untouched,
    with_target,
)

logger = logging.getLogger(__name__)

FORMAT = 6  # raise it when a step of ccsd.preprocessing.common_space changes, so that older results are not used
KEPT = 32  # studies, of about 25 MB each


def cached_common_space(
    volumes: Mapping[str, Volume], *, target: str, folder: Path, mode: Mode = "auto", kept: int = KEPT
) -> CommonSpace:
    """`ccsd.preprocessing.common_space.to_common_space` with its results in `folder`: the same answer, marked `cached`.

    What needs no preparation is not stored. The studies unused for longest are removed when there are more than
    `kept`. A file is written under another name and renamed, so several processes may share the folder. Where it cannot
    be written (a full disk), the answer is the same, and made anew next time.
    """
    check_target(target, volumes)
    volumes = {m: with_zero_background(v) for m, v in volumes.items()}
    if mode == "off" or (mode == "auto" and is_prepared(volumes)):
        return untouched(volumes, target, judged=mode != "off")
    path = folder / f"{content_hash(volumes)}.npz"
    stored = _read(path)
    if stored is not None:
        with suppress(FileNotFoundError):  # another process may have removed it just now
            make_newest(path, folder.glob("*.npz"))
        return with_target(stored, target)
    result = aligned(volumes, target)
    try:
        _write(path, result)
    except OSError as error:
        logger.warning("%s is not kept (%s)", path.name, error.strerror)
    else:
        make_newest(path, folder.glob("*.npz"))
    _remove_oldest(folder, kept)
    return with_target(result, target)


def content_hash(volumes: Mapping[str, Volume]) -> str:
    """Changes with any name, voxel or grid of the study, and with FORMAT."""
    digest = hashlib.sha256(str(FORMAT).encode())
    for name in sorted(volumes):
        volume = volumes[name]
        digest.update(json.dumps([name, volume.grid.shape]).encode())
        digest.update(np.ascontiguousarray(volume.grid.affine, dtype=np.float64).tobytes())
        digest.update(np.ascontiguousarray(volume.data, dtype=np.float32).tobytes())
    return digest.hexdigest()[:32]


def _write(path: Path, result: CommonSpace) -> None:
    notes = {
        "names": list(result.volumes),
        "asked": result.target,
        "seconds": result.seconds,
        "warnings": result.warnings,
        "left out": result.left_out,
    }
    arrays: dict[str, NDArray[Any]] = {"brain": np.packbits(result.brain), "affine": result.grid.affine}
    for name, volume in result.volumes.items():
        arrays[f"inside {name}"] = volume.data[result.brain]
        arrays[f"transform {name}"] = result.transforms[name]
        arrays[f"affine {name}"] = result.grids[name].affine
        arrays[f"shape {name}"] = np.array(result.grids[name].shape)
    content = io.BytesIO()  # numpy leaves a file open if the disk is full
    np.savez(content, notes=json.dumps(notes), shape=np.array(result.grid.shape), **arrays)
    with replacing(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def _read(path: Path) -> CommonSpace | None:
    """None where there is no such file, or a damaged one."""
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            return _result(stored)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        logger.warning("%s is damaged (%s), made anew", path.name, error)
        return None


def _result(stored: Mapping[str, NDArray[Any]]) -> CommonSpace:
    notes = json.loads(str(stored["notes"]))
    names = notes["names"]
    grid = _grid(stored["shape"], stored["affine"])
    brain = np.unpackbits(stored["brain"], count=int(np.prod(grid.shape))).reshape(grid.shape).astype(bool)
    volumes = {}
    for name in names:
        data = np.zeros(grid.shape, dtype=np.float32)
        data[brain] = stored[f"inside {name}"]
        volumes[name] = Volume(data, grid)
    return CommonSpace(
        volumes,
        brain,
        {name: stored[f"transform {name}"] for name in names},
        {name: _grid(stored[f"shape {name}"], stored[f"affine {name}"]) for name in names},
        notes["asked"],
        notes["seconds"],
        notes["warnings"],
        notes["left out"],
        cached=True,
    )


def _grid(shape: NDArray[np.int64], affine: NDArray[np.float64]) -> Grid:
    a, b, c = shape.tolist()
    return Grid((a, b, c), affine)


def _remove_oldest(folder: Path, kept: int) -> None:
    used = {}
    for file in folder.glob("*.npz"):
        with suppress(FileNotFoundError):
            used[file] = file.stat().st_mtime
    files = sorted(used, key=used.__getitem__)
    for file in files[:-kept] if kept else files:
        file.unlink(missing_ok=True)
