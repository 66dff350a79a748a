"""kill -9 at random moments of a training, publication among them: what is served always loads, nothing is half-written
for long, no label is lost, and the next training goes on."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from ccsd.common.files import read_json
from ccsd.demo.phantom import Phantom
from ccsd.method.task import BRATS
from ccsd.models.served import ServedModel
from ccsd.models.versions import Versions
from ccsd.server.datastores.folder import open_folder
from ccsd.server.trainers import job as jobs
from ccsd.server.trainers.publication import Publication
from tests.server.trainers.clinics import Clinic

MOMENTS = 10
WITHIN = 240.0  # s for a training to start and make an epoch, on a machine with other work


def train_without_end(folder: Path, phantom: Phantom, die_in: str) -> None:
    """Epochs of one step, each stored and published: many moments at which to be in the midst of something."""
    jobs.STATE_EVERY = 0.0
    keep = Publication.keep

    def whatever_it_is_worth(self: Publication, *known: Any) -> bool:
        self.best = float("-inf")
        return keep(self, *known)

    Publication.keep = whatever_it_is_worth  # type: ignore[method-assign]
    if die_in == "publication":
        copy = shutil.copyfile

        def half(source: Path, target: Path) -> None:
            copy(source, target)
            with Path(target).open("r+b") as file:
                file.truncate(1000)
            os.kill(os.getpid(), signal.SIGKILL)

        shutil.copyfile = half  # type: ignore[assignment]
    Clinic(folder, phantom).train(max_epochs=100000, steps=1, patch=32, learning_rate=1e-5)


def processes() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.server.trainers.clinics"])
    return context


@pytest.mark.timeout(1200)
def test_whenever_a_training_is_killed_nothing_is_lost(tmp_path: Path, phantom: Phantom) -> None:
    clinic = Clinic(tmp_path, phantom, "ab")
    clinic.save("a", "b")
    labels = {f.name: f.read_bytes() for f in (clinic.folder / "studies" / "labels" / "final").iterdir()}
    moments = random.Random(7)
    published = set()
    for number in range(MOMENTS):
        die_in = "publication" if number % 5 == 4 else ""
        child = processes().Process(target=train_without_end, args=(tmp_path, phantom, die_in))
        child.start()
        try:
            if die_in:
                child.join(WITHIN)
                assert not child.is_alive()
            else:
                wait_for_epochs(clinic, child)
                time.sleep(moments.uniform(0, 0.5))
        finally:
            child.kill()
            child.join()
        assert child.exitcode == -signal.SIGKILL
        served = ServedModel(clinic.model.published, clinic.model.shipped, BRATS, clinic.model.preset)
        published.add(served.current().version)  # loads, whatever was being written
        assert served.current().version in {one.version for one in Versions(served).known()}
        store = open_folder(clinic.folder / "studies", BRATS)
        assert len(store.datalist()) == 2
        assert {f.name: f.read_bytes() for f in (clinic.folder / "studies" / "labels" / "final").iterdir()} == labels
    assert len(published) > 1
    stats = clinic.train(max_epochs=1)
    assert "outcome" in stats
    assert not list(clinic.folder.rglob(".writing-*"))


def wait_for_epochs(clinic: Clinic, child: multiprocessing.process.BaseProcess) -> None:
    """Until this training has finished an epoch more than those before it."""
    stats = clinic.folder / "stats.json"
    before = len(read_json(stats).get("history", ())) or 1
    deadline = time.monotonic() + WITHIN
    while len(read_json(stats).get("history", ())) <= before:
        assert child.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.02)
