"""A mask lies where its image lies, for every reader, whatever the image's header says of places."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ccsd.common.errors import GridMismatchError
from ccsd.imaging.nifti import PLACE_FIELDS
from ccsd.imaging.nrrd import write_nrrd
from ccsd.imaging.volumes import read_grid, shown_grid, write_volume
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models.served import ServedModel
from ccsd.server.datastores.folder import open_folder
from ccsd.server.infers.ccsd import CCSDInferTask
from ccsd.studies.archives import unpacked
from tests.strangers.formats import FORMS
from tests.strangers.placements import PLACEMENTS, SHAPE, Placement

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
DATA = np.random.default_rng(0).integers(1, 900, SHAPE).astype(np.int16)
MASK = (DATA > 500).astype(np.uint8)
EYE = np.eye(4)
MOVED = nib.affines.from_matvec(np.diag([-2.0, 1.0, 3.0]), [30, 40, 50])
WITHOUT_CODES = Placement(EYE, EYE, 0, 0, 1.0, 2)
OTHER_PIXDIM = Placement(EYE, MOVED, 0, 1, 0.5, 2)
OTHER_QFORM = Placement(EYE, MOVED, 1, 4, 1.0, 2)


def place_by_itk(file: Path) -> np.ndarray | None:
    """Origin, spacing and direction; None where ITK does not take the file."""
    try:
        image = SimpleITK.ReadImage(str(file))
    except RuntimeError:
        return None
    return np.array([*image.GetOrigin(), *image.GetSpacing(), *image.GetDirection()])


def check_same_place(mask: Path, image: Path) -> None:
    """By the header's fields, by nibabel and by ITK."""
    ours, theirs = nib.loadsave.load(mask), nib.loadsave.load(image)
    for field in PLACE_FIELDS:
        assert np.array_equal(ours.header[field], theirs.header[field].astype(np.float32)), field
    assert np.allclose(ours.affine, theirs.affine, atol=1e-5)
    place = place_by_itk(image)
    assert place is None or np.allclose(place_by_itk(mask), place, atol=1e-5)


@given(PLACEMENTS, st.sampled_from([".nii", ".nii.gz"]), st.sampled_from([".nii", ".nii.gz"]))
@example(WITHOUT_CODES, ".nii.gz", ".nii.gz")
@example(OTHER_PIXDIM, ".nii.gz", ".nii")
@example(OTHER_QFORM, ".nii.gz", ".nii")
@QUICK
def test_a_mask_has_the_place_of_its_image_field_by_field(
    tmp_path: Path, placement: Placement, of_image: str, of_mask: str
) -> None:
    image = placement.write(tmp_path / f"p_flair{of_image}", DATA)
    write_volume(tmp_path / f"mask{of_mask}", MASK, read_grid(image), like=image)
    check_same_place(tmp_path / f"mask{of_mask}", image)
    assert np.array_equal(np.asarray(nib.loadsave.load(tmp_path / f"mask{of_mask}").dataobj), MASK)


@given(PLACEMENTS)
@example(WITHOUT_CODES)
@example(OTHER_PIXDIM)
@example(OTHER_QFORM)
@QUICK
def test_a_mask_in_nrrd_lies_where_itk_puts_its_nifti_image(tmp_path: Path, placement: Placement) -> None:
    image = placement.write(tmp_path / "p_flair.nii.gz", DATA)
    write_nrrd(tmp_path / "mask.nrrd", MASK, shown_grid(image, read_grid(image)))
    place = place_by_itk(image)
    assert place is None or np.allclose(place_by_itk(tmp_path / "mask.nrrd"), place, atol=1e-4)


@pytest.mark.parametrize("form", ["mha", "mhd and raw", "nrrd", "nhdr and raw", "mgz", "NIfTI pair", "nii, packed"])
def test_a_nifti_mask_of_another_format_lies_where_its_image_lies(tmp_path: Path, form: str) -> None:
    image = FORMS[form](tmp_path / "p_flair", DATA, MOVED)
    write_volume(tmp_path / "mask.nii.gz", MASK, read_grid(image), like=image)
    plain = FORMS["mha"](tmp_path / "plain", DATA, MOVED)
    assert np.allclose(place_by_itk(tmp_path / "mask.nii.gz"), place_by_itk(plain), atol=1e-4)
    assert np.allclose(nib.loadsave.load(tmp_path / "mask.nii.gz").affine, MOVED, atol=1e-5)


def test_a_mask_of_an_analyze_image_lies_where_itk_and_nibabel_put_the_image(tmp_path: Path) -> None:
    nib.loadsave.save(nib.analyze.AnalyzeImage(DATA, np.diag([-2.0, 3, 4, 1])), tmp_path / "p_flair.hdr")
    image = tmp_path / "p_flair.hdr"
    write_volume(tmp_path / "mask.nii.gz", MASK, read_grid(image), like=image)
    assert np.allclose(nib.loadsave.load(tmp_path / "mask.nii.gz").affine, nib.loadsave.load(image).affine)
    assert np.allclose(place_by_itk(tmp_path / "mask.nii.gz"), place_by_itk(image))


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> CCSDInferTask:
    folder = tmp_path_factory.mktemp("task")
    return CCSDInferTask(ServedModel(folder / "a.pt", folder / "b.pt", BRATS, PRESETS["tiny"]), cache=folder / "cache")


def infer(task: CCSDInferTask, image: Path, folder: Path, extension: str = "") -> Path:
    request: dict[str, Any] = {"image": str(image), "device": "cpu", "preprocess": "off"}
    file, _ = task({**request, "result_extension": extension} if extension else request)
    assert file is not None
    return Path(file).rename(folder / f"answer{''.join(Path(file).suffixes[-2:])}")


def brain() -> np.ndarray:
    ball = np.linalg.norm((np.indices((24, 24, 24)).T - 11.5) / 12, axis=-1).T < 0.9
    return np.where(ball, np.random.default_rng(0).integers(100, 900, ball.shape), 0).astype(np.int16)


@pytest.mark.parametrize("placement", [WITHOUT_CODES, OTHER_PIXDIM, OTHER_QFORM], ids=["no codes", "pixdim", "qform"])
def test_the_server_s_mask_lies_on_its_image_alone_and_in_an_archive(
    task: CCSDInferTask, tmp_path: Path, placement: Placement
) -> None:
    image = placement.write(tmp_path / "p_flair.nii.gz", brain())
    check_same_place(infer(task, image, tmp_path), image)
    other = placement.write(tmp_path / "p_t1.nii.gz", brain())
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        archive.write(image, "a/p_flair.nii.gz")
        archive.write(other, "a/p_t1.nii.gz")
    with unpacked(tmp_path / "study.zip") as folder:
        check_same_place(infer(task, folder, tmp_path), image)
    assert np.allclose(place_by_itk(infer(task, image, tmp_path, ".nrrd")), place_by_itk(image), atol=1e-4)


@pytest.mark.parametrize(
    "form", ["mha", "mhd and zraw", "mgz", "NIfTI pair", "nii.gz, not packed", "nii.gz, packed twice"]
)
def test_a_mask_of_another_format_comes_as_nifti(task: CCSDInferTask, tmp_path: Path, form: str) -> None:
    mask = infer(task, FORMS[form](tmp_path / "p_flair", brain(), MOVED), tmp_path)
    assert mask.name == "answer.nii.gz"
    assert np.allclose(nib.loadsave.load(mask).affine, MOVED, atol=1e-5)


@pytest.mark.parametrize("placement", [WITHOUT_CODES, OTHER_QFORM], ids=["no codes", "qform"])
@pytest.mark.parametrize("drawn_by", ["ITK", "nibabel"])
def test_a_label_drawn_where_itk_or_nibabel_puts_an_image_is_kept_on_it(
    tmp_path: Path, placement: Placement, drawn_by: str
) -> None:
    image = placement.write(tmp_path / "studies" / "p_flair.nii.gz", DATA)
    grid = read_grid(image)
    if drawn_by == "ITK":
        write_nrrd(tmp_path / "label.nrrd", MASK, shown_grid(image, grid))
    else:
        write_volume(tmp_path / "label.nii.gz", MASK, grid)
    store = open_folder(tmp_path / "studies", BRATS)
    store.save_label("p_flair", str(next(tmp_path.glob("label.*"))), "final", {})
    kept = Path(store.get_label_uri("p_flair", "final"))
    assert np.array_equal(np.asarray(nib.loadsave.load(kept).dataobj), MASK)
    check_same_place(kept, image)


def test_a_label_that_lies_where_no_reader_puts_the_image_is_refused(tmp_path: Path) -> None:
    OTHER_QFORM.write(tmp_path / "studies" / "p_flair.nii.gz", DATA)
    FORMS["nii.gz"](tmp_path / "label", MASK, nib.affines.from_matvec(EYE[:3, :3], [500, 0, 0]))
    with pytest.raises(GridMismatchError):
        open_folder(tmp_path / "studies", BRATS).save_label("p_flair", str(tmp_path / "label.nii.gz"), "final", {})
