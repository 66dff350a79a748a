"""Images in the formats and under the names that they are sent as: the same voxels, same place; or one sentence."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK

from ccsd.common.errors import InputError
from ccsd.imaging import filenames
from ccsd.imaging.volumes import read_grid, read_source, read_stack_grid, read_volume
from ccsd.method.task import BRATS
from ccsd.server.datastores.folder import open_folder
from ccsd.studies.study import study_of, survey
from tests.strangers.formats import FORMS, by_itk, nifti, pair, put

TURNED = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.2, -0.1, 0.3) @ np.diag([0.9, 1.1, 3.0]), [5, -7, 11])
DATA = np.random.default_rng(0).normal(300, 90, (9, 10, 11)).astype(np.int16)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32"])
def test_an_image_is_the_same_in_every_format(tmp_path: Path, form: str, dtype: str) -> None:
    data = DATA.astype(dtype)
    volume = read_volume(FORMS[form](tmp_path / "p_flair", data, TURNED))
    assert np.array_equal(volume.data, data.astype(np.float32))
    assert np.allclose(volume.grid.affine, TURNED, atol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_an_image_of_every_format_is_found_in_its_folder_and_once(tmp_path: Path, form: str) -> None:
    file = FORMS[form](tmp_path / "p_flair", DATA, TURNED)
    FORMS["nii.gz"](tmp_path / "p_t1", DATA, TURNED)
    (study,) = survey(tmp_path)
    assert study.files == {"flair": file, "t1": tmp_path / "p_t1.nii.gz"}
    assert study_of(file).files == study.files


def test_an_image_without_an_extension_is_told_by_its_content(tmp_path: Path) -> None:
    file = put(tmp_path / "p_flair", "", nifti(DATA, TURNED))
    (source,) = study_of(file).sources.values()
    assert np.array_equal(read_source(source).data, DATA.astype(np.float32))


def test_analyze_images_lie_where_nibabel_puts_them(tmp_path: Path) -> None:
    nib.loadsave.save(nib.analyze.AnalyzeImage(DATA, np.diag([-2.0, 3, 4, 1])), tmp_path / "p_flair.hdr")
    volume = read_volume(tmp_path / "p_flair.hdr")
    assert np.array_equal(volume.data, DATA)
    assert np.allclose(volume.grid.affine, nib.loadsave.load(tmp_path / "p_flair.img").affine)


def test_channels_of_a_metaimage_are_the_fourth_axis_or_the_first(tmp_path: Path) -> None:
    four = np.stack([DATA, DATA + 1, DATA + 2], axis=-1)
    apart = SimpleITK.GetImageFromArray(np.ascontiguousarray(four.transpose(2, 1, 0, 3)), isVector=True)
    joined = SimpleITK.JoinSeries([SimpleITK.GetImageFromArray(four[..., c].transpose(2, 1, 0)) for c in range(3)])
    for name, image in (("apart", apart), ("joined", joined)):
        path = tmp_path / f"{name}.mha"
        SimpleITK.WriteImage(image, str(path))
        assert read_stack_grid(path)[1] == 3
        assert np.array_equal(read_volume(path, 2).data, four[..., 2])


@pytest.mark.parametrize("compress", [False, True])
def test_big_endian_and_skipped_bytes_of_a_metaimage(tmp_path: Path, compress: bool) -> None:
    by_itk(tmp_path / "x", DATA.astype(">i2").view("<i2"), TURNED, ".mhd", compress=compress)
    header = (tmp_path / "x.mhd").read_text()
    header = header.replace("BinaryDataByteOrderMSB = False", "BinaryDataByteOrderMSB = True")
    if not compress:
        (tmp_path / "x.raw").write_bytes(b"front" + (tmp_path / "x.raw").read_bytes())
        header = header.replace("ElementDataFile", "HeaderSize = -1\nElementDataFile")
    (tmp_path / "x.mhd").write_text(header)
    assert np.array_equal(read_volume(tmp_path / "x.mhd").data, DATA)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-300])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


def without(path: Path, *extensions: str) -> None:
    for extension in extensions:
        path.with_suffix(extension).unlink()


PACKED = ("nii.gz", "nii, packed", "nii.gz, packed twice", "mha, compressed", "mhd and zraw", "nrrd, compressed", "mgz")


@pytest.mark.parametrize("form", FORMS)
def test_a_truncated_image_of_every_format_is_refused_by_the_name_of_the_damaged_file(
    tmp_path: Path, form: str
) -> None:
    file = FORMS[form](tmp_path / "p_flair", DATA, TURNED)
    largest = max(tmp_path.iterdir(), key=lambda p: p.stat().st_size)
    cut(largest)
    with pytest.raises(InputError, match=rf"^{largest.name} (is damaged|cannot be read)"):
        read_volume(file)


@pytest.mark.parametrize("form", PACKED)
def test_damage_within_packed_voxels_is_noticed(tmp_path: Path, form: str) -> None:
    file = FORMS[form](tmp_path / "p_flair", DATA, TURNED)
    flipped(max(tmp_path.iterdir(), key=lambda p: p.stat().st_size))
    with pytest.raises(InputError, match=r"^p_flair\.\S+ (is damaged|cannot be read)"):
        read_volume(file)


@pytest.mark.parametrize(
    ("form", "gone", "says"),
    [
        ("NIfTI pair", ".img", "p_flair.hdr is a header without its voxels, expected p_flair.img beside it"),
        ("mhd and raw", ".raw", "p_flair.mhd is a header without its voxels, expected p_flair.raw beside it"),
        ("nhdr and raw", ".raw", "p_flair.nhdr is a header without its voxels, expected p_flair.raw beside it"),
    ],
)
def test_a_header_without_its_voxels_says_what_is_missing(tmp_path: Path, form: str, gone: str, says: str) -> None:
    file = FORMS[form](tmp_path / "p_flair", DATA, TURNED)
    without(file, gone)
    with pytest.raises(InputError) as caught:
        read_volume(file)
    assert str(caught.value) == says


@pytest.mark.parametrize("place", ["/etc/passwd", "../x.raw", "a/b.raw", "..", "LIST", "x%03d.raw 1 9 1", "..\\x.raw"])
@pytest.mark.parametrize("form", ["mhd and raw", "nhdr and raw"])
def test_a_header_reaches_no_file_but_those_beside_it(tmp_path: Path, form: str, place: str) -> None:
    file = FORMS[form](tmp_path / "p_flair", DATA, TURNED)
    file.write_text(file.read_text().replace("p_flair.raw", place))
    with pytest.raises(InputError, match=rf"^{file.name} (keeps its voxels in another file|is a header without)"):
        read_volume(file)


def test_a_small_file_that_unpacks_to_gigabytes_takes_no_memory_for_them(tmp_path: Path) -> None:
    zeros = nifti(DATA, TURNED) + bytes(2**27)
    put(tmp_path / "p_flair", ".nii.gz", gzip.compress(zeros))
    with pytest.raises(InputError, match=r"more than .* bytes, which the header declares"):
        read_volume(tmp_path / "p_flair.nii.gz")


OTHERS: dict[str, tuple[bytes, str]] = {
    "text": (b"patient moved", "text"),
    "PNG": (b"\x89PNG\r\n\x1a\n" + bytes(100), "a PNG picture"),
    "zip": (b"PK\x03\x04" + bytes(100), "a zip archive"),
    "web page": (b"<!DOCTYPE html><html>Log in</html>", "a web page or XML"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
    "DICOM": (bytes(128) + b"DICM" + bytes(100), "DICOM"),
    "zeros": (bytes(5000), "zeros alone"),
    "nothing": (b"", "nothing (0 bytes)"),
    "NumPy": (b"\x93NUMPY\x01\0", "a NumPy array"),
    "noise": (np.random.default_rng(1).bytes(2000), "data of an unknown format"),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_image_is_called_what_it_is(tmp_path: Path, kind: str, packed: bool) -> None:
    content, says = OTHERS[kind]
    (tmp_path / "scan_1.nii.gz").write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(InputError) as caught:
        read_grid(tmp_path / "scan_1.nii.gz")
    assert str(caught.value).startswith(f"scan_1.nii.gz holds {says}")
    with pytest.raises(
        InputError, match=r"^scan_1\.nii\.gz (holds|is a DICOM file) "
    ):  # not "cannot tell the modality"
        study_of(tmp_path / "scan_1.nii.gz")


def colours(path: Path) -> None:
    path.write_bytes(nib.Nifti1Image(np.zeros((9, 9, 9), [(c, "u1") for c in "RGB"]), np.eye(4)).to_bytes())


UNFIT: dict[str, tuple[Callable[[Path], object], str]] = {
    "2D": (lambda p: p.write_bytes(nifti(DATA[:, :, 0], np.eye(4))), "has shape (9, 10), expected a 3D image"),
    "colours": (colours, "holds colours"),
    "complex": (lambda p: p.write_bytes(nifti(DATA.astype("c8"), np.eye(4))), "holds complex values"),
    "cut": (lambda p: p.write_bytes(nifti(DATA, np.eye(4))[:200]), "holds"),
    "no place": (lambda p: p.write_bytes(with_singular_affine()), "has no usable position"),
}


def with_singular_affine() -> bytes:
    content = bytearray(nifti(DATA, np.eye(4)))
    content[280:328] = bytes(48)
    return bytes(content)


@pytest.mark.parametrize("kind", UNFIT)
@pytest.mark.parametrize("name", ["scan.nii", "AX_FLAIR_3.nii"])
def test_an_image_that_cannot_be_used_says_why_alone_and_in_its_folder(tmp_path: Path, kind: str, name: str) -> None:
    make, says = UNFIT[kind]
    (tmp_path / "study").mkdir()
    make(tmp_path / "study" / name)
    for asked in (tmp_path / "study" / name, tmp_path / "study"):
        with pytest.raises(InputError) as caught:
            study_of(asked)
        assert f"{name} {says}" in str(caught.value)
        assert "known modality" not in str(caught.value)


def test_a_folder_without_images_says_what_it_holds_instead(tmp_path: Path) -> None:
    folder = tmp_path / "sent"
    folder.mkdir()
    (folder / "report.pdf").write_bytes(b"%PDF-1.4")
    (folder / "view.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(InputError) as caught:
        study_of(folder)
    says = "sent holds no study: report.pdf holds a PDF document; view.png holds a PNG picture, expected "
    assert says in str(caught.value)


def test_a_folder_of_several_studies_names_them(tmp_path: Path) -> None:
    for case in ("anna", "ben"):
        put(tmp_path / f"{case}_t1", ".nii", nifti(DATA, TURNED))
    with pytest.raises(InputError, match=r"holds 2 studies \(anna, ben\), expected one"):
        study_of(tmp_path)


def test_voxels_without_their_header_are_asked_for_with_it(tmp_path: Path) -> None:
    pair(tmp_path / "p_flair", DATA, TURNED)
    shutil.copy(tmp_path / "p_flair.img", tmp_path / "lone_flair.img")
    with pytest.raises(InputError, match=r"^lone_flair\.img holds voxels without their header, expected both"):
        study_of(tmp_path / "lone_flair.img")


@pytest.mark.parametrize("form", [f for f in FORMS if " as " not in f])
def test_who_downloads_an_image_gets_one_file_that_itk_reads_by_its_name(tmp_path: Path, form: str) -> None:
    FORMS[form](tmp_path / "p_flair", DATA, TURNED)
    store = open_folder(tmp_path, BRATS)
    assert store.list_images() == ["p_flair"]
    info = store.get_image_info("p_flair")
    assert info["name"].lower().endswith(filenames.extension(info["path"]).lower())
    image = SimpleITK.ReadImage(info["path"])
    assert np.array_equal(SimpleITK.GetArrayFromImage(image).transpose(2, 1, 0), DATA)
    assert np.allclose(image.GetOrigin(), TURNED[:3, 3] * [-1, -1, 1], atol=1e-4)


@pytest.mark.parametrize("form", [f for f in FORMS if "pair" not in f and "raw" not in f])
def test_an_image_that_a_client_sends_is_kept_in_every_format(tmp_path: Path, form: str) -> None:
    store = open_folder(tmp_path / "studies", BRATS)
    sent = FORMS[form](tmp_path / "p_flair", DATA, TURNED)
    assert store.add_image("p7_flair", str(sent), {}) == "p7_flair"
    assert np.array_equal(read_volume(Path(store.study_image("p7_flair"))).data, DATA)


@pytest.mark.parametrize("name", ["p7", "p7_flair"])
@pytest.mark.parametrize("content", [b"text", nifti(DATA, TURNED)])
def test_an_upload_that_is_refused_leaves_no_file_and_no_folder(tmp_path: Path, name: str, content: bytes) -> None:
    store = open_folder(tmp_path / "studies", BRATS)
    before = sorted((tmp_path / "studies").rglob("*"))
    sent = put(tmp_path / "sent", "" if name == "p7_flair" else ".nii", content)
    with pytest.raises(InputError):
        store.add_image(name, str(sent), {})
    assert sorted((tmp_path / "studies").rglob("*")) == before


def test_a_refused_upload_leaves_the_images_of_others_alone(tmp_path: Path) -> None:
    store = open_folder(tmp_path / "studies", BRATS)
    store.add_image("p7_flair", str(put(tmp_path / "a", ".nii", nifti(DATA, TURNED))), {})
    with pytest.raises(InputError, match="its name tells no modality"):
        store.add_image("p7", str(put(tmp_path / "b", ".nii", nifti(DATA, TURNED))), {})
    assert [p.name for p in (tmp_path / "studies" / "uploads").iterdir()] == ["p7"]
    assert store.list_images() == ["p7_flair"]
