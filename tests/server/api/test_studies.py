from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ccsd.common.errors import InputError, NotFoundError
from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.imaging.sources import LeftOut, Source
from ccsd.imaging.volumes import write_volume
from ccsd.method.task import BRATS
from ccsd.server.datastores.folder import open_folder
from ccsd.server.datastores.store import StudyDatastore
from ccsd.server.page.studies import PAGE, badge, details, listing, others, source_of
from ccsd.studies.choice import TIED
from ccsd.studies.study import Study
from tests.studies.dicom_files import Made, some_data, write_series


@pytest.fixture
def datastore(phantom: Phantom, tmp_path: Path) -> StudyDatastore:
    """`case` (four), `poor` (flair, t2), one image that nothing tells, two that clash."""
    write_phantom(phantom, tmp_path / "case", "case")
    write_phantom(phantom, tmp_path / "poor", "poor", modalities=["t2", "flair"], label=False)
    (tmp_path / "odd").mkdir()
    write_volume(tmp_path / "odd" / "scan.nii.gz", phantom.volumes["t1"], phantom.grid)
    (tmp_path / "twice").mkdir()
    for name in ("twice_t1.nii.gz", "twice_t1n.nii.gz"):
        shutil.copy(tmp_path / "case" / "case_t1.nii.gz", tmp_path / "twice" / name)
    return open_folder(tmp_path, BRATS)


def test_studies_are_listed_with_what_could_not_be_used_and_why(datastore: StudyDatastore) -> None:
    found = listing(datastore)
    assert [(s["id"], s["images"], s["labelled"]) for s in found["studies"]] == [("case", 4, False), ("poor", 2, False)]
    reasons = {s["id"]: s["images"][0]["reason"] for s in found["unrecognised"]}
    assert "neither its name" in reasons["odd"]
    assert "two files for t1" in reasons["twice"]


def test_a_saved_label_marks_its_study(datastore: StudyDatastore, tmp_path: Path) -> None:
    datastore.save_label("case_t2", str(tmp_path / "case" / "case_seg.nii.gz"), "final", {})
    assert [s["labelled"] for s in listing(datastore)["studies"]] == [True, False]


def test_a_search_finds_ids_and_image_names(datastore: StudyDatastore) -> None:
    assert [s["id"] for s in listing(datastore, search="POOR")["studies"]] == ["poor"]
    assert [s["id"] for s in listing(datastore, search="t1ce case")["studies"]] == ["case"]
    nothing = listing(datastore, search="zebra")
    assert (nothing["found"], nothing["total"], nothing["studies"]) == (0, 2, [])


def test_dicom_studies_are_listed_by_number_date_and_description_and_never_by_name(tmp_path: Path) -> None:
    patient = {"PatientID": "4711", "PatientName": "Doe^Jane", "PatientBirthDate": "19700101", "StudyDate": "20250102"}
    tags = {**patient, "StudyDescription": "MRI BRAIN", "SeriesDescription": "AX T2"}
    write_series(tmp_path / "in" / "a", Made(some_data(), tags=tags))
    other = {**tags, "SeriesDescription": "?", "StudyDate": "20250103"}
    write_series(tmp_path / "in" / "b", Made(some_data(), study_uid="1.9", tags=other))
    found = listing(open_folder(tmp_path / "in", BRATS))
    assert [s["title"] for s in found["studies"]] == ["4711 · 2025-01-02 · MRI BRAIN"]
    assert [s["title"] for s in found["unrecognised"]] == ["4711 · 2025-01-03 · MRI BRAIN"]
    index = (tmp_path / "in" / "datastore_v2.json").read_text()
    assert not [word for word in patient.values() if word in index or (word in str(found) and word != "4711")]


def test_a_site_can_keep_patient_numbers_out_of_lists(tmp_path: Path) -> None:
    tags = {"PatientID": "4711", "StudyDate": "20250102", "SeriesDescription": "AX T2"}
    write_series(tmp_path, Made(some_data(), tags=tags))
    store = open_folder(tmp_path, BRATS, patient_ids=False)
    assert [s["title"] for s in listing(store)["studies"]] == ["2025-01-02"]
    assert listing(store, search="4711")["found"] == 0
    assert listing(store, search="2025-01-02")["found"] == 1


def test_many_studies_come_in_pages(tmp_path: Path, study_folder: Path) -> None:
    for number in range(PAGE + 3):
        folder = tmp_path / "many" / f"s{number:03}"
        folder.mkdir(parents=True)
        shutil.copy(study_folder / "case_t2.nii.gz", folder / f"s{number:03}_t2.nii.gz")
    datastore = open_folder(tmp_path / "many", BRATS)
    assert [len(listing(datastore, page=p)["studies"]) for p in (1, 2)] == [PAGE, 3]
    with pytest.raises(InputError, match="page is 3, expected 1 to 2"):
        listing(datastore, page=3)


def test_details_say_what_was_found_by_which_rule(datastore: StudyDatastore) -> None:
    found = details(datastore, "poor_t2", BRATS.modalities)
    assert {c["modality"]: c["state"] for c in found["badges"]} == {
        "t1": "missing",
        "t1ce": "missing",
        "t2": "found",
        "flair": "found",
    }
    assert found["badges"][2]["name"] == "poor_t2.nii.gz"
    assert found["badges"][2]["reason"] == "name ends in t2"
    with pytest.raises(NotFoundError, match="image nobody does not exist"):
        details(datastore, "nobody", BRATS.modalities)


def test_details_list_the_images_that_are_not_used_and_the_labels_on_them(
    datastore: StudyDatastore, phantom: Phantom, tmp_path: Path
) -> None:
    write_volume(tmp_path / "case" / "case_flair_reg.nii.gz", phantom.volumes["flair"], phantom.grid)
    datastore.refresh()
    write_volume(tmp_path / "drawn" / "label.nii.gz", phantom.label, phantom.grid)
    datastore.save_label("case_flair_reg", str(tmp_path / "drawn" / "label.nii.gz"), "final", {})
    found = details(datastore, "case_t1", BRATS.modalities)
    assert found["others"] == [{"image": "case_flair_reg", "name": "case_flair_reg.nii.gz", "labelled": True}]
    assert others(datastore, datastore.study("case_t1"))["case_flair_reg"].path.name == "case_flair_reg.nii.gz"


def test_the_image_that_is_asked_for_does_not_change_what_is_found(datastore: StudyDatastore) -> None:
    found = [details(datastore, f"case_{m}", BRATS.modalities) for m in BRATS.modalities]
    assert all(one == found[0] for one in found)


def test_a_choice_among_equals_and_a_doubt_are_unsure() -> None:
    tied = Study("s", {"t2": Source(Path("b"), rule=f"words: t2; before a: {TIED}")})
    assert badge(tied, "t2")["state"] == "unsure"
    doubt = Study("s", {}, unknown=(LeftOut(Source(Path("scan.nii")), "nothing is known of it"),))
    assert badge(doubt, "t1")["state"] == "unsure"
    assert "scan.nii: nothing is known of it" in badge(doubt, "t1")["reason"]
    assert badge(Study("s", {}), "t1")["state"] == "missing"


def test_an_image_is_named_as_clients_ask_for_it(datastore: StudyDatastore) -> None:
    study = datastore.study("case_t1")
    assert datastore.image_id(source_of(study, "flair")) == "case_flair"
    with pytest.raises(InputError, match="modality is 'pet', expected one of study case: flair, t1"):
        source_of(study, "pet")
