"""The clock is wrong, or was: nothing new is taken for old, nothing stale for current, no limit is a date."""

from __future__ import annotations

import os
import time
import zipfile
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.imaging.volumes import Volume, read_volume, write_volume
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models import checkpoint
from ccsd.models.served import ServedModel
from ccsd.models.versions import Versions
from ccsd.preprocessing.common_space_cache import cached_common_space
from ccsd.server.datastores.folder import open_folder
from ccsd.server.datastores.uploads import StudySessions
from ccsd.studies.study import study_of
from ccsd.training.cache import cached_file
from tests.server.trainers.clinics import Clinic
from tests.studies.dicom_files import Made, some_data, write_series

DAY = 86400.0
JUMPS = {"back": -400 * DAY, "forward": 400 * DAY}
Clock = Callable[[float], None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Sets the wall clock, as seconds from the true one; the monotonic clock goes on."""
    true, true_ns = time.time, time.time_ns

    def jump(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: true() + seconds)
        monkeypatch.setattr(time, "time_ns", lambda: true_ns() + int(seconds * 10**9))

    return jump


def dated(path: Path, seconds: float) -> Path:
    """A file that was changed so many seconds from now."""
    os.utime(path, (time.time() + seconds, time.time() + seconds))
    return path


def model_of(folder: Path) -> ServedModel:
    return ServedModel(folder / "ccsd.pt", folder / "pretrained.pt", BRATS, PRESETS["tiny"])


def network(seed: int) -> checkpoint.CCSDNetwork:
    return checkpoint.untrained(BRATS, PRESETS["tiny"], seed=seed).network


def wholly(value: int, phantom: Phantom, folder: Path) -> str:
    write_volume(folder / f".{value}.nii.gz", np.full(phantom.grid.shape, value, np.uint8), phantom.grid)
    return str(folder / f".{value}.nii.gz")


@pytest.mark.parametrize("jump", JUMPS)
def test_weights_are_read_again_whatever_their_date(tmp_path: Path, jump: str) -> None:
    model = model_of(tmp_path)
    checkpoint.save(model.published, network(1), name="a")
    assert model.current().version.startswith("a-")
    checkpoint.save(model.published, network(2), name="b")
    dated(model.published, JUMPS[jump])
    assert model.current().version.startswith("b-")


def test_what_is_published_last_is_the_newest_version(tmp_path: Path) -> None:
    versions = Versions(model_of(tmp_path), kept=2)
    for seed in range(2):
        dated(versions._file(versions.publish(network(seed), name=f"v{seed}")), DAY)
    last = [versions.publish(network(seed), name=f"v{seed}") for seed in (2, 3)]
    assert [one.version for one in versions.known()] == last[::-1]


def test_studies_of_the_future_do_not_push_new_ones_out_of_the_cache(tmp_path: Path, phantom: Phantom) -> None:
    def prepare(step: float) -> bool:
        volumes = {"flair": Volume(phantom.volumes["flair"][:24, :24, :24] + step, phantom.grid)}
        volumes = {m: Volume(v.data, type(v.grid)((24, 24, 24), v.grid.affine)) for m, v in volumes.items()}
        return cached_common_space(volumes, target="flair", folder=tmp_path, mode="full", kept=1).cached

    assert [prepare(1.0), prepare(1.0)] == [False, True]
    for file in tmp_path.glob("*.npz"):
        dated(file, DAY)
    assert [prepare(2.0), prepare(2.0)] == [False, True]


@pytest.mark.parametrize("jump", JUMPS)
def test_the_label_saved_last_is_trained_on(tmp_path: Path, phantom: Phantom, clock: Clock, jump: str) -> None:
    write_phantom(phantom, tmp_path / "a", "a", modalities=["t2", "flair"], label=False)
    store = open_folder(tmp_path, BRATS)
    store.save_label("a_t2", wholly(1, phantom, tmp_path), "final", {})
    clock(JUMPS[jump])
    store.save_label("a_flair", wholly(2, phantom, tmp_path), "final", {})
    clock(0)
    assert [row["id"] for row in store.datalist()] == ["a_flair"]
    store.save_label("a_t2", wholly(3, phantom, tmp_path), "final", {})
    assert [row["id"] for row in store.datalist()] == ["a_t2"]


def test_an_index_of_any_date_is_read_again(tmp_path: Path, phantom: Phantom) -> None:
    write_phantom(phantom, tmp_path / "a", "a", modalities=["flair"], label=False)
    server, batch = (open_folder(tmp_path, BRATS) for _ in range(2))
    index = tmp_path / "datastore_v2.json"
    status = index.stat()
    batch.save_label("a_flair", wholly(1, phantom, tmp_path), "final", {})
    os.utime(index, ns=(status.st_atime_ns, status.st_mtime_ns))  # as the clock that went back would have it
    assert server.status()["completed"] == 1


def test_a_series_that_older_files_took_the_place_of_is_read_again(tmp_path: Path) -> None:
    first, second = (
        Made(some_data(seed=seed), series_uid="1.2.3.1", tags={"SeriesDescription": "AX T2"}) for seed in (0, 1)
    )
    files = write_series(tmp_path / "series", first)
    store = open_folder(tmp_path, BRATS)
    before = read_volume(Path(store.get_image_uri("1.2.3.1"))).data
    for file in (*write_series(tmp_path / "series", second), *files):
        dated(file, -DAY)
    assert not np.array_equal(read_volume(Path(store.get_image_uri("1.2.3.1"))).data, before)


@pytest.mark.parametrize("date", [0.0, 1e10])
def test_files_of_any_date_are_downloaded(tmp_path: Path, phantom: Phantom, date: float) -> None:
    write_phantom(phantom, tmp_path / "a", "a", modalities=["flair"], label=False)
    os.utime(tmp_path / "a" / "a_flair.nii.gz", (date, date))  # 1970, which zip has no date for, and 2286
    store = open_folder(tmp_path, BRATS)
    store.save_label("a_flair", wholly(1, phantom, tmp_path), "final", {})
    with zipfile.ZipFile(store.get_dataset_archive(None)) as archive:
        assert "a/a_flair.nii.gz" in archive.namelist()


@pytest.mark.parametrize("jump", JUMPS)
def test_a_label_that_changed_is_prepared_again_whatever_its_date(tmp_path: Path, phantom: Phantom, jump: str) -> None:
    write_phantom(phantom, tmp_path / "a", "a", modalities=["flair"], label=False)
    label, study = Path(wholly(1, phantom, tmp_path)), study_of(tmp_path / "a" / "a_flair.nii.gz", BRATS.modalities)
    before = cached_file(study, label, BRATS, tmp_path)
    assert cached_file(study, dated(label, JUMPS[jump]), BRATS, tmp_path) != before


@pytest.fixture
def sessions(tmp_path: Path) -> StudySessions:
    return StudySessions(str(tmp_path / "sessions"), expiry=3600)


def open_session(sessions: StudySessions, folder: Path) -> str:
    (folder / "x_flair.nii.gz").write_bytes(b"image")
    return str(sessions.add_session(str(folder / "x_flair.nii.gz"))[0])


def test_a_session_used_in_the_future_ends_an_hour_after_the_clock_is_right(
    tmp_path: Path, sessions: StudySessions, clock: Clock
) -> None:
    clock(400 * DAY)
    session = open_session(sessions, tmp_path)
    clock(0)
    assert sessions.remove_expired() == 0
    assert sessions.get_session(session, update_ts=False) is not None
    clock(3700)
    assert sessions.remove_expired() == 1
    assert sessions.get_session(session) is None


def test_sessions_end_after_a_restart_and_what_cannot_be_used_goes(
    tmp_path: Path, sessions: StudySessions, clock: Clock
) -> None:
    session = open_session(sessions, tmp_path)
    for name, content in {"half": None, "damaged": "", "other": "[]"}.items():
        (tmp_path / "sessions" / name).mkdir()
        if content is not None:
            (tmp_path / "sessions" / name / "meta.info").write_text(content)
    again = StudySessions(str(tmp_path / "sessions"), expiry=3600)
    assert again.remove_expired() == 3
    assert [f.name for f in (tmp_path / "sessions").iterdir()] == [session]
    clock(3700)
    assert again.remove_expired() == 1
    assert list((tmp_path / "sessions").iterdir()) == []


def test_a_time_limit_of_training_is_no_date(tmp_path: Path, phantom: Phantom, monkeypatch: pytest.MonkeyPatch) -> None:
    clinic = Clinic(tmp_path, phantom, "a")
    clinic.save("a")
    true, calls = time.time, count()
    monkeypatch.setattr(time, "time", lambda: true() + DAY * next(calls) * (-1) ** next(calls))  # wherever it is asked
    assert len(clinic.train(max_epochs=2, max_minutes=5)["history"]) == 3  # both, and the start
