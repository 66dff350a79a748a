"""A SEG is read back, bit for bit, by highdicom, by dcmqi and by ourselves."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ccsd.common.errors import GridMismatchError, InputError
from ccsd.imaging.dicom_volume import series_grid
from ccsd.imaging.grid import Grid
from ccsd.imaging.seg_codes import BRAIN_TUMOUR
from ccsd.imaging.seg_read import is_automatic, read_seg, referenced_series
from ccsd.imaging.seg_write import Author, make_seg
from ccsd.method.task import BRATS
from tests.studies.dicom_files import Made, some_data, write_series

MODEL = Author("AUTOMATIC", "small-1", "CCSD from flair")
TILT, TURN = 0.3, 0.5
OBLIQUE = (np.cos(TURN), np.sin(TURN), 0.0, -np.sin(TURN) * np.cos(TILT), np.cos(TURN) * np.cos(TILT), np.sin(TILT))
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
GEOMETRIES = {
    "axial, anisotropic": {},
    "oblique": {"orientation": OBLIQUE},
    "sagittal": {"orientation": SAGITTAL, "spacing": (1.0, 1.0), "gap": 1.2},
    "slices stored from the last to the first": {"order": (7, 6, 5, 4, 3, 2, 1, 0)},
    "slices stored in no order": {"order": (3, 0, 7, 1, 6, 2, 5, 4), "orientation": OBLIQUE},
}


def series(folder: Path, **geometry: object) -> list[Path]:
    tags = {"PatientID": "p1", "StudyDate": "20250102"}
    made = Made(some_data(), series_uid="1.2.3.4", tags=tags)
    return write_series(folder, replace(made, **geometry))  # type: ignore[arg-type]


def some_mask(files: list[Path]) -> tuple[NDArray[np.uint8], Grid]:
    """Values 0 to 3 on the series' grid, none of them symmetric; the first and last slices are empty."""
    grid = series_grid(files, "the series")
    mask = np.random.default_rng(3).integers(0, 4, grid.shape).astype(np.uint8)
    mask[:2] = 0
    mask[:, -3:] = 0
    mask[:, :, [0, -1]] = 0
    return mask, grid


def stored(seg: Dataset, path: Path) -> Path:
    seg.save_as(path, write_like_original=False)
    return path


def read_by_highdicom(seg: Path, files: list[Path]) -> NDArray[np.uint8]:
    """On the slices of the series by their UIDs, as (slices, rows, columns)."""
    ordered = sorted(files, key=lambda f: slice_height(f))
    uids = [str(pydicom.dcmread(f, stop_before_pixels=True).SOPInstanceUID) for f in ordered]
    opened = hd.seg.segread(seg)
    found: NDArray[np.uint8] = opened.get_pixels_by_source_instance(
        uids, combine_segments=True, assert_missing_frames_are_empty=True
    )
    return found


def slice_height(file: Path) -> float:
    header = pydicom.dcmread(file, stop_before_pixels=True)
    o = header.ImageOrientationPatient
    return float(np.dot(np.cross(o[:3], o[3:]), header.ImagePositionPatient))


def read_by_dcmqi(seg: Path, folder: Path, grid: Grid) -> NDArray[np.uint8]:
    """Its NIfTI files, one a segment, brought to the series' grid by their affines."""
    folder.mkdir()
    program = Path(sys.executable).parent / "segimage2itkimage"
    command = [str(program), "--inputDICOM", str(seg), "--outputDirectory", str(folder), "-t", "nifti"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    told = json.loads((folder / "meta.json").read_text())["segmentAttributes"]
    label = np.zeros(grid.shape, np.uint8)
    for number, attributes in enumerate(told, start=1):
        image = nib.loadsave.load(folder / f"{number}.nii.gz")
        points = np.argwhere(np.asarray(image.dataobj) > 0)
        if not len(points):
            continue
        to_series = np.linalg.inv(grid.affine) @ image.affine
        index = nib.affines.apply_affine(to_series, points)
        assert np.abs(index - np.rint(index)).max() < 1e-2
        a, b, c = np.rint(index).astype(int).T
        label[a, b, c] = attributes[0]["labelID"]
    return label


@pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)
def test_every_reader_gets_the_same_mask(geometry: dict[str, object], tmp_path: Path) -> None:
    files = series(tmp_path / "series", **geometry)
    mask, grid = some_mask(files)
    seg = stored(make_seg(mask, files, BRATS, MODEL), tmp_path / "seg.dcm")
    assert np.array_equal(read_seg(pydicom.dcmread(seg), grid, BRATS), mask)
    assert np.array_equal(read_by_highdicom(seg, files), mask.transpose(2, 1, 0))
    assert np.array_equal(read_by_dcmqi(seg, tmp_path / "dcmqi", grid), mask)


@pytest.mark.parametrize("kept", [(), (2,), (3,), (2, 3)], ids=["none", "oedema", "enhancing", "both"])
def test_segments_keep_their_numbers_where_others_are_empty(kept: tuple[int, ...], tmp_path: Path) -> None:
    files = series(tmp_path / "series")
    mask, grid = some_mask(files)
    mask[~np.isin(mask, kept)] = 0
    seg = stored(make_seg(mask, files, BRATS, MODEL), tmp_path / "seg.dcm")
    described = pydicom.dcmread(seg).SegmentSequence
    assert [(int(s.SegmentNumber), s.SegmentLabel) for s in described] == [(v, n) for n, v in BRATS.labels.items()]
    assert np.array_equal(read_seg(pydicom.dcmread(seg), grid, BRATS), mask)
    assert np.array_equal(read_by_highdicom(seg, files), mask.transpose(2, 1, 0))
    if kept:  # dcmqi does not read a segmentation without anything in it
        assert np.array_equal(read_by_dcmqi(seg, tmp_path / "dcmqi", grid), mask)


def test_it_says_what_it_is_of_whom_and_by_which_model(tmp_path: Path) -> None:
    files = series(tmp_path / "series")
    mask, _ = some_mask(files)
    seg = pydicom.dcmread(stored(make_seg(mask, files, BRATS, MODEL), tmp_path / "seg.dcm"))
    assert (seg.SOPClassUID, seg.Modality) == (pydicom.uid.SegmentationStorage, "SEG")
    assert (seg.PatientID, seg.StudyInstanceUID, seg.FrameOfReferenceUID) == ("p1", "1.2.3", "1.2.3.9")
    assert seg.SeriesInstanceUID != "1.2.3.4"
    assert referenced_series(seg) == "1.2.3.4"
    sources = {str(pydicom.dcmread(f, stop_before_pixels=True).SOPInstanceUID) for f in files}
    assert {
        str(i.ReferencedSOPInstanceUID) for i in seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    } == sources
    for frame in seg.PerFrameFunctionalGroupsSequence:
        used = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        assert used in sources
    for segment in seg.SegmentSequence:
        meaning = BRAIN_TUMOUR[segment.SegmentNumber]
        assert segment.SegmentAlgorithmType == "AUTOMATIC"
        assert segment.SegmentationAlgorithmIdentificationSequence[0].AlgorithmVersion == "small-1"
        kind = segment.SegmentedPropertyTypeCodeSequence[0]
        assert (kind.CodeValue, kind.CodingSchemeDesignator) == (meaning.type.value, "SCT")
        assert len(segment.RecommendedDisplayCIELabValue) == 3
    assert is_automatic(seg)
    assert not is_automatic(make_seg(mask, files, BRATS, Author("MANUAL", "0.1.0", "label")))


def edited(files: list[Path], mask: NDArray[np.uint8], file: Path) -> Path:
    """As another program would store it: segments in another order, under its own names, cropped, frames mixed."""
    swapped = np.select([mask == 1, mask == 2, mask == 3], [3, 1, 2]).astype(np.uint8)
    seg = pydicom.dcmread(stored(make_seg(swapped, files, BRATS, Author("MANUAL", "1", "edited")), file))
    described = {int(s.SegmentNumber): s for s in seg.SegmentSequence}
    kinds = {n: described[n].SegmentedPropertyTypeCodeSequence for n in described}
    for ours, theirs in ((1, 3), (2, 1), (3, 2)):
        described[theirs].SegmentedPropertyTypeCodeSequence = kinds[ours]
        described[theirs].SegmentLabel = f"Segment_{theirs}"
    frames = np.asarray(seg.pixel_array)[:, :-3, 2:]  # rows, columns that are empty in some_mask
    groups = list(seg.PerFrameFunctionalGroupsSequence)
    order = np.random.default_rng(0).permutation(len(groups))
    for group in groups:
        position = group.PlanePositionSequence[0]
        shared = seg.SharedFunctionalGroupsSequence[0]
        step = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient[:3], float)
        step *= float(shared.PixelMeasuresSequence[0].PixelSpacing[1])
        position.ImagePositionPatient = [round(float(v), 5) for v in np.array(position.ImagePositionPatient) + 2 * step]
    seg.PerFrameFunctionalGroupsSequence = pydicom.Sequence([groups[i] for i in order])
    seg.Rows, seg.Columns = frames.shape[1:]
    bits = np.packbits(frames[order].ravel(), bitorder="little").tobytes()
    seg.PixelData = bits + b"\0" * (len(bits) % 2)
    return stored(seg, file)


def test_a_file_edited_elsewhere_is_read_by_its_codes_and_places(tmp_path: Path) -> None:
    files = series(tmp_path / "series", orientation=OBLIQUE)
    mask, grid = some_mask(files)
    seg = pydicom.dcmread(edited(files, mask, tmp_path / "seg.dcm"))
    assert np.array_equal(read_seg(seg, grid, BRATS), mask)


def test_names_tell_where_codes_do_not_and_strange_segments_are_left_out(tmp_path: Path) -> None:
    files = series(tmp_path / "series")
    mask, grid = some_mask(files)
    seg = make_seg(mask, files, BRATS, MODEL)
    for segment, name in zip(seg.SegmentSequence, ("Liver", "Edema", "Enhancing"), strict=True):
        kind = segment.SegmentedPropertyTypeCodeSequence[0]
        kind.CodeValue, kind.CodeMeaning = "108369006", "Neoplasm"
        kind.pop("SegmentedPropertyTypeModifierCodeSequence", None)
        segment.SegmentLabel = name
    assert np.array_equal(read_seg(seg, grid, BRATS), np.where(mask == 1, 0, mask))
    for segment in seg.SegmentSequence:
        segment.SegmentLabel = "Liver"
    with pytest.raises(InputError, match="has the segments 'Liver', 'Liver', 'Liver', expected some of necrotic"):
        read_seg(seg, grid, BRATS)


def test_what_cannot_be_a_label_is_refused(tmp_path: Path) -> None:
    files = series(tmp_path / "series")
    mask, grid = some_mask(files)
    seg = make_seg(mask, files, BRATS, MODEL)
    moved = Grid(grid.shape, grid.affine @ nib.affines.from_matvec(np.eye(3), [0.4, 0, 0]))
    with pytest.raises(GridMismatchError, match="between the voxels"):
        read_seg(seg, moved, BRATS)
    with pytest.raises(GridMismatchError, match="reaches out"):
        read_seg(seg, Grid((6, 6, 4), grid.affine), BRATS)
    seg.SegmentationType = "FRACTIONAL"
    with pytest.raises(InputError, match="is FRACTIONAL, expected BINARY"):
        read_seg(seg, grid, BRATS)


def test_a_series_without_a_frame_of_reference_is_refused(tmp_path: Path) -> None:
    files = write_series(tmp_path, Made(some_data(), tags={"FrameOfReferenceUID": None}))
    with pytest.raises(InputError, match=r"has no FrameOfReferenceUID \(0020,0052\)"):
        make_seg(np.zeros((10, 12, 8), np.uint8), files, BRATS, MODEL)


def test_a_models_seg_says_how_it_was_made(tmp_path: Path) -> None:
    files = series(tmp_path / "t1")
    mask, _ = some_mask(files)
    author = Author("AUTOMATIC", "small-1", "CCSD brats from t1, flair", {"modalities": "t1, flair", "window": "128"})
    seg = pydicom.dcmread(stored(make_seg(mask, files, BRATS, author), tmp_path / "seg.dcm"))
    assert seg.SeriesDescription == seg.ContentDescription == "CCSD brats from t1, flair"
    assert seg.SoftwareVersions == "small-1"
    for segment in seg.SegmentSequence:
        (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
        assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("CCSD", "small-1")
        assert algorithm.AlgorithmParameters == "modalities=t1, flair,window=128"
