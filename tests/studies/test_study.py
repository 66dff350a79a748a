from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ccsd.common.errors import InputError, NotFoundError
from ccsd.studies import scan
from ccsd.studies.study import Study, find_studies, read_with_target, study_of, survey


@pytest.mark.parametrize("asked", ["t1", "t1ce", "t2", "flair"])
def test_any_modality_finds_the_whole_study(study_folder: Path, asked: str) -> None:
    study = study_of(study_folder / f"case_{asked}.nii.gz")
    assert study.id == "case"
    assert set(study.files) == {"t1", "t1ce", "t2", "flair"}
    assert study.label == study_folder / "case_seg.nii.gz"


def test_two_studies_in_one_folder_are_kept_apart(study_folder: Path) -> None:
    shutil.copy(study_folder / "case_t1.nii.gz", study_folder / "other_t1.nii.gz")
    found = {s.id: set(s.files) for s in find_studies(study_folder)}
    assert found == {"case": {"t1", "t1ce", "t2", "flair"}, "other": {"t1"}}


def test_saved_labels_and_hidden_files_are_not_studies(study_folder: Path) -> None:
    (study_folder / "labels" / "final").mkdir(parents=True)
    shutil.copy(study_folder / "case_t1.nii.gz", study_folder / "labels" / "final" / "case_t1.nii.gz")
    shutil.copy(study_folder / "case_t1.nii.gz", study_folder / ".writing-x_t2.nii.gz")
    assert len(find_studies(study_folder)) == 1


def test_a_modality_twice_is_refused_with_both_files(study_folder: Path) -> None:
    shutil.copy(study_folder / "case_t1ce.nii.gz", study_folder / "case_t1c.nii.gz")
    with pytest.raises(InputError, match=r"two files for t1ce: case_t1c\.nii\.gz and case_t1ce\.nii\.gz"):
        study_of(study_folder / "case_t1.nii.gz")


def test_a_study_that_cannot_be_used_does_not_hide_the_others(
    study_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copy(study_folder / "case_t1ce.nii.gz", study_folder / "case_t1c.nii.gz")
    shutil.copy(study_folder / "case_t1.nii.gz", study_folder / "other_t1.nii.gz")
    with caplog.at_level(logging.WARNING):
        assert [s.id for s in find_studies(study_folder)] == ["other"]
    assert "two files for t1ce" in caplog.text


def test_an_unrecognised_name_asks_for_its_modality(study_folder: Path) -> None:
    image = shutil.move(study_folder / "case_t1.nii.gz", study_folder / "upload.nii.gz")
    with pytest.raises(InputError, match=r"cannot tell the modality of upload\.nii\.gz"):
        study_of(Path(image))
    assert study_of(Path(image), modality="t1").files == {"t1": Path(image)}


def test_restricting_to_an_absent_modality_is_refused(study_folder: Path) -> None:
    (study_folder / "case_t2.nii.gz").unlink()
    study = study_of(study_folder / "case_t1.nii.gz")
    with pytest.raises(InputError, match="study case has no t2, expected some of flair, t1, t1ce"):
        study.restricted(["t2", "t1"])


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"image x_t1\.nii\.gz does not exist"):
        study_of(tmp_path / "x_t1.nii.gz")
    with pytest.raises(NotFoundError, match="does not exist"):
        find_studies(tmp_path / "absent")


def nifti(path: Path, shape: tuple[int, ...] = (12, 12, 12), spacing: tuple[float, float, float] = (1, 1, 1)) -> Path:
    """A small image of noise; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.random.default_rng(0).normal(100, 10, shape).astype(np.float32)
    nib.loadsave.save(nib.nifti1.Nifti1Image(data, np.diag([*spacing, 1.0])), path)
    return path


def chosen(study: Study) -> dict[str, str]:
    return {m: s.name for m, s in study.sources.items()}


def test_a_folder_of_free_form_names_is_one_study_named_like_the_folder(tmp_path: Path) -> None:
    for name in ("MRHR_FLAIR_AX_5", "MRHR_T1_AX_POST_GAD_13", "T1_AX_SE_10", "MRHR_T2_AX_2", "DWI_b1000", "scan"):
        nifti(tmp_path / "patient" / f"{name}.nii.gz")
    (study,) = find_studies(tmp_path)
    assert study.id == "patient"
    assert chosen(study) == {
        "flair": "MRHR_FLAIR_AX_5.nii.gz",
        "t1ce": "MRHR_T1_AX_POST_GAD_13.nii.gz",
        "t2": "MRHR_T2_AX_2.nii.gz",
        "t1": "T1_AX_SE_10.nii.gz",
    }
    assert [o.name for o in study.refused] == ["DWI_b1000.nii.gz"]
    assert [o.name for o in study.unknown] == ["scan.nii.gz"]
    assert all(s.rule for s in study.sources.values())


def test_free_form_names_of_several_patients_in_one_folder_are_kept_apart(tmp_path: Path) -> None:
    for case in ("patient1", "patient2"):
        for rest in ("AX_T1_POST_GD", "AX_T1_PRE", "T2_TSE_ax"):
            nifti(tmp_path / f"{case}_{rest}.nii.gz")
    nifti(tmp_path / "patient2_flair.nii.gz")
    assert {s.id: sorted(s.sources) for s in find_studies(tmp_path)} == {
        "patient1": ["t1", "t1ce", "t2"],
        "patient2": ["flair", "t1", "t1ce", "t2"],
    }


def test_numbers_in_front_are_series_of_one_study_and_not_cases(tmp_path: Path) -> None:
    for name in ("1_Loc_i00001", "1_Loc_i00002", "2_AX_T2_FSE", "3_AX_FLAIR_5mm", "5_AX_T1_se", "9_AX_T1_POST_se"):
        nifti(tmp_path / "visit" / f"{name}.nii.gz")
    (study,) = find_studies(tmp_path)
    assert (study.id, sorted(study.sources)) == ("visit", ["flair", "t1", "t1ce", "t2"])


def test_numbers_in_front_are_cases_where_each_has_several_kinds_of_images(tmp_path: Path) -> None:
    for case in ("001", "002"):
        for rest in ("AX_T1_POST", "AX_T2_fse", "AX_FLAIR_5mm"):
            nifti(tmp_path / f"{case}_{rest}.nii.gz")
    assert {s.id: sorted(s.sources) for s in find_studies(tmp_path)} == {
        "001": ["flair", "t1ce", "t2"],
        "002": ["flair", "t1ce", "t2"],
    }


def test_files_named_by_their_modality_alone_are_of_the_folder(tmp_path: Path) -> None:
    for week in ("week-000", "week-044"):
        for name in ("T1", "CT1", "T2", "FLAIR", "seg"):
            nifti(tmp_path / "Patient-001" / week / f"{name}.nii.gz")
    first, second = find_studies(tmp_path)
    assert (first.id, second.id) == ("week-000", "week-044")
    assert sorted(first.sources) == ["flair", "t1", "t1ce", "t2"]
    assert first.label is not None


def test_studies_of_one_name_in_two_folders_get_the_path_in_front(tmp_path: Path) -> None:
    for patient in ("a", "b"):
        nifti(tmp_path / patient / "visit1" / "T1.nii.gz")
        nifti(tmp_path / patient / "x_t2.nii.gz")
    assert [s.id for s in find_studies(tmp_path)] == ["a__visit1", "a__x", "b__visit1", "b__x"]


def test_a_contrast_word_in_front_counts_unless_it_is_part_of_the_case(tmp_path: Path) -> None:
    nifti(tmp_path / "a" / "p1_post_T1.nii.gz")
    for name in ("p2_post_t1", "p2_post_t1c", "p2_post_t2", "p2_post_flair"):
        nifti(tmp_path / "b" / f"{name}.nii.gz")
    one, two = find_studies(tmp_path)
    assert (one.id, list(one.sources)) == ("p1", ["t1ce"])
    assert two.id == "p2_post"
    assert chosen(two)["t1"] == "p2_post_t1.nii.gz"


def test_bids_runs_of_one_modality_are_ranked_and_the_choice_is_reported(tmp_path: Path) -> None:
    anat = tmp_path / "sub-01" / "anat"
    nifti(anat / "sub-01_run-1_T1w.nii.gz", spacing=(1, 1, 5))
    nifti(anat / "sub-01_run-2_T1w.nii.gz")
    nifti(anat / "sub-01_ce-gadolinium_T1w.nii.gz")
    nifti(tmp_path / "sub-01" / "dwi" / "sub-01_dwi.nii.gz")
    study = next(s for s in find_studies(tmp_path))
    assert chosen(study) == {"t1": "sub-01_run-2_T1w.nii.gz", "t1ce": "sub-01_ce-gadolinium_T1w.nii.gz"}
    assert "before sub-01_run-1_T1w.nii.gz: it is 3D" in study.sources["t1"].rule
    assert [o.name for o in study.spare] == ["sub-01_run-1_T1w.nii.gz"]


def test_a_decathlon_file_gives_four_sources_and_its_label_from_the_folder_beside(tmp_path: Path) -> None:
    image = nifti(tmp_path / "imagesTr" / "BRATS_001.nii.gz", (12, 12, 12, 4))
    label = nifti(tmp_path / "labelsTr" / "BRATS_001.nii.gz")
    (study,) = find_studies(tmp_path)
    assert {m: s.channel for m, s in study.sources.items()} == {"flair": 0, "t1": 1, "t1ce": 2, "t2": 3}
    assert study.label == label
    volumes, asked = read_with_target(study, image)
    assert asked == "flair"
    data = np.asarray(nib.loadsave.load(image).dataobj)
    assert np.array_equal(volumes["t1ce"].data, data[..., 2])


def test_channels_of_an_unknown_order_are_unknown_until_a_dataset_file_tells_it(tmp_path: Path) -> None:
    nifti(tmp_path / "p1.nii.gz", (12, 12, 12, 4))
    (study,) = survey(tmp_path)
    assert "order is not known" in study.unknown[0].reason
    order = {"0": "T2", "1": "Flair", "2": "T1", "3": "T1ce"}
    (tmp_path / "dataset.json").write_text(json.dumps({"channel_names": order}))
    (given,) = survey(tmp_path)
    assert given.sources["t1ce"].channel == 3


def test_numbered_channels_follow_the_dataset_file_then_the_decathlon(tmp_path: Path) -> None:
    for channel in range(4):
        for case in ("BRATS_001", "BraTS2021_00000"):
            nifti(tmp_path / "imagesTr" / f"{case}_000{channel}.nii.gz")
    msd, brats = survey(tmp_path)
    assert chosen(msd)["flair"] == "BRATS_001_0000.nii.gz"
    assert not brats.sources
    assert "nnU-Net numbers BraTS otherwise" in brats.unknown[0].reason
    other = tmp_path / "other"
    shutil.copytree(tmp_path / "imagesTr", other / "imagesTr")
    order = {"0": "T1", "1": "T1ce", "2": "T2", "3": "Flair"}
    (other / "dataset.json").write_text(json.dumps({"channel_names": order}))
    assert all(chosen(s)["t1"].endswith("_0000.nii.gz") for s in find_studies(other))


def test_a_sidecar_goes_before_the_name(tmp_path: Path) -> None:
    nifti(tmp_path / "p1_t1.nii.gz")
    nifti(tmp_path / "p1_axial_5.nii.gz")
    (tmp_path / "p1_t1.json").write_text(json.dumps({"ContrastBolusIngredient": "GADOLINIUM"}))
    times = {"RepetitionTime": 9.0, "EchoTime": 0.12, "InversionTime": 2.5, "ScanningSequence": "SE_IR"}
    (tmp_path / "p1_axial_5.json").write_text(json.dumps(times))
    (study,) = find_studies(tmp_path)
    assert chosen(study) == {"flair": "p1_axial_5.nii.gz", "t1ce": "p1_t1.nii.gz"}
    assert "ContrastBolusAgent GADOLINIUM" in study.sources["t1ce"].rule


def test_words_in_a_sidecar_do_not_refuse_a_file_whose_name_is_strict(tmp_path: Path) -> None:
    nifti(tmp_path / "sub-01_T1w.nii.gz")
    content = {"SeriesDescription": "t1 MPR pre and post", "ImageType": ["DERIVED", "SECONDARY", "MPR"]}
    (tmp_path / "sub-01_T1w.json").write_text(json.dumps(content))
    assert list(find_studies(tmp_path)[0].sources) == ["t1"]


def test_an_agent_in_both_sidecars_does_not_undo_names_that_tell_t1_and_t1ce_apart(tmp_path: Path) -> None:
    for name in ("p_t1", "p_t1ce"):
        nifti(tmp_path / f"{name}.nii.gz")
        (tmp_path / f"{name}.json").write_text(json.dumps({"ContrastBolusIngredient": "GADOLINIUM"}))
    (study,) = find_studies(tmp_path)
    assert chosen(study) == {"t1": "p_t1.nii.gz", "t1ce": "p_t1ce.nii.gz"}


def test_a_second_label_is_left_out_with_the_first_one_named(tmp_path: Path) -> None:
    for name in ("p_t1", "p_seg", "p_silver"):
        nifti(tmp_path / f"{name}.nii.gz")
    study = study_of(tmp_path / "p_silver.nii.gz")
    assert study.label == tmp_path / "p_seg.nii.gz"
    assert [(o.name, o.reason) for o in study.refused] == [("p_silver.nii.gz", "a label beside p_seg.nii.gz")]


def test_a_refused_image_may_be_asked_for_and_gives_the_grid_not_the_content(tmp_path: Path) -> None:
    asked = nifti(tmp_path / "p" / "DWI_b1000.nii.gz")
    nifti(tmp_path / "p" / "T2_AX.nii.gz")
    study = study_of(asked)
    assert chosen(study) == {"t2": "T2_AX.nii.gz"}
    volumes, name = read_with_target(study, asked)
    assert (list(volumes), name) == (["t2", "DWI_b1000.nii.gz"], "DWI_b1000.nii.gz")


def test_sidecars_with_times_tell_two_images_of_one_protocol_apart(tmp_path: Path) -> None:
    for number, time in ((3, "10:00:00.00"), (9, "10:20:00.00")):
        nifti(tmp_path / "p" / f"T1_SE_AX_{number}.nii.gz")
        content = {"SeriesDescription": "T1 SE AX", "AcquisitionTime": time, "StudyDescription": "MRI BRAIN W WO"}
        (tmp_path / "p" / f"T1_SE_AX_{number}.json").write_text(json.dumps(content))
    (study,) = find_studies(tmp_path)
    assert chosen(study) == {"t1": "T1_SE_AX_3.nii.gz", "t1ce": "T1_SE_AX_9.nii.gz"}


def test_two_images_of_one_protocol_without_times_are_unknown(tmp_path: Path) -> None:
    for number in (3, 9):
        nifti(tmp_path / "p" / f"T1_SE_AX_{number}.nii.gz")
    (study,) = survey(tmp_path)
    assert not study.sources
    assert all("one may be after contrast agent" in o.reason for o in study.unknown)


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"ImageType": 5, "RepetitionTime": "x"}', '{"a": NaN}'])
def test_a_broken_sidecar_is_as_good_as_none(tmp_path: Path, content: str) -> None:
    nifti(tmp_path / "p1_t2.nii.gz")
    (tmp_path / "p1_t2.json").write_text(content)
    assert list(find_studies(tmp_path)[0].sources) == ["t2"]


def test_a_request_names_modalities_before_all_rules(tmp_path: Path) -> None:
    for name in ("T2_AX", "T1_AX", "scan", "T1_MPR_COR"):
        nifti(tmp_path / "p" / f"{name}.nii.gz")
    study = study_of(tmp_path / "p" / "T2_AX.nii.gz", named={"t1ce": "scan", "t1": "T1_MPR_COR.nii.gz"})
    assert chosen(study) == {"t1": "T1_MPR_COR.nii.gz", "t2": "T2_AX.nii.gz", "t1ce": "scan.nii.gz"}
    assert study.sources["t1ce"].rule == "named in the request"
    assert [o.name for o in study.spare] == ["T1_AX.nii.gz"]
    assert study.unknown == study.refused == ()


def test_a_named_image_is_not_also_used_as_what_the_rules_say(tmp_path: Path) -> None:
    nifti(tmp_path / "p_t1.nii.gz")
    study = study_of(tmp_path / "p_t1.nii.gz", named={"t1ce": "p_t1"})
    assert list(study.sources) == ["t1ce"]


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ({"t1ce": "absent"}, "names absent, which is not among the images of the study: p_t1"),
        ({"dwi": "p_t1"}, "names dwi, expected names from t1, t1ce, t2, flair"),
        ({"t1ce": "../other_t1"}, "is not among"),
    ],
)
def test_names_that_cannot_be_followed_are_refused(tmp_path: Path, named: dict[str, str], sentence: str) -> None:
    nifti(tmp_path / "p_t1.nii.gz")
    with pytest.raises(InputError, match=sentence):
        study_of(tmp_path / "p_t1.nii.gz", named=named)


def test_the_modalities_of_another_task_are_found_by_strict_names(tmp_path: Path) -> None:
    for name in ("case_t2", "case_adc", "case_highb", "case_seg", "T2_AX_SE"):
        nifti(tmp_path / f"{name}.nii.gz")
    (study,) = find_studies(tmp_path, ("t2", "adc", "highb"))
    assert sorted(study.sources) == ["adc", "highb", "t2"]
    assert [o.name for o in study.unknown] == ["T2_AX_SE.nii.gz"]


def test_a_large_folder_of_strict_names_is_scanned_without_opening_an_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for case in range(200):
        for modality in ("t1", "t1ce", "t2", "flair"):
            (tmp_path / f"BraTS2021_{case:05d}_{modality}.nii.gz").touch()
    monkeypatch.setattr(nib.loadsave, "load", lambda path: pytest.fail(f"{path} was opened"))
    found = find_studies(tmp_path)
    assert len(found) == 200
    assert all(len(s.sources) == 4 for s in found)


def test_an_asked_image_goes_before_a_better_one_of_its_modality(tmp_path: Path) -> None:
    nifti(tmp_path / "T2_COR.nii.gz", spacing=(1, 6, 1))
    nifti(tmp_path / "T2_AX_3D.nii.gz")
    assert chosen(study_of(tmp_path / "T2_AX_3D.nii.gz"))["t2"] == "T2_AX_3D.nii.gz"
    assert chosen(study_of(tmp_path / "T2_COR.nii.gz"))["t2"] == "T2_COR.nii.gz"


def test_images_of_strangers_in_the_folder_for_temporary_files_are_not_of_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan.tempfile, "gettempdir", lambda: str(tmp_path))
    for name in ("T1_AX", "T2_AX", "x_t1", "x_t2"):
        nifti(tmp_path / f"{name}.nii.gz")
    assert list(study_of(tmp_path / "T2_AX.nii.gz").sources) == ["t2"]
    assert list(study_of(tmp_path / "x_t2.nii.gz").sources) == ["t1", "t2"]


def test_a_picture_of_few_slices_and_a_damaged_file_are_refused(tmp_path: Path) -> None:
    nifti(tmp_path / "T2_AX.nii.gz", (12, 12, 3))
    (tmp_path / "T1_AX.nii.gz").write_bytes(b"not an image")
    nifti(tmp_path / "FLAIR_time_series.nii.gz", (12, 12, 12, 30))
    (study,) = survey(tmp_path)
    assert {o.name: o.reason for o in study.refused} == {
        "FLAIR_time_series.nii.gz": "4D with 30 volumes, no single image",
        "T1_AX.nii.gz": study.refused[1].reason,
        "T2_AX.nii.gz": "only 3 slices",
    }
    assert "holds text" in study.refused[1].reason
