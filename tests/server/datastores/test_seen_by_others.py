"""What a datastore remembers of its index never hides what other processes and people did to the files."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsd.common.errors import NotFoundError
from ccsd.experiments.benchmarks.growth import TINY, write_noise
from ccsd.imaging.volumes import write_volume
from ccsd.method.task import BRATS
from ccsd.server.datastores.folder import StudyFolder, open_folder
from ccsd.server.datastores.store import StudyDatastore
from ccsd.server.page.studies import listing
from ccsd.server.strategies.random_study import RandomStudy


def told(store: StudyDatastore) -> dict[str, object]:
    """All that is answered from what is remembered."""
    images = sorted(store.list_images())
    files = {i: store.get_image_info(i)["file"] for i in images}
    return {
        "images": files,
        "status": store.status(),
        "studies": {s: sorted(i.id for i in images) for s, images in store.by_study().items()},
        "page": {s["id"]: (s["images"], s["labelled"]) for s in listing(store)["studies"]},
        "undone": sorted(store.get_unlabeled_images()),
        "labels": {i: store.get_label_uri(i, "final") for i in images},
        "offered": store.offered("random"),
        "stamps": {i: store.stamp(i) for i in images},
        "ids": {s.path.name: store.image_id(s) for i in images for s in store.study(i).sources.values()},
    }


class Others:
    """A second process on the same folder, and people who move files about; `dice` chooses what they do it to."""

    def __init__(self, root: Path, dice: random.Random) -> None:
        self.root, self.dice = root, dice
        self.label = root / ".label.nii.gz"
        write_volume(self.label, np.ones(TINY.shape, np.uint8), TINY)
        self.store = open_folder(root, BRATS)
        self.made = 0

    def files(self) -> list[Path]:
        return sorted(self.root.glob("p*/*.nii.gz"))

    def image(self) -> str:
        return self.dice.choice(self.store.list_images())

    def add_study(self) -> None:
        self.made += 1
        for modality in self.dice.sample(BRATS.modalities, self.dice.randint(1, 4)):
            write_noise(self.root / f"p{self.made}" / f"p{self.made}_{modality}.nii.gz", TINY)

    def find_study(self) -> None:
        self.add_study()
        self.store.refresh()

    def same_name_elsewhere(self) -> None:
        file = self.dice.choice(self.files())
        write_noise(self.root / f"q{self.made}" / "deeper" / file.name, TINY)

    def remove_image(self) -> None:
        self.dice.choice(self.files()).unlink()

    def move_study(self) -> None:
        folder = self.dice.choice(self.files()).parent
        self.made += 1
        folder.rename(self.root / f"p{self.made}")

    def change_image(self) -> None:
        file = self.dice.choice(self.files())
        os.utime(file, ns=(0, file.stat().st_mtime_ns + 10**9))

    def save_label(self) -> None:
        self.store.save_label(self.image(), str(self.label), "final", {})

    def put_label_file(self) -> None:
        shutil.copy(self.label, self.root / "labels" / "final" / f"{self.image()}.nii.gz")

    def remove_label_file(self) -> None:
        for file in sorted(self.root.glob("labels/final/*.nii.gz"))[:1]:
            file.unlink()

    def remove_label(self) -> None:
        with suppress(NotFoundError):
            self.store.remove_label(self.image(), "final")

    def note_offer(self) -> None:
        self.store.update_image_info(self.image(), {"strategy": {"random": {"ts": self.made + 1}}})


ON_DISK = ("add_study", "same_name_elsewhere", "remove_image", "move_study", "put_label_file", "remove_label_file")
IN_INDEX = ("find_study", "save_label", "remove_label", "note_offer", "change_image")


@settings(max_examples=8, deadline=None)
@given(st.lists(st.sampled_from(ON_DISK + IN_INDEX), max_size=4), st.integers(0, 2**16))
def test_a_store_tells_what_one_that_was_just_started_tells(acts: list[str], seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        others = Others(root, random.Random(seed))
        others.add_study()
        others.add_study()
        others.store.refresh()
        kept = open_folder(root, BRATS)
        for act in acts:
            if not others.store.list_images():
                break
            told(kept)  # it remembers all that it can
            getattr(others, act)()
            if act in ON_DISK:
                kept.refresh()
            others.store.refresh()
            assert told(kept) == told(open_folder(root, BRATS))


@pytest.mark.parametrize("act", IN_INDEX)
def test_what_others_note_in_the_index_is_seen_without_looking_through_the_folders(
    act: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = Others(tmp_path, random.Random(1))
    others.add_study()
    others.store.refresh()
    if act == "remove_label":
        others.save_label()
    kept = open_folder(tmp_path, BRATS)
    before = told(kept)
    looks: list[StudyFolder] = []
    original: Callable[[StudyFolder], object] = StudyFolder.look
    monkeypatch.setattr(StudyFolder, "look", lambda self: (looks.append(self), original(self))[1])
    getattr(others, act)()
    after = told(kept)
    assert after != before
    assert not any(folder is kept.studies for folder in looks)


def test_a_path_is_never_looked_for_among_the_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_noise(tmp_path / "p1" / "p1_t1.nii.gz", TINY)
    store = open_folder(tmp_path, BRATS)
    monkeypatch.setattr(StudyFolder, "look", lambda self: pytest.fail("looked through the folders"))
    assert store.study_image("/somewhere/else_t1.nii.gz") == ""


def test_a_study_of_one_image_is_offered_again_within_a_second(tmp_path: Path) -> None:
    write_noise(tmp_path / "p1" / "p1_t1.nii.gz", TINY)
    store = open_folder(tmp_path, BRATS)
    store.update_image_info("p1_t1", {"strategy": {"random": {"ts": 2**40}}})  # by a clock that went ahead
    picked = RandomStudy()({"strategy": "random"}, store)
    assert picked == {"id": "p1_t1", "weight": 1}


def test_a_study_that_cannot_be_read_is_never_offered_by_chance(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("p1", "p2", "p3"):
        write_noise(tmp_path / name / f"{name}_t1.nii.gz", TINY)
    for name in ("p1", "p3"):
        whole = (tmp_path / name / f"{name}_t1.nii.gz").read_bytes()
        (tmp_path / name / f"{name}_t1.nii.gz").write_bytes(whole[: len(whole) // 2])
    store = open_folder(tmp_path, BRATS)
    picked = [RandomStudy()({"strategy": "random"}, store) for _ in range(8)]
    assert [p and p["id"] for p in picked] == ["p2_t1"] * 8
    assert "is not offered: " in caplog.text
    for answer in picked:
        assert answer is not None
        assert set(answer.get("not_offered", {})) <= {"p1_t1", "p3_t1"}
    assert any("p1_t1.nii.gz" in p["not_offered"].get("p1_t1", "") for p in picked if p and "not_offered" in p)
    (tmp_path / "p2" / "p2_t1.nii.gz").write_bytes(b"no image")
    assert RandomStudy()({"strategy": "random"}, store) is None
