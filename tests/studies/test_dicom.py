from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from ccsd.common.errors import InputError
from ccsd.imaging.dicom import group_series, is_dicom_file
from ccsd.imaging.dicom_volume import read_series
from ccsd.imaging.volumes import read_sources
from ccsd.studies.study import read_with_target, study_of, survey
from tests.conftest import SHARED_DATA
from tests.studies.dicom_files import Made, some_data, write_series


def rotation(a: float, b: float) -> tuple[float, ...]:
    """Direction cosines of rows and columns, turned about two axes."""
    x = np.array([np.cos(a), np.sin(a), 0.0])
    y = np.array([-np.sin(a) * np.cos(b), np.cos(a) * np.cos(b), np.sin(b)])
    return tuple(float(v) for v in (*x, *y))


def by_simpleitk(paths: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """(columns, rows, slices) and RAS affine, by GDCM's own ordering."""
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(paths[0].parent)))
    image = reader.Execute()
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return SimpleITK.GetArrayFromImage(image).transpose(2, 1, 0), np.diag([-1, -1, 1, 1]) @ affine


@pytest.mark.parametrize(
    "made",
    [
        Made(some_data()),
        Made(some_data(), orientation=rotation(0.2, -0.3)),
        Made(some_data(), orientation=(0.0, 1.0, 0.0, 0.0, 0.0, -1.0)),  # sagittal
        Made(some_data(), orientation=(1.0, 0.0, 0.0, 0.0, 0.0, -1.0)),  # coronal
        Made(some_data(), order=[7, 6, 5, 4, 3, 2, 1, 0]),
        Made(some_data(), order=[3, 0, 7, 1, 6, 2, 5, 4]),
        Made(some_data(), tags={"RescaleSlope": 2.5, "RescaleIntercept": -100.0}),
    ],
    ids=["axial", "oblique", "sagittal", "coronal", "reversed", "shuffled", "rescaled"],
)
def test_a_series_is_read_as_simpleitk_reads_it(tmp_path: Path, made: Made) -> None:
    paths = write_series(tmp_path, made)
    volume = read_series(paths, "series 1")
    data, affine = by_simpleitk(paths)
    assert np.allclose(volume.data, data, atol=1e-3)
    assert np.allclose(volume.grid.affine, affine, atol=1e-4)


def test_slices_lie_where_their_positions_say_and_values_are_rescaled(tmp_path: Path) -> None:
    made = Made(some_data(), order=[5, 1, 3, 0, 7, 2, 4, 6], tags={"RescaleSlope": 0.5, "RescaleIntercept": 7.0})
    volume = read_series(write_series(tmp_path, made), "series 1")
    assert np.allclose(volume.data, made.data * 0.5 + 7)
    assert np.allclose(volume.grid.affine @ [0, 0, 0, 1], [20, 30, 10, 1])
    assert np.allclose(volume.grid.affine @ [1, 2, 3, 1], [20 - 1.1, 30 - 2 * 0.9, 10 + 9, 1])


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (Made(some_data(), without=[3, 4, 5]), "apart, about 3 slices are missing"),
        (Made(some_data(), step=(0.0, 0.0, 0.0)), "7 slices at the place of another"),
        (Made(some_data(), tags={"NumberOfFrames": 3}), "several frames that do not say where they lie"),
        (Made(some_data(), tags={"Modality": "CT"}), "of modality CT, expected MR"),
        (Made(some_data((10, 12, 1))), "has 1 slice, expected a volume"),
        (Made(some_data(), tags={"PixelSpacing": [0.0, 1.0]}), "without position, orientation or spacing"),
        (Made(some_data(), orientation=(1.0, 0.0, 0.0, 0.8, 0.6, 0.0)), "no pair of unit vectors"),
        (Made(some_data(), tags={"Rows": 30000, "Columns": 30000}), "declares shape"),
    ],
    ids=["gap", "double", "frames", "CT", "single", "spacing", "skewed", "huge"],
)
def test_files_that_make_up_no_volume_are_refused_with_one_sentence(tmp_path: Path, made: Made, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        read_series(write_series(tmp_path, made), "series 1")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (Made(some_data((14, 12, 8)), origin=(0, 0, 90)), "mixes slices of 10x12 and 14x12 pixels"),
        (Made(some_data(), origin=(0, 0, 90), spacing=(2.0, 2.0)), "mixes pixel spacings"),
        (Made(some_data(), origin=(0, 0, 90), orientation=rotation(0.5, 0.0)), "mixes slices of several orientations"),
    ],
    ids=["size", "spacing", "orientation"],
)
def test_mixed_slices_are_refused(tmp_path: Path, other: Made, sentence: str) -> None:
    first = write_series(tmp_path / "a", Made(some_data()))
    with pytest.raises(InputError, match=sentence):
        read_series([*first, *write_series(tmp_path / "b", other)], "series 1")


def test_a_truncated_slice_is_refused_by_name(tmp_path: Path) -> None:
    paths = write_series(tmp_path, Made(some_data()))
    paths[2].write_bytes(paths[2].read_bytes()[:-100])
    with pytest.raises(InputError, match=rf"{paths[2].name} has voxels that cannot be read"):
        read_series(paths, "series 1")


def test_other_files_of_a_folder_do_not_disturb(tmp_path: Path) -> None:
    write_series(tmp_path, Made(some_data(), tags={"SeriesDescription": "AX T2"}))
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    (tmp_path / "notes.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"nothing that is DICOM")
    (tmp_path / "readme").write_text("text")
    (study,) = survey(tmp_path)
    assert list(study.sources) == ["t2"]
    assert not is_dicom_file(tmp_path / "readme")


def test_several_series_in_one_folder_are_told_apart_by_their_uids(tmp_path: Path) -> None:
    for number, description in enumerate(("AX T2", "AX FLAIR", "AX T1 POST", "AX T1 PRE"), start=1):
        made = Made(some_data(seed=number), number=number, tags={"SeriesDescription": description})
        write_series(tmp_path, made)
    (study,) = survey(tmp_path)
    assert {m: s.title for m, s in study.sources.items()} == {
        "t2": "series 1 AX T2",
        "flair": "series 2 AX FLAIR",
        "t1ce": "series 3 AX T1 POST",
        "t1": "series 4 AX T1 PRE",
    }
    volumes = read_sources(study.sources)
    assert np.allclose(volumes["flair"].data, some_data(seed=2))


def test_two_studies_in_one_folder_stay_two(tmp_path: Path) -> None:
    for uid in ("1.2.3", "1.2.4"):
        write_series(tmp_path / uid, Made(some_data(), study_uid=uid, tags={"SeriesDescription": "AX T2"}))
    assert [s.id for s in survey(tmp_path)] == ["1.2.3", "1.2.4"]
    with pytest.raises(InputError, match=r"holds 2 studies \(1\.2\.3, 1\.2\.4\), expected one"):
        study_of(tmp_path)


def test_any_file_of_a_series_finds_the_sister_series_in_the_folders_beside_it(tmp_path: Path) -> None:
    t2 = write_series(tmp_path / "a", Made(some_data(), number=1, tags={"SeriesDescription": "AX T2"}))
    write_series(tmp_path / "b", Made(some_data(), number=2, tags={"SeriesDescription": "AX FLAIR"}))
    other = Made(some_data(), study_uid="9.9", number=3, tags={"SeriesDescription": "AX T1 POST"})
    write_series(tmp_path / "stranger", other)
    study = study_of(t2[4])
    assert list(study.sources) == ["t2", "flair"]
    volumes, asked = read_with_target(study, t2[4])
    assert (list(volumes), asked) == (["t2", "flair"], "t2")


def test_an_examination_over_midnight_is_ordered_by_date_and_time(tmp_path: Path) -> None:
    for number, (date, time) in enumerate((("20250101", "235000"), ("20250102", "001500")), start=1):
        tags = {"SeriesDescription": "T1 AX", "StudyDescription": "MRI BRAIN W WO CONTRAST", "RepetitionTime": 500}
        tags |= {"AcquisitionDate": date, "AcquisitionTime": time}
        write_series(tmp_path, Made(some_data(), number=number, tags=tags))
    (study,) = survey(tmp_path)
    assert {m: s.title for m, s in study.sources.items()} == {"t1": "series 1 T1 AX", "t1ce": "series 2 T1 AX"}


def test_a_series_that_is_refused_can_be_named_by_uid_number_or_title(tmp_path: Path) -> None:
    tags = {"SeriesDescription": "AX T1", "ImageType": ["ORIGINAL", "PRIMARY", "MPR"]}
    write_series(tmp_path, Made(some_data(), series_uid="1.2.3.5", number=5, tags=tags))
    write_series(tmp_path, Made(some_data(), number=1, tags={"SeriesDescription": "AX T2"}))
    for name in ("1.2.3.5", "5", "series 5 AX T1"):
        study = study_of(tmp_path, named={"t1ce": name})
        assert {m: s.uid for m, s in study.sources.items()}["t1ce"] == "1.2.3.5"
        assert study.sources["t1ce"].rule == "named in the request"
        assert study.refused == ()


def test_a_task_that_is_not_of_the_brain_takes_a_series_by_its_exact_description_only(tmp_path: Path) -> None:
    write_series(tmp_path, Made(some_data(), number=1, tags={"SeriesDescription": "ADC"}))
    write_series(tmp_path, Made(some_data(), number=2, tags={"SeriesDescription": "ax t2"}))
    study = study_of(tmp_path, ("t2", "adc", "highb"))
    assert list(study.sources) == ["adc"]
    assert [o.source.title for o in study.unknown] == ["series 2 ax t2"]


@pytest.fixture(scope="module")
def philips() -> Path:
    folder = SHARED_DATA / "dicom" / "glioma-philips"
    if not folder.is_dir():
        pytest.skip("the real DICOM study is not on this machine (../shared/data)")
    return folder


def number(title: str) -> int:
    return int(title.split()[1])


def test_the_real_study_is_recognised_without_an_agent_in_any_tag(philips: Path) -> None:
    (study,) = survey(philips)
    assert {m: number(s.title) for m, s in study.sources.items()} == {"t1": 901, "t1ce": 1201, "t2": 401, "flair": 701}
    reasons = {number(o.name): o.reason for o in study.refused}
    assert "localiser" in reasons[101]
    assert "diffusion" in reasons[303]
    assert "reformat" in reasons[503]
    assert {number(o.name) for o in study.spare} == {801, 1301}
    assert study.unknown == ()


def test_the_real_study_is_recognised_from_one_folder_of_mixed_files_without_names(
    philips: Path, tmp_path: Path
) -> None:
    for index, path in enumerate(sorted(philips.rglob("*.dcm"), key=lambda p: hash(p.name + p.parent.name))):
        shutil.copy(path, tmp_path / f"{index:05d}")
    (study,) = survey(tmp_path)
    assert {m: number(s.title) for m, s in study.sources.items()} == {"t1": 901, "t1ce": 1201, "t2": 401, "flair": 701}


@pytest.mark.parametrize("series", [303, 401, 503, 701, 801, 901, 1102, 1201, 1301])
def test_a_real_series_is_read_as_simpleitk_reads_it(philips: Path, series: int) -> None:
    paths = sorted((philips / f"series-{series}").iterdir())
    volume = read_series(paths, "series")
    data, affine = by_simpleitk(paths)
    assert np.allclose(volume.data, data, rtol=1e-5, atol=1e-2)
    assert np.allclose(volume.grid.affine, affine, atol=1e-6)


def test_the_asked_series_goes_before_better_ones_of_its_modality(philips: Path) -> None:
    asked = next((philips / "series-801").iterdir())
    assert number(study_of(asked).sources["t2"].title) == 801


def test_inspect_prints_json_and_nothing_else(philips: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ccsd", "inspect", philips, "--json"], capture_output=True, text=True, check=True
    )
    (study,) = json.loads(done.stdout)["studies"]
    assert "1201" in study["modalities"]["t1ce"]["source"]
    assert study["modalities"]["t1ce"]["rule"]
    assert all(row["reason"] for row in study["refused"])


def test_series_of_one_uid_are_one_whatever_their_folders(tmp_path: Path) -> None:
    made = Made(some_data())
    first = write_series(tmp_path / "a", replace(made, without=[4, 5, 6, 7]))
    second = write_series(tmp_path / "b", replace(made, without=[0, 1, 2, 3]))
    (series,) = group_series([*first, *second])
    assert np.allclose(read_series([s.path for s in series.slices], "series").data, made.data)
