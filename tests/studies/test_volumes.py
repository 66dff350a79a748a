from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import nrrd
import numpy as np
import pytest
import SimpleITK

from ccsd.common.errors import GridMismatchError, InputError
from ccsd.demo.phantom import Phantom
from ccsd.imaging.sources import Source
from ccsd.imaging.volumes import Grid, read_grid, read_source, read_stack_grid, read_volume, write_volume
from ccsd.method.task import BRATS
from ccsd.studies.labels import normalise_label, read_label


def save(path: Path, data: np.ndarray, affine: np.ndarray | None = None) -> Path:
    nib.loadsave.save(nib.nifti1.Nifti1Image(data, np.eye(4) if affine is None else affine), path)
    return path


def image(shape: tuple[int, ...] = (6, 7, 8)) -> np.ndarray:
    return np.random.default_rng(0).normal(100, 10, shape).astype(np.float32)


BROKEN = {
    "text.nii.gz": lambda p: p.write_bytes(b"not an image"),
    "empty.nii.gz": lambda p: p.write_bytes(b""),
    "truncated.nii.gz": lambda p: p.write_bytes(gzip.compress(_bytes(p))[:400]),
    "nan.nii.gz": lambda p: save(p, np.where(image() > 110, np.nan, image())),
    "infinite.nii.gz": lambda p: save(p, np.where(image() > 110, np.inf, image())),
    "constant.nii.gz": lambda p: save(p, np.full((6, 7, 8), 3, np.float32)),
    "complex.nii.gz": lambda p: save(p, image().astype(np.complex64)),
    "flat.nii.gz": lambda p: save(p, image((6, 7))),
    "channels.nii.gz": lambda p: save(p, image((6, 7, 8, 3))),
}


def _bytes(path: Path) -> bytes:
    return save(path.with_name("whole.nii"), image((40, 40, 40))).read_bytes()


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_image_gives_one_sentence_that_names_it(tmp_path: Path, name: str) -> None:
    BROKEN[name](tmp_path / name)
    with pytest.raises(InputError) as caught:
        read_volume(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def nrrd_by_simpleitk(path: Path, data: np.ndarray) -> SimpleITK.Image:
    """A NRRD file written by another program than the one that reads it."""
    picture = SimpleITK.GetImageFromArray(data.transpose(2, 1, 0))
    picture.SetSpacing((0.9, 1.1, 4.0))
    picture.SetOrigin((5.0, -7.0, 11.0))
    picture.SetDirection((0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0))
    SimpleITK.WriteImage(picture, str(path))
    return picture


def test_a_nrrd_file_has_the_voxels_and_the_place_that_its_writer_gave_it(tmp_path: Path) -> None:
    data = image()
    written = nrrd_by_simpleitk(tmp_path / "x.nrrd", data)
    volume = read_volume(tmp_path / "x.nrrd")
    assert np.array_equal(volume.data, data)
    for index in ((0, 0, 0), (1, 0, 0), (0, 2, 0), (3, 4, 5)):
        lps = np.array(written.TransformIndexToPhysicalPoint(index))
        assert np.allclose((volume.grid.affine @ [*index, 1])[:3], lps * [-1, -1, 1], atol=1e-5)


@pytest.mark.parametrize("last", [True, False], ids=["channels last", "channels first"])
def test_a_channel_of_a_nrrd_file_is_found_wherever_its_axis_is(tmp_path: Path, last: bool) -> None:
    data = image((6, 7, 8, 4))
    directions = np.diag([2.0, 1.0, 3.0])
    none = np.full((1, 3), np.nan)  # written as `none`: an axis that is not in space
    header = {
        "space": "right-anterior-superior",
        "space directions": np.concatenate([directions, none] if last else [none, directions]),
        "space origin": [1.0, 2.0, 3.0],
    }
    nrrd.write(str(tmp_path / "x.nrrd"), data if last else np.moveaxis(data, -1, 0), header)
    grid, channels = read_stack_grid(tmp_path / "x.nrrd")
    assert (grid.shape, channels, grid.spacing.tolist()) == ((6, 7, 8), 4, [2.0, 1.0, 3.0])
    assert np.array_equal(read_volume(tmp_path / "x.nrrd", 2).data, data[..., 2])


def test_a_channel_of_a_nifti_file_is_read_alone(tmp_path: Path) -> None:
    data = image((6, 7, 8, 4))
    path = save(tmp_path / "x.nii.gz", data)
    assert np.array_equal(read_source(Source(path, channel=3)).data, data[..., 3])
    with pytest.raises(InputError, match=r"x\.nii\.gz has 4 channels, expected one with the number 4"):
        read_source(Source(path, channel=4))


BROKEN_NRRD = {
    "text": (b"not an image", "holds text, expected a NIfTI, NRRD"),
    "no place": (
        b"NRRD0004\ntype: float\ndimension: 3\nsizes: 4 4 4\nencoding: raw\nendian: little\n\n",
        "has no space",
    ),
    "elsewhere": (
        b"NRRD0004\ntype: float\ndimension: 3\nspace: left-posterior-superior\nsizes: 4 4 4\nencoding: raw\n"
        b"endian: little\nspace directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\ndata file: /etc/passwd\n\n",
        "keeps its voxels in another file",
    ),
    "huge": (
        b"NRRD0004\ntype: float\ndimension: 3\nspace: left-posterior-superior\nsizes: 9000 9000 9000\nencoding: raw\n"
        b"endian: little\nspace directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\n\n",
        "declares shape",
    ),
    "short": (
        b"NRRD0004\ntype: float\ndimension: 3\nspace: left-posterior-superior\nsizes: 4 4 4\nencoding: raw\n"
        b"endian: little\nspace directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\n\nabcd",
        "is damaged",
    ),
    "flat": (
        b"NRRD0004\ntype: float\ndimension: 3\nspace: left-posterior-superior\nsizes: 4 4 4\nencoding: raw\n"
        b"endian: little\nspace directions: (1,0,0) (0,1,0) (0,2,0)\nspace origin: (0,0,0)\n\n",
        "no usable position",
    ),
}


@pytest.mark.parametrize("kind", BROKEN_NRRD)
def test_a_broken_nrrd_file_gives_one_sentence_that_names_it(tmp_path: Path, kind: str) -> None:
    content, sentence = BROKEN_NRRD[kind]
    (tmp_path / "x.nrrd").write_bytes(content)
    with pytest.raises(InputError, match=sentence) as caught:
        read_volume(tmp_path / "x.nrrd")
    assert str(caught.value).startswith("x.nrrd")
    assert "\n" not in str(caught.value)


def test_a_header_that_declares_a_huge_size_is_refused_before_reading(tmp_path: Path) -> None:
    path = save(tmp_path / "huge.nii", image())
    header = bytearray(path.read_bytes())
    header[42:48] = np.array([2000, 2000, 2000], "<i2").tobytes()
    path.write_bytes(bytes(header))
    with pytest.raises(InputError, match=r"huge\.nii declares shape"):
        read_grid(path)


def test_a_shifted_affine_is_another_grid() -> None:
    shifted = np.eye(4)
    shifted[0, 3] = 0.5
    assert not Grid((4, 4, 4), np.eye(4)).matches(Grid((4, 4, 4), shifted))
    shifted[0, 3] = 0.01
    assert Grid((4, 4, 4), np.eye(4)).matches(Grid((4, 4, 4), shifted))


def test_writing_keeps_values_and_affine_and_leaves_nothing_else(tmp_path: Path) -> None:
    rotation = nib.eulerangles.euler2mat(0.2, -0.1, 0.3)
    affine = nib.affines.from_matvec(rotation @ np.diag([0.8, 1.1, 4.0]), [5, -7, 11])
    data = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    write_volume(tmp_path / "m.nii.gz", data, Grid((2, 3, 4), affine))
    loaded = nib.loadsave.load(tmp_path / "m.nii.gz")
    assert np.array_equal(np.asarray(loaded.dataobj), data)
    assert np.allclose(loaded.affine, affine, atol=1e-5)
    assert [p.name for p in tmp_path.iterdir()] == ["m.nii.gz"]


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "m.nii.gz").write_bytes(b"old")
    with pytest.raises((TypeError, ValueError, nib.spatialimages.HeaderDataError)):
        write_volume(tmp_path / "m.nii.gz", np.array(["no image"]), Grid((2, 2, 2), np.eye(4)))
    assert [p.name for p in tmp_path.iterdir()] == ["m.nii.gz"]
    assert (tmp_path / "m.nii.gz").read_bytes() == b"old"


def test_labels_of_2018_and_of_2023_become_the_same() -> None:
    old = normalise_label(np.array([0.0, 1, 2, 4]), "old", known=3, aliases=BRATS.aliases)
    new = normalise_label(np.array([0.0, 1, 2, 3]), "new", known=3, aliases=BRATS.aliases)
    assert old.tolist() == new.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([0, 3, 4], "both 3 and 4"),
        ([0, 7], r"values \[7\], expected 0 to 3"),
        ([0, 1.5], "fractional"),
        ([-1], r"\[-1\]"),
    ],
)
def test_other_label_values_are_refused(values: list[float], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        normalise_label(np.array(values, dtype=float), "seg", known=3, aliases=BRATS.aliases)


def test_a_label_of_another_grid_is_refused(phantom: Phantom, tmp_path: Path) -> None:
    path = save(tmp_path / "seg.nii.gz", np.zeros((5, 5, 5), np.uint8))
    with pytest.raises(GridMismatchError, match=r"label seg\.nii\.gz is 5x5x5"):
        read_label(path, known=3, aliases=BRATS.aliases, reference=phantom.grid)
