"""The picture of a mask and of its map of agreement."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import ccsd.server.page
from ccsd.commands import picture
from ccsd.common.errors import InputError
from ccsd.imaging.grid import Grid
from ccsd.imaging.volumes import write_volume
from ccsd.pictures.overlay import RAMP, overlay

SHAPE, EDGE = (12, 12, 12), 120
GRID = Grid(SHAPE, np.eye(4))
IMAGE = np.full(SHAPE, 100, np.float32)
MASK = np.zeros(SHAPE, np.uint8)
MASK[6:10, 6:10, 6:10] = 2
AGREEMENT = np.ones(SHAPE, np.float32)
AGREEMENT[6:10, 6:10, 6:10] = 0.25


def tiles(drawn: np.ndarray) -> list[np.ndarray]:
    return [drawn[:, x : x + EDGE] for x in range(0, drawn.shape[1], EDGE)]


def test_the_map_is_drawn_on_the_plain_slices_where_masks_differ_and_nowhere_else() -> None:
    plain, mapped = (
        tiles(np.asarray(overlay([IMAGE], MASK, GRID, agreement=map_, edge=EDGE))) for map_ in (None, AGREEMENT)
    )
    assert len(plain) == len(mapped) == 6
    for before, after in zip(plain[1::2], mapped[1::2], strict=True):
        assert np.array_equal(before, after)  # the mask
    for before, after in zip(plain[0::2], mapped[0::2], strict=True):
        changed = (before != after).any(axis=-1)
        assert changed.mean() == pytest.approx((4.5 / 12) ** 2, abs=0.05)  # 4 x 4 voxels, blurred
        assert np.ptp(before[changed].astype(int), axis=-1).max() == 0  # plain is grey
        where = np.argwhere(changed).mean(axis=0).astype(int)
        assert tuple(after[where[0], where[1]]) == RAMP[1]


def test_the_page_has_the_same_colours_of_agreement() -> None:
    script = (Path(ccsd.server.page.__file__).parent / "static" / "viewer.js").read_text()
    stops = re.search(r"stops = (\[\[.*\]\]);", script)
    assert stops is not None
    assert [tuple(int(n) for n in re.findall(r"\d+", stop)) for stop in stops[1].split("],")] == list(RAMP)


def test_a_map_of_another_grid_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, values, grid in (
        ("p_flair", IMAGE + MASK, GRID),
        ("mask", MASK, GRID),
        ("same", np.ones_like(AGREEMENT), GRID),
        ("other", AGREEMENT, Grid(SHAPE, np.diag([2.0, 2.0, 2.0, 1.0]))),
    ):
        write_volume(tmp_path / f"{name}.nii.gz", values, grid)
    command = ["picture", "--image", f"{tmp_path}/p_flair.nii.gz", "--mask", f"{tmp_path}/mask.nii.gz"]
    command += ["--out", str(tmp_path / "p.png")]
    monkeypatch.setattr("sys.argv", [*command, "--agreement", f"{tmp_path}/same.nii.gz"])
    picture.main()
    assert (tmp_path / "p.png").exists()
    monkeypatch.setattr("sys.argv", [*command, "--agreement", f"{tmp_path}/other.nii.gz"])
    with pytest.raises(InputError, match=r"other.nii.gz has the grid .*, expected the image's: 12x12x12"):
        picture.main()
