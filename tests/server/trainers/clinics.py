"""A clinic: a datastore of small phantoms with a model folder of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.imaging.volumes import write_volume
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models import checkpoint
from ccsd.models.served import ServedModel
from ccsd.server.datastores.folder import open_folder
from ccsd.server.trainers.ccsd import CCSDTrainTask

SHORT = {"max_epochs": 2, "steps": 2, "patch": 32, "publish_margin": 1, "publish_collapse": 1}


class Clinic:
    """A datastore with studies `a`, `b`, ... and a model folder of its own."""

    def __init__(self, folder: Path, phantom: Phantom, studies: str = "") -> None:
        self.folder, self.phantom = folder, phantom
        for name in studies:
            write_phantom(phantom, folder / "studies" / name, name, modalities=["t1ce", "flair"], label=False)
        self.store = open_folder(folder / "studies", BRATS)
        self.model = ServedModel(folder / "ccsd.pt", folder / "pretrained.pt", BRATS, PRESETS["tiny"])
        if not self.model.shipped.exists():
            network = checkpoint.untrained(BRATS, PRESETS["tiny"]).network
            checkpoint.save(self.model.shipped, network, name="tiny")

    def save(self, *studies: str, label: np.ndarray | None = None, **info: Any) -> None:
        for name in studies:
            drawn = self.folder / "drawn.nii.gz"
            write_volume(drawn, self.phantom.label if label is None else label, self.phantom.grid)
            self.store.save_label(f"{name}_flair", str(drawn), "final", info)

    def task(self, **other: Any) -> CCSDTrainTask:
        return CCSDTrainTask(
            self.model, folder=self.folder / "ccsd.training", stats_file=self.folder / "stats.json", **other
        )

    def train(self, **request: Any) -> dict[str, Any]:
        threads = torch.get_num_threads()
        try:
            return self.task()({**SHORT, **request}, self.store)
        finally:
            torch.set_num_threads(threads)  # those of the other tests

    def snapshot(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads((self.folder / "ccsd.training" / "snapshot.json").read_text())
        return found
