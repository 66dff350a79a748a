"""kill -9 of the server while it segments and saves: the label is the one before or the new one, whole, the next server
starts over what is there, and nothing of the killed one stays behind."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import requests

from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.imaging.volumes import Grid, read_volume, write_volume
from ccsd.method.task import BRATS
from ccsd.server.datastores.folder import open_folder
from tests.e2e.conftest import Server, start_server

MOMENTS = 3
WHOLE_TUMOUR = {"label_info": [{"name": "WT", "idx": 1}]}


def left_behind(folder: Path) -> list[Path]:
    """What a process was writing, or had for a request, and cannot remove any more; but for the logging configuration
    that MONAI Label writes at each start."""
    known = (".writing-*", "*.tmp", "ccsd-*-*", "tmp*")
    return sorted(path for pattern in known for path in folder.rglob(pattern) if path.suffix != ".json")


def label_of(phantom: Phantom, *, everything: bool) -> tuple[bytes, dict[str, object]]:
    """A label file, of all parts or of the whole tumour alone, and what the client says of it."""
    values = phantom.label if everything else (phantom.label > 0).astype(np.uint8)
    image = nib.nifti1.Nifti1Image(values, phantom.grid.affine)
    return gzip.compress(image.to_bytes()), {} if everything else WHOLE_TUMOUR


def is_one_of_both(server: Server, phantom: Phantom) -> bool:
    """Whether the saved label and what is said of it belong together."""
    answer = server.get("/datastore/label", params={"label": "case_flair", "tag": "final"})
    values = np.asarray(nib.nifti1.Nifti1Image.from_bytes(gzip.decompress(answer.content)).dataobj)
    info = server.get("/datastore/label/info", params={"label": "case_flair", "tag": "final"}).json()
    if info.get("regions") == ["WT"]:
        return np.array_equal(values > 0, phantom.label > 0) and len(np.unique(values)) == 2
    return "regions" not in info and np.array_equal(values, phantom.label)


def image_of(server: Server) -> bytes:
    return (server.studies / "case" / "case_flair.nii.gz").read_bytes()


def keep_on(work: Callable[[], requests.Response], begun: threading.Event, done: list[int]) -> None:
    """`work` again and again until the server is gone."""
    with suppress(requests.RequestException):
        while True:
            begun.set()
            done.append(work().status_code)


def killed_amid(server: Server, phantom: Phantom, seconds: float) -> set[int]:
    """Labels are saved and studies segmented from all sides, then the server is killed; the statuses of its answers."""
    image = image_of(server)
    turn = iter(range(10**6))

    def save() -> requests.Response:
        content, said = label_of(phantom, everything=next(turn) % 2 == 0)
        return requests.put(
            f"{server.url}/datastore/label?image=case_flair&tag=final",
            files={"label": ("l.nii.gz", content)},
            data={"params": json.dumps(said)},
            timeout=60,
        )

    def segment() -> requests.Response:
        return server.post("/infer/ccsd?output=image", files={"file": ("x_flair.nii.gz", image)})

    def open_session() -> requests.Response:
        return server.put("/session/", files=[("files", ("x_flair.nii.gz", image))])

    assert save().ok  # a label before, however busy the machine is
    statuses: list[int] = []
    threads = []
    for work in (save, segment, open_session):
        begun = threading.Event()
        threads.append(threading.Thread(target=keep_on, args=(work, begun, statuses)))
        threads[-1].start()
        begun.wait(60)
    time.sleep(seconds)
    os.killpg(server.process, signal.SIGKILL)
    for thread in threads:
        thread.join(60)
    return set(statuses)


def test_whenever_the_server_is_killed_the_next_one_goes_on(tmp_path: Path, phantom: Phantom) -> None:
    write_phantom(phantom, tmp_path / "studies" / "case", "case", modalities=["flair", "t2"], label=False)
    (tmp_path / "temporary").mkdir()
    moments = random.Random(3)
    left = 0
    for number in range(MOMENTS + 1):
        for server in start_server(tmp_path / "studies", tmp_path, variables={"TMPDIR": str(tmp_path / "temporary")}):
            assert left_behind(tmp_path) == []
            assert not list(tmp_path.rglob(".saving-*"))
            assert number == 0 or is_one_of_both(server, phantom)
            assert server.get("/datastore/").json()["completed"] == min(number, 1)
            assert server.infer("case_flair").status_code == 200
            for session in (tmp_path / "sessions").glob("*/"):
                assert server.get(f"/session/{session.name}?image=true").content == image_of(server)
                assert server.delete(f"/session/{session.name}").ok
            if number < MOMENTS:
                assert killed_amid(server, phantom, moments.uniform(0.3, 1.2)) <= {200}
                left += len(left_behind(tmp_path))
    assert left > 0  # the moments were such that there was something to remove


def save_and_die(folder: Path, drawn: Path, step: int) -> None:
    """Save a label of the whole tumour alone, and die before the `step`th file takes its place."""
    store = open_folder(folder, BRATS)
    replace, count = os.replace, iter(range(10))

    def replace_or_die(source: str, target: str) -> None:
        if next(count) == step:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)

    os.replace = replace_or_die  # type: ignore[assignment]
    store.save_label("case_flair", str(drawn), "final", dict(WHOLE_TUMOUR))


@pytest.fixture(scope="module")
def children() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ccsd.server.datastores.folder"])
    return context


@pytest.mark.parametrize("before", ["a label before", "none before"])
@pytest.mark.parametrize("step", range(3))
def test_a_label_and_what_is_said_of_it_change_together(
    tmp_path: Path, phantom: Phantom, children: multiprocessing.context.ForkServerContext, step: int, before: str
) -> None:
    folder = tmp_path / "studies"
    write_phantom(phantom, folder / "case", "case", modalities=["flair"], label=False)
    store = open_folder(folder, BRATS)
    grid = Grid(phantom.grid.shape, phantom.grid.affine)
    write_volume(tmp_path / "all.nii.gz", phantom.label, grid)
    write_volume(tmp_path / "whole.nii.gz", (phantom.label > 0).astype(np.uint8), grid)
    if before == "a label before":
        store.save_label("case_flair", str(tmp_path / "all.nii.gz"), "final", {})
    child = children.Process(target=save_and_die, args=(folder, tmp_path / "whole.nii.gz", step))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    again = open_folder(folder, BRATS)
    assert left_behind(tmp_path) == []
    assert not list(tmp_path.rglob(".saving-*"))
    label, info = again.get_label_uri("case_flair", "final"), again.get_label_info("case_flair", "final")
    if info.get("regions") == ["WT"]:
        assert len(np.unique(read_volume(Path(label)).data)) == 2
    else:
        assert (label != "") == (before == "a label before")
        assert not label or np.array_equal(read_volume(Path(label)).data, phantom.label)
