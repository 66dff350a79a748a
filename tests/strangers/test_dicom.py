"""DICOM that people have: it is read as its plain form is, or the sentence says what is wrong with which file.

Sources: issues of pydicom on bits above BitsStored, of dicom2nifti on 12 signed bits, missing slices and sheared
gantries, of pydicom and pydicom/deid on JPEG Lossless, of dicom2nifti, vtk-dicom and pydicer on copies; dcm2niix' notes
on enhanced images of Philips and Siemens XA; forum posts on studies that got a StudyInstanceUID a series when they were
made anonymous.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from ccsd.common.errors import InputError
from ccsd.imaging.seg_read import read_seg
from ccsd.imaging.seg_write import Author, make_seg
from ccsd.imaging.volumes import Volume, read_source, source_grid
from ccsd.method.task import BRATS
from ccsd.studies.study import Study, read_with_target, study_of, survey
from tests.strangers import dicom as made_as
from tests.strangers.dicom import Enhanced, Frame, edited, write_enhanced
from tests.studies.dicom_files import Made, some_data, write_series

FLAIR = {"SeriesDescription": "T2 FLAIR"}
DATA = some_data((24, 20, 10))


def flair_of(path: Path) -> Volume:
    return read_source(study_of(path).sources["flair"])


def assert_same(one: Volume, other: Volume) -> None:
    assert np.allclose(one.data, other.data, atol=1e-3)
    assert one.grid.shape == other.grid.shape
    assert np.allclose(one.grid.affine, other.grid.affine, atol=1e-4)


@pytest.fixture
def series(tmp_path: Path) -> list[Path]:
    return write_series(tmp_path / "study", Made(DATA, tags=FLAIR))


@pytest.fixture
def plain(tmp_path: Path) -> Volume:
    write_series(tmp_path / "plain", Made(DATA, tags=FLAIR, study_uid="9.9"))
    return flair_of(tmp_path / "plain")


@pytest.mark.parametrize(
    "edit", [made_as.overlay_above, made_as.signed_12_bits, made_as.high_bit_15, made_as.monochrome1]
)
def test_only_the_stored_bits_count(series: list[Path], plain: Volume, edit: Callable[[Dataset], None]) -> None:
    for path in series:
        edited(path, edit)
    assert_same(flair_of(series[0].parent), plain)


@pytest.mark.parametrize("edit", [None, made_as.overlay_above, made_as.signed_12_bits])
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.57"])
def test_jpeg_lossless_is_read(
    series: list[Path], plain: Volume, syntax: str, edit: Callable[[Dataset], None] | None
) -> None:
    for path in series:
        if edit:
            edited(path, edit)
        made_as.jpeg_lossless(path, syntax)
    assert_same(flair_of(series[0].parent), plain)


def test_a_compression_that_cannot_be_read_is_named_and_the_other_series_are_used(tmp_path: Path) -> None:
    for path in write_series(tmp_path / "a", Made(DATA, tags=FLAIR)):
        made_as.stored_as(path, "1.2.840.10008.1.2.4.201")
    with pytest.raises(InputError, match=r"High-Throughput JPEG 2000.*1\.2\.840\.10008\.1\.2\.4\.201"):
        study_of(tmp_path / "a")
    write_series(tmp_path / "b", Made(DATA, number=2, tags={"SeriesDescription": "AX T2"}))
    study = study_of(tmp_path)
    assert list(study.sources) == ["t2"]
    assert "4.201" in study.refused[0].reason


@pytest.mark.parametrize("strip", [made_as.without_preamble, made_as.meta_without_preamble])
def test_no_preamble_is_needed(series: list[Path], plain: Volume, strip: Callable[[Path], None]) -> None:
    for path in series:
        strip(path)
    assert_same(flair_of(series[0].parent), plain)
    assert_same(flair_of(series[3]), plain)


@pytest.mark.parametrize("name", ["{}.ima", "{}.img", "{}", "{}.MR", "MR.1.2.{}", "{}.nii", "{}.123abc", "{}.txt"])
def test_any_name_will_do(series: list[Path], plain: Volume, name: str) -> None:
    for number, path in enumerate(series):
        path.rename(path.with_name(name.format(number)))
    assert_same(flair_of(series[0].parent), plain)
    assert_same(flair_of(series[0].parent / name.format(2)), plain)


def test_copies_of_files_and_of_whole_series_are_passed_over(series: list[Path], plain: Volume) -> None:
    shutil.copy(series[4], series[4].with_name("copy of 4"))
    assert_same(flair_of(series[0].parent), plain)
    shutil.copytree(series[0].parent, series[0].parent.parent / "again")
    assert_same(flair_of(series[0]), plain)
    for path in series[0].parent.parent.joinpath("plain").iterdir():
        path.unlink()
    assert_same(flair_of(series[0].parent.parent), plain)


def test_copies_with_identifiers_of_their_own_are_one_volume_and_said(series: list[Path], plain: Volume) -> None:
    for number, path in enumerate(series):
        copy = path.with_name(f"copy{number}")
        shutil.copy(path, copy)
        edited(copy, lambda d: setattr(d, "SOPInstanceUID", generate_uid()))
    source = study_of(series[0].parent).sources["flair"]
    assert_same(read_source(source), plain)
    assert "up to 2 slices lie at one place" in source.notes[0]
    volumes, asked = read_with_target(study_of(series[0].with_name("copy3")), series[0].with_name("copy3"))
    assert_same(volumes[asked], plain)


def test_one_identifier_for_all_instances_is_no_copy(series: list[Path], plain: Volume) -> None:
    for path in series:
        edited(path, lambda d: setattr(d, "SOPInstanceUID", "1.2.3.4"))
    assert_same(flair_of(series[0].parent), plain)


@pytest.mark.parametrize("missing", [[4], [3, 4], [1]])
def test_missing_slices_are_filled_and_named(tmp_path: Path, missing: list[int]) -> None:
    level = np.broadcast_to(np.arange(24) * 40 + 100, (24, 20, 24)).astype(np.uint16).transpose(2, 1, 0)
    paths = write_series(tmp_path / "study", Made(level, without=missing, tags=FLAIR))
    write_series(tmp_path / "whole", Made(level, tags=FLAIR))
    source = study_of(tmp_path / "study").sources["flair"]
    whole = flair_of(tmp_path / "whole")
    assert_same(read_source(source), whole)
    assert paths[missing[0] - 1].name in source.notes[0]
    assert f"lacks {len(missing)} of 24 slices" in source.notes[0]


def test_too_many_missing_slices_are_refused_by_number(tmp_path: Path) -> None:
    write_series(tmp_path, Made(DATA, without=[3, 4, 5], tags=FLAIR))
    with pytest.raises(InputError, match=r"T2 FLAIR.*about 3 slices are missing"):
        study_of(tmp_path)


def test_slices_of_a_tilted_gantry_lie_where_they_lay(tmp_path: Path) -> None:
    point = np.zeros((24, 20, 10), dtype=np.uint16)
    point[12, 8, 6], point[3, 3, 1] = 900, 500
    made = Made(point, step=(0.0, 0.9 * 2, 3.0), tags=FLAIR)
    paths = write_series(tmp_path, made)
    source = study_of(tmp_path).sources["flair"]
    volume = read_source(source)
    header = pydicom.dcmread(paths[6])
    placed = np.array(header.ImagePositionPatient) + np.array([12 * 1.1, 8 * 0.9, 0])  # LPS
    index = np.linalg.inv(volume.grid.affine) @ [-placed[0], -placed[1], placed[2], 1]
    assert np.allclose(np.array(np.unravel_index(volume.data.argmax(), volume.data.shape)), index[:3], atol=1e-3)
    axes = volume.grid.affine[:3, :3] / volume.grid.spacing
    assert np.allclose(axes.T @ axes, np.eye(3), atol=1e-6)
    assert "sheared by 16.2 mm" in source.notes[0]
    assert volume.data.sum() == pytest.approx(1400)


def frames(data: np.ndarray = DATA, **values: object) -> list[Frame]:
    return [Frame(data[:, :, k], (-20.0, -30.0, 10 + 3.0 * k), **values) for k in range(data.shape[2])]  # type: ignore[arg-type]


@pytest.mark.parametrize("shared", [True, False], ids=["Siemens", "Philips"])
@pytest.mark.parametrize("order", ["up", "down"])
def test_an_enhanced_image_is_read_as_its_slices_are(tmp_path: Path, plain: Volume, shared: bool, order: str) -> None:
    made = frames() if order == "up" else frames()[::-1]
    path = write_enhanced(tmp_path / "study" / "one", Enhanced(made, shared=shared))
    assert_same(flair_of(path.parent), plain)
    assert_same(flair_of(path), plain)
    source = study_of(path).sources["flair"]
    assert "TI 2500" in source.rule
    assert source_grid(source).shape == plain.grid.shape


@pytest.mark.parametrize("shared", [True, False], ids=["Siemens", "Philips"])
def test_a_mask_on_an_enhanced_image_is_a_dicom_seg_and_comes_back(tmp_path: Path, shared: bool) -> None:
    source = study_of(write_enhanced(tmp_path / "study" / "one", Enhanced(frames(), shared=shared))).sources["flair"]
    mask = (some_data((24, 20, 10)) % 4).astype(np.uint8)
    seg = make_seg(mask, source.series or (), BRATS, Author("AUTOMATIC", "1", "test"), frames=source.frames)
    assert np.array_equal(read_seg(seg, source_grid(source), BRATS), mask)


def test_frames_have_their_own_rescaling(tmp_path: Path, plain: Volume) -> None:
    made = frames()
    for number, frame in enumerate(made):
        frame.slope, frame.intercept = 0.5 + number, 3.0 * number
    volume = flair_of(write_enhanced(tmp_path / "study" / "one", Enhanced(made)))
    assert np.allclose(volume.data, plain.data * (0.5 + np.arange(10)) + 3.0 * np.arange(10), atol=0.1)


def test_a_compressed_enhanced_image_is_read(tmp_path: Path, plain: Volume) -> None:
    pieces = []
    for path in write_series(tmp_path / "a", Made(DATA)):
        made_as.jpeg_lossless(path)
        pieces += list(pydicom.encaps.generate_pixel_data_frame(pydicom.dcmread(path).PixelData, 1))
    path = write_enhanced(tmp_path / "study" / "one", Enhanced(frames()))

    def compress(dataset: Dataset) -> None:
        dataset.PixelData = pydicom.encaps.encapsulate(pieces)
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.70"

    assert_same(flair_of(edited(path, compress)), plain)


def test_each_echo_is_a_volume_and_the_title_says_which(tmp_path: Path, plain: Volume) -> None:
    early = frames(some_data((24, 20, 10), seed=3), echo=12.0)
    both = [f for pair in zip(early, frames(), strict=True) for f in pair]  # as Philips interleaves them
    study = study_of(write_enhanced(tmp_path / "study" / "one", Enhanced(both)))
    assert_same(read_source(study.sources["flair"]), plain)
    assert study.sources["flair"].title == "series 401 T2W FLAIR (TE 120 ms)"
    assert "series 401 T2W FLAIR (TE 12 ms)" in left_out(study)


def test_two_echoes_of_single_slices_are_two_volumes(tmp_path: Path, plain: Volume) -> None:
    uid, times = generate_uid(), {"RepetitionTime": 5000, "ScanningSequence": ["SE"]}
    for number, echo in enumerate((12, 100)):
        tags = {"SeriesDescription": "PD/T2 dual", "EchoTime": echo, **times}
        data = DATA if echo == 100 else some_data((24, 20, 10), seed=4)
        paths = write_series(tmp_path / f"{number}", Made(data, series_uid=uid, tags=tags))
        for path in paths:
            path.parent.parent.joinpath("study").mkdir(exist_ok=True)
            path.rename(path.parent.parent / "study" / f"{number}-{path.name}")
    found = [*study_of(tmp_path / "study", named={"t2": "series 1 PD/T2 dual (TE 100 ms)"}).sources.values()]
    assert_same(read_source(found[0]), plain)


def test_each_stack_is_a_volume(tmp_path: Path, plain: Volume) -> None:
    sagittal = [
        Frame(DATA[:, :, k], (10.0 * k, 5.0, 0.0), stack="2", orientation=(0.0, 1.0, 0.0, 0.0, 0.0, -1.0))
        for k in range(10)
    ]
    study = study_of(write_enhanced(tmp_path / "study" / "one", Enhanced([*sagittal, *frames()])))
    names = [study.sources["flair"].title, *left_out(study)]
    assert sorted(names) == [f"series 401 T2W FLAIR (stack {i} of 2)" for i in (1, 2)]
    sources = {s.title: s for s in (*study.sources.values(), *(o.source for o in study.spare))}
    assert_same(read_source(sources["series 401 T2W FLAIR (stack 2 of 2)"]), plain)


def test_of_time_points_the_first_whole_volume_is_used_and_said(tmp_path: Path, plain: Volume) -> None:
    cut_off = frames(some_data((24, 20, 10), seed=3), moment=1)[:4]
    later = frames(some_data((24, 20, 10), seed=5), moment=3)
    source = study_of(write_enhanced(tmp_path / "study" / "one", Enhanced([*later, *cut_off, *frames(moment=2)])))
    flair = source.sources["flair"]
    assert_same(read_source(flair), plain)
    assert "the first whole volume is used" in flair.notes[0]


def test_volumes_in_files_of_their_own_are_told_apart(tmp_path: Path, plain: Volume) -> None:
    uid = generate_uid()
    write_enhanced(tmp_path / "study" / "1", Enhanced(frames(), series_uid=uid))
    write_enhanced(tmp_path / "study" / "2", Enhanced(frames(some_data((24, 20, 10), seed=3)), series_uid=uid))
    source = study_of(tmp_path / "study").sources["flair"]
    assert len(source.series or ()) == 10
    assert len(set(source.series or ())) == 1


ANONYMOUS = {"PatientID": "P7", "StudyDate": "20250101", "PatientName": "x"}


@pytest.mark.parametrize("layout", ["one folder", "a folder a series"])
def test_a_study_uid_a_series_of_one_patient_and_day_is_one_study(tmp_path: Path, layout: str) -> None:
    first = apart(tmp_path, [ANONYMOUS, ANONYMOUS], layout)
    (study,) = survey(tmp_path)
    assert set(study.sources) == {"flair", "t2"}
    assert "StudyInstanceUID of its own" in study.sources["t2"].notes[0]
    assert set(study_of(first).sources) == {"flair", "t2"}
    assert study_of(first).id == study.id


@pytest.mark.parametrize("other", [{"PatientID": "P8"}, {"StudyDate": "20250102"}, {"PatientName": "y"}])
@pytest.mark.parametrize("layout", ["one folder", "a folder a series"])
def test_of_other_patients_or_days_nothing_is_joined(tmp_path: Path, layout: str, other: dict[str, str]) -> None:
    first = apart(tmp_path, [ANONYMOUS, ANONYMOUS | other], layout)
    assert len(survey(tmp_path)) == 2
    assert set(study_of(first).sources) == {"flair"}


def test_who_has_no_patient_number_is_not_joined(tmp_path: Path) -> None:
    apart(tmp_path, [ANONYMOUS | {"PatientID": ""}] * 2, "one folder")
    assert len(survey(tmp_path)) == 2


def apart(folder: Path, patients: list[dict[str, str]], layout: str) -> Path:
    paths = []
    for number, (patient, text) in enumerate(zip(patients, ("T2 FLAIR", "AX T2"), strict=True), start=1):
        place = folder if layout == "one folder" else folder / text
        made = Made(DATA, study_uid=f"9.{number}", number=number, tags={"SeriesDescription": text, **patient})
        paths += write_series(place, made)
    return paths[0]


def test_the_reason_reaches_who_asks_for_a_whole_folder(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", Made(DATA, tags=FLAIR | {"Modality": "CT"}))
    with pytest.raises(InputError, match="series 1 T2 FLAIR is of modality CT, expected MR"):
        study_of(tmp_path / "ct")
    damaged = tmp_path / "damaged" / "IM1"
    damaged.parent.mkdir()
    damaged.write_bytes(b"\0" * 128 + b"DICM" + b"nothing that is DICOM")
    with pytest.raises(InputError, match=r"IM1 .* without StudyInstanceUID"):
        study_of(tmp_path / "damaged")
    report = write_series(tmp_path / "report", Made(DATA[:, :, :2], tags={"Modality": "SR"}))
    for path in report:
        edited(path, lambda d: [d.pop(k) for k in ("Rows", "Columns", "PixelData")])
    with pytest.raises(InputError, match="modality SR"):
        study_of(tmp_path / "report")


def test_a_file_that_cannot_be_read_is_told_beside_those_that_are_used(series: list[Path]) -> None:
    (series[0].parent / "bad").write_bytes(b"\0" * 128 + b"DICM" + b"nothing that is DICOM")
    study = study_of(series[0].parent)
    assert list(study.sources) == ["flair"]
    assert study.refused[0].name == "bad"
    assert "without StudyInstanceUID" in study.refused[0].reason


def left_out(study: Study) -> list[str]:
    return [o.name for o in (*study.spare, *study.unknown, *study.refused)]
