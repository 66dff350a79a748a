"""How the server's costs grow: with the number of studies in its folder, and with the size of a study."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import requests

from ccsd.common.places import SHIPPED
from ccsd.experiments.benchmarks.server import running
from ccsd.experiments.benchmarks.study import one_study
from ccsd.imaging.volumes import Grid, write_volume
from ccsd.method.task import BRATS
from ccsd.models.served import ServedModel
from ccsd.server.datastores.folder import open_folder
from ccsd.server.page.studies import listing
from ccsd.server.strategies.random_study import RandomStudy

TINY = Grid((12, 12, 12), np.eye(4))
STORE = ("first start", "start", "look again", "status", "page", "next sample", "save a label", "list to train on")
ROUTES = ("server start", "GET /datastore/", "GET all", "page's list", "next sample", "save a label")
INTENSITY, NOISE = 100.0, 10.0
QUICK_REPEATS = 3  # of what takes milliseconds; the quickest counts


@dataclass
class Stopwatch:
    """`cpu` and `wall`: step -> seconds, of this process and by the clock."""

    cpu: dict[str, float] = field(default_factory=dict)
    wall: dict[str, float] = field(default_factory=dict)

    def time(self, step: str, work: Callable[[], object], repeats: int = 1) -> None:
        """The least of `repeats`: what the machine does beside it only adds."""
        for _ in range(repeats):
            cpu, wall = time.process_time(), time.perf_counter()
            work()
            spent = time.process_time() - cpu, time.perf_counter() - wall
            self.cpu[step] = min(self.cpu.get(step, np.inf), spent[0])
            self.wall[step] = min(self.wall.get(step, np.inf), spent[1])


def make_studies(root: Path, count: int) -> None:
    """`count` studies of four modalities, a folder each; the images are one tiny file by many names."""
    image = write_noise(root / ".image.nii.gz", TINY)
    for i in range(count):
        folder = root / f"p{i:06d}"
        folder.mkdir(parents=True)
        for modality in BRATS.modalities:
            os.link(image, folder / f"{folder.name}_{modality}.nii.gz")


def write_noise(path: Path, grid: Grid) -> Path:
    """A ball of noise that touches the edges of its grid, so that its box is the grid's; zero outside."""
    axes = np.ogrid[tuple(slice(-1, 1, n * 1j) for n in grid.shape)]
    ball = sum(axis**2 for axis in axes) <= 1 + 2 / min(grid.shape)
    noise = np.random.default_rng(0).normal(INTENSITY, NOISE, grid.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_volume(path, np.where(ball, np.maximum(noise, 1), 0).astype(np.int16), grid)
    return path


def store(root: Path, label: Path) -> Stopwatch:
    """What a datastore over the studies of `make_studies` needs for each of STORE."""
    watch, task = Stopwatch(), BRATS
    held = [open_folder(root, task)]  # the modules are loaded and the folders in the system's cache
    Path(root, "datastore_v2.json").unlink()
    watch.time("first start", lambda: held.append(open_folder(root, task)))
    watch.time("start", lambda: held.append(open_folder(root, task)))
    kept = held.pop()
    held.clear()
    watch.time("look again", kept.refresh)
    watch.time("status", kept.status, QUICK_REPEATS)
    watch.time("page", lambda: listing(kept, search=""), QUICK_REPEATS)
    image = kept.list_images()[0]

    def offer() -> None:
        picked = RandomStudy()({"strategy": "random"}, kept)
        kept.update_image_info(str((picked or {})["id"]), {"strategy": {"random": {"ts": int(time.time())}}})

    watch.time("next sample", offer, QUICK_REPEATS)
    watch.time("save a label", lambda: kept.save_label(image, str(label), "final", {}), QUICK_REPEATS)
    watch.time("list to train on", kept.datalist)
    return watch


def routes(root: Path, label: Path) -> dict[str, float]:
    """Seconds that clients of a real server over these studies wait, for each of ROUTES."""
    watch = Stopwatch()
    with running(root, root.with_name(f"server_{root.name}"), preset="small", weights=SHIPPED) as server:

        def get(path: str) -> None:
            requests.get(f"{server.url}{path}", timeout=600).raise_for_status()

        def save() -> None:
            with label.open("rb") as file:
                image = f"{next(root.glob('p*')).name}_t1"
                url = f"{server.url}/datastore/label"
                requests.put(url, params={"image": image}, files={"label": file}, timeout=600).raise_for_status()

        def offer() -> None:
            requests.post(f"{server.url}/activelearning/random", json={}, timeout=600).raise_for_status()

        watch.wall["server start"] = server.started_in
        watch.time("GET /datastore/", lambda: get("/datastore/"), QUICK_REPEATS)
        watch.time("GET all", lambda: get("/datastore/?output=all"))
        watch.time("page's list", lambda: get("/ccsd/data/studies"), QUICK_REPEATS)
        watch.time("next sample", offer, QUICK_REPEATS)
        watch.time("save a label", save, QUICK_REPEATS)
    return watch.wall


def volume(model: ServedModel, folder: Path, edge: int, *, device: str, window: int, repeats: int) -> Stopwatch:
    """`network` and `total` (file to mask) of a study of four modalities whose brain's box is `edge` voxels wide."""
    study = folder / f"v{edge}"
    for modality in BRATS.modalities:
        path = study / f"v{edge}_{modality}.nii.gz"
        if not path.exists():
            write_noise(path, Grid((edge, edge, edge), np.eye(4)))
    watch, laps = Stopwatch(), []

    def work() -> None:
        request = {"device": device, "window": window, "preprocess": "off"}  # a ball of noise is no brain to be found
        laps.append(one_study(model, study, folder / "cache", list(BRATS.modalities), **request))

    watch.time("total", work, repeats + 1)
    watch.wall["network"] = min(lap["network"] for lap in laps)
    return watch
