from __future__ import annotations

import shutil
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ccsd.common.errors import GridMismatchError, InputError, NotFoundError
from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.imaging.dicom_volume import read_series
from ccsd.imaging.volumes import Grid, read_volume, write_volume
from ccsd.method.task import BRATS
from ccsd.server.datastores.folder import open_folder
from ccsd.server.datastores.store import StudyDatastore
from tests.studies.dicom_files import Made, some_data, write_series


def noise(path: Path, shape: tuple[int, ...] = (12, 12, 12)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.random.default_rng(0).normal(100, 10, shape).astype(np.float32)
    nib.loadsave.save(nib.nifti1.Nifti1Image(data, np.eye(4)), path)
    return path


def listed(root: Path) -> list[str]:
    return sorted(open_folder(root, BRATS).list_images())


def test_images_of_known_modality_are_listed_by_file_name_and_labels_are_not(study_folder: Path) -> None:
    noise(study_folder / "scan.nii.gz")
    assert listed(study_folder) == ["case_flair", "case_t1", "case_t1ce", "case_t2"]


def test_free_form_names_and_second_choices_are_listed(tmp_path: Path) -> None:
    for name in ("T2_AX_TSE", "T2_COR_TSE", "AX_FLAIR", "DWI_b1000"):
        noise(tmp_path / "p" / f"{name}.nii.gz")
    assert listed(tmp_path) == ["AX_FLAIR", "T2_AX_TSE", "T2_COR_TSE"]


def test_images_that_are_links_have_the_names_and_the_sisters_of_the_links(study_folder: Path, tmp_path: Path) -> None:
    """As git-annex and DataLad keep them: the file itself is elsewhere, by a name that says nothing."""
    for number, image in enumerate(sorted(study_folder.glob("*.nii.gz"))):
        content = tmp_path / "annex" / str(number) / f"MD5E-{number}.nii.gz"
        content.parent.mkdir(parents=True)
        image.rename(content)
        image.symlink_to(content)
    store = open_folder(study_folder, BRATS)
    study = store.study("case_flair")
    assert {m: store.image_id(source) for m, source in study.sources.items()} == {
        m: f"case_{m}" for m in BRATS.modalities
    }
    assert Path(store.get_image_uri("case_flair")) == study_folder / "case_flair.nii.gz"


def test_links_to_folders_are_followed_and_circles_end(tmp_path: Path) -> None:
    noise(tmp_path / "disk" / "p_flair.nii.gz")
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "p").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "up").symlink_to(tmp_path / "studies")
    (tmp_path / "disk" / "again").symlink_to(tmp_path / "disk")
    noise(tmp_path / "studies" / "q" / "q_t1.nii.gz")
    (tmp_path / "studies" / "newest").symlink_to(tmp_path / "studies" / "q")
    assert listed(tmp_path / "studies") == ["p_flair", "q_t1"]


def test_equal_names_in_two_folders_get_ids_of_their_own(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        noise(tmp_path / folder / "T1.nii.gz")
    store = open_folder(tmp_path, BRATS)
    assert sorted(store.list_images()) == ["T1", "b__T1"]
    assert Path(store.get_image_uri("b__T1")) == (tmp_path / "b" / "T1.nii.gz").resolve()


def test_a_4d_file_is_one_image_whose_label_lies_on_its_first_three_axes(tmp_path: Path) -> None:
    noise(tmp_path / "BRATS_001.nii.gz", (12, 12, 12, 4))
    store = open_folder(tmp_path, BRATS)
    assert store.list_images() == ["BRATS_001"]
    write_volume(tmp_path / ".label.nii.gz", np.ones((12, 12, 12), np.uint8), Grid((12, 12, 12), np.eye(4)))
    assert store.save_label("BRATS_001", str(tmp_path / ".label.nii.gz"), "final", {}) == "BRATS_001"
    assert [Path(row["label"]).name for row in store.datalist()] == ["BRATS_001.nii.gz"]


def test_a_dicom_series_is_an_image_and_clients_get_it_as_nifti(tmp_path: Path) -> None:
    root = tmp_path / "studies"
    t2 = Made(some_data(), series_uid="1.2.3.1", tags={"SeriesDescription": "AX T2"})
    flair = Made(some_data(seed=1), series_uid="1.2.3.2", number=2, tags={"SeriesDescription": "AX FLAIR"})
    files = write_series(root / "mixed", t2) + write_series(root / "mixed", flair)
    noise(root / "x_t1.nii.gz")
    assert listed(root) == ["1.2.3.1", "1.2.3.2", "x_t1"]
    store = open_folder(root, BRATS)
    assert store.status()["total"] == 2
    assert Path(store.study_image("1.2.3.2")) in files[8:]
    volume = read_volume(Path(store.get_image_uri("1.2.3.2")))
    expected = read_series(files[8:], "series")
    assert np.array_equal(volume.data, expected.data)
    assert np.allclose(volume.grid.affine, expected.grid.affine, atol=1e-4)
    write_volume(tmp_path / "label.nii.gz", np.ones(volume.grid.shape, np.uint8), volume.grid)
    store.save_label("1.2.3.2", str(tmp_path / "label.nii.gz"), "final", {})
    assert store.get_label_uri("1.2.3.1", "final") == store.get_label_uri("1.2.3.2", "final") != ""
    assert [Path(row["image"]) for row in store.datalist()] == [Path(store.study_image("1.2.3.2"))]
    again = open_folder(root, BRATS)
    assert again.get_label_uri("1.2.3.2", "final")


def test_a_label_on_another_grid_is_refused_and_not_kept(study_folder: Path, tmp_path: Path) -> None:
    store = open_folder(study_folder, BRATS)
    label = noise(tmp_path / "label" / "x.nii.gz")
    with pytest.raises(GridMismatchError):
        store.save_label("case_t1", str(label), "final", {})
    with pytest.raises(NotFoundError):
        store.save_label("absent", str(label), "final", {})
    with pytest.raises(InputError, match="tag is"):
        store.save_label("case_t1", str(study_folder / "case_seg.nii.gz"), "../x", {})
    assert store.datalist() == []


def test_new_files_are_found_without_a_restart(study_folder: Path) -> None:
    store = open_folder(study_folder, BRATS)
    shutil.copy(study_folder / "case_t1.nii.gz", study_folder / "new_t1.nii.gz")
    assert store.get_image_uri("new_t1")


def labelled(root: Path, label: Path) -> StudyDatastore:
    """The study `case` with a label drawn on its T1, a FLAIR of another grid, and a study `other` without a label."""
    noise(root / "case-flair2" / "x_flair.nii.gz")
    (root / "case_flair.nii.gz").write_bytes((root / "case-flair2" / "x_flair.nii.gz").read_bytes())
    noise(root / "other" / "other_t1.nii.gz")
    noise(root / "other" / "other_t2.nii.gz")
    shutil.rmtree(root / "case-flair2")
    store = open_folder(root, BRATS)
    store.save_label("case_t1", str(label), "final", {})
    return store


def test_a_study_counts_once_and_is_done_with_one_label(study_folder: Path) -> None:
    store = labelled(study_folder, study_folder / "case_seg.nii.gz")
    assert {k: store.status()[k] for k in ("total", "completed")} == {"total": 2, "completed": 1}
    assert sorted(store.get_labeled_images()) == ["case_flair", "case_t1", "case_t1ce", "case_t2"]
    assert sorted(store.get_unlabeled_images()) == ["other_t1", "other_t2"]


def test_a_label_is_found_from_images_on_its_grid_only(study_folder: Path) -> None:
    store = labelled(study_folder, study_folder / "case_seg.nii.gz")
    own = store.get_label_uri("case_t1", "final")
    assert store.get_label_uri("case_t2", "final") == own
    assert store.get_label_info("case_t2", "final") == store.get_label_info("case_t1", "final")
    assert store.get_label_uri("case_flair", "final") == ""
    assert store.get_label_uri("case_t2", "original") == ""


def test_training_takes_a_study_once_with_its_newest_label(study_folder: Path) -> None:
    store = labelled(study_folder, study_folder / "case_seg.nii.gz")
    store.save_label("case_t2", str(study_folder / "case_seg.nii.gz"), "final", {})
    store.update_label_info("case_t2", "final", {"ts": store.get_label_info("case_t1", "final")["ts"] + 1})
    assert [Path(row["image"]).name for row in store.datalist()] == ["case_t2.nii.gz"]


def some_label(folder: Path, value: int, shape: tuple[int, int, int] = (12, 12, 12)) -> str:
    path = folder / f".label{value}.nii.gz"
    write_volume(path, np.full(shape, value, np.uint8), Grid(shape, np.eye(4)))
    return str(path)


def test_a_label_that_another_process_saved_is_seen_and_not_lost(tmp_path: Path) -> None:
    for name in ("a", "b"):
        noise(tmp_path / f"{name}_t1.nii.gz")
    server, batch = (open_folder(tmp_path, BRATS) for _ in range(2))
    batch.save_label("a_t1", some_label(tmp_path, 1), "final", {"who": "batch"})
    assert server.status()["completed"] == 1
    batch.save_label("b_t1", some_label(tmp_path, 2), "final", {"who": "batch"})
    server.save_label("b_t1", some_label(tmp_path, 3), "original", {"who": "server"})
    assert server.get_label_info("b_t1", "final")["who"] == "batch"
    fresh = open_folder(tmp_path, BRATS)
    assert fresh.status() == batch.status() == server.status()
    assert fresh.status()["label_tags"] == {"final": 2, "original": 1}


def test_many_threads_save_and_list_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    names = [f"p{i:03d}_t1" for i in range(60)]
    image = noise(tmp_path / "image.nii.gz").read_bytes()
    root = tmp_path / "studies"
    store, label = open_folder(root, BRATS), some_label(tmp_path, 1)

    def work(name: str) -> None:
        (root / f"{name}.nii.gz").write_bytes(image)
        store.save_label(name, label, "final", {})
        store.refresh()
        store.status()
        store.datalist()
        store.update_image_info(name, {"seen": name})

    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # s: threads interrupt each other nearly everywhere
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, names))
    finally:
        sys.setswitchinterval(usual)
    assert open_folder(root, BRATS).status()["completed"] == len(names)
    assert [store.get_image_info(n)["seen"] for n in names] == names


def values_after_saving(root: Path, drawn: list[int], segments: list[tuple[str, int]]) -> list[int]:
    """Values of the kept label, of one that holds `drawn` and whose client says these (name, idx)."""
    noise(root / "p_t1.nii.gz")
    data = np.zeros((12, 12, 12), np.uint8)
    for row, value in enumerate(drawn):
        data[row] = value
    write_volume(root / ".drawn.nii.gz", data, Grid((12, 12, 12), np.eye(4)))
    store = open_folder(root, BRATS)
    said = {"label_info": [{"name": name, "idx": idx} for name, idx in segments]}
    store.save_label("p_t1", str(root / ".drawn.nii.gz"), "final", said)
    kept = read_volume(Path(store.get_label_uri("p_t1", "final"))).data
    return [int(kept[row, 0, 0]) for row in range(len(drawn))]


CORE, OEDEMA, ENHANCING = BRATS.labels


@pytest.mark.parametrize(
    ("drawn", "segments", "kept"),
    [
        ([1, 2, 3], [(CORE, 1), (OEDEMA, 2), (ENHANCING, 3)], [1, 2, 3]),
        ([1, 2, 3], [(ENHANCING, 1), (CORE, 2), (OEDEMA, 3)], [3, 1, 2]),  # the user sorted the segments
        ([1, 2], [("edema", 1), ("enhancing", 2)], [2, 3]),  # the user removed one; other spellings
        ([3], [(CORE, 1), (OEDEMA, 2), (ENHANCING, 3)], [3]),
        ([1, 2], [(OEDEMA, 2), (ENHANCING, 3)], [2, 3]),  # Slicer counted a segment that it left out
        ([1], [(OEDEMA, 1), ("Segment_2", 2)], [2]),  # nothing is drawn in it
        ([1, 4], [], [1, 3]),  # BraTS's own value of enhancing tumour
    ],
)
def test_a_client_says_by_name_what_its_values_are(
    drawn: list[int], segments: list[tuple[str, int]], kept: list[int], tmp_path: Path
) -> None:
    assert values_after_saving(tmp_path, drawn, segments) == kept


def test_a_segment_that_the_task_does_not_have_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has the segment 'Segment_2', expected names from necrotic"):
        values_after_saving(tmp_path, [1, 2], [(OEDEMA, 1), ("Segment_2", 2)])
    with pytest.raises(InputError, match=r"label_info is .* expected a list of name and idx"):
        open_folder(tmp_path, BRATS).save_label(
            "p_t1", str(tmp_path / ".drawn.nii.gz"), "final", {"label_info": ["oedema"]}
        )


def test_images_that_clients_send_are_kept_by_case_and_found_as_one_study(tmp_path: Path) -> None:
    store = open_folder(tmp_path / "studies", BRATS)
    for name in ("p7_t1", "p7_flair", "T2_AX"):
        assert store.add_image(name, str(noise(tmp_path / "tmpab12.nii.gz")), {"client_id": "ward"}) == name
    assert store.add_image("p7_t1", str(noise(tmp_path / "tmpcd34.nii.gz")), {}) == "p7_t1"  # the same once more
    assert sorted(store.list_images()) == ["T2_AX", "p7_flair", "p7_t1"]
    assert store.status()["total"] == 2
    assert store.get_image_info("p7_t1")["client_id"] == "ward"
    assert len(open_folder(tmp_path / "studies", BRATS).list_images()) == 3


@pytest.mark.parametrize(
    ("name", "shape", "sentence"),
    [
        (
            "MRHead",
            (12, 12, 12),
            "image MRHead: its name tells no modality, expected one that ends in t1, t1ce, t2, flair",
        ),
        ("../p_t1", (12, 12, 12), "expected a name without /"),
        (".p_t1", (12, 12, 12), "expected a name without /"),
        ("p_t1", (13, 12, 12), "image p_t1 exists with other content"),
        ("q_t1", (0,), r"^q_t1\.nii\.gz"),
    ],
)
def test_an_image_that_cannot_be_kept_leaves_nothing_behind(
    name: str, shape: tuple[int, ...], sentence: str, tmp_path: Path
) -> None:
    root = tmp_path / "studies"
    noise(root / "p_t1.nii.gz")
    store = open_folder(root, BRATS)
    sent = noise(tmp_path / "tmpab12.nii.gz", shape) if shape != (0,) else tmp_path / "tmpab12.nii.gz"
    if shape == (0,):
        sent.write_bytes(b"damaged")
    with pytest.raises(InputError, match=sentence):
        store.add_image(name, str(sent), {})
    assert store.list_images() == ["p_t1"]
    assert not list((root / "uploads").rglob("*.nii.gz"))


def test_a_label_of_which_only_the_whole_tumour_was_drawn_says_so(tmp_path: Path, phantom: Phantom) -> None:
    write_phantom(phantom, tmp_path / "a", "a", modalities=["flair"], label=False)
    store = open_folder(tmp_path, BRATS)
    write_volume(tmp_path / ".drawn.nii.gz", (phantom.label > 0).astype(np.uint8), phantom.grid)
    cases: list[tuple[list[str], list[str] | None]] = [
        (["Whole Tumor"], ["WT"]),
        (["WT", "enhancing tumour"], ["WT", "ET"]),
        (["tumour core"], ["TC"]),
        (list(BRATS.labels), None),
        ([], None),
    ]
    for segments, regions in cases:
        info = {"label_info": [{"name": name, "idx": i} for i, name in enumerate(segments, start=1)]}
        store.save_label("a_flair", str(tmp_path / ".drawn.nii.gz"), "final", info)
        assert store.datalist()[0]["regions"] == regions
        with zipfile.ZipFile(store.get_dataset_archive(None)) as archive:
            suffix = f"_{'+'.join(regions)}" if regions else ""
            assert f"a/a_flair_label{suffix}.nii.gz" in archive.namelist()
