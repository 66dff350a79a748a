"""Archives as systems make them: the files that are in them, or one sentence; nothing outside, no links, no bombs."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ccsd.common.errors import InputError
from ccsd.studies import archives
from ccsd.studies.study import study_of
from tests.strangers.archives import MADE, tarred, zipped
from tests.strangers.formats import nifti

IMAGE = nifti(np.random.default_rng(0).integers(1, 900, (8, 9, 10)).astype(np.int16), np.eye(4))
STUDY = {"p_flair.nii": IMAGE, "p_t1.nii": IMAGE}


@pytest.mark.parametrize("made", MADE)
def test_a_study_comes_out_of_every_archive(tmp_path: Path, made: str) -> None:
    with archives.unpacked(MADE[made](tmp_path, STUDY)) as folder:
        study = study_of(folder)
        assert {m: p.name for m, p in study.files.items()} == {"flair": "p_flair.nii", "t1": "p_t1.nii"}
        assert all(p.read_bytes() == IMAGE for p in study.files.values())
        assert sum(p.is_file() for p in folder.rglob("*")) == 2


@pytest.mark.parametrize("made", MADE)
def test_an_archive_of_one_image_is_that_image(tmp_path: Path, made: str) -> None:
    with archives.unpacked(MADE[made](tmp_path, {"p_flair.nii": IMAGE})) as file:
        assert (file.name, file.read_bytes()) == ("p_flair.nii", IMAGE)


def refused(archive: Path, folder: Path) -> str:
    """The sentence; nothing may have been written beside or, but for whole files, into the folder."""
    folder.mkdir()
    before = sorted(p.name for p in folder.parent.iterdir())
    with pytest.raises(InputError) as caught:
        archives.unpack(archive, folder)
    assert sorted(p.name for p in folder.parent.iterdir()) == before
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/x", "..\\x", "a\\..\\..\\x", "C:\\x", "C:x", "\\\\host\\x"])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str, pack: Callable[..., Path]) -> None:
    says = refused(pack(tmp_path / "s.zip", {"p_t1.nii": IMAGE, name: b"1"}), tmp_path / "out")
    assert "expected names that stay inside" in says
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "s.tar", "w") as archive:
        info = tarfile.TarInfo("p_t1.nii")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    assert "expected files alone" in refused(tmp_path / "s.tar", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_links_in_a_zip_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        info = zipfile.ZipInfo("p_t1.nii")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    assert "holds the link p_t1.nii" in refused(tmp_path / "s.zip", tmp_path / "out")


@pytest.mark.parametrize("inner", ["inner.zip", "a/inner.TAR.GZ", "inner.7z", "inner.rar", "inner.tgz"])
def test_an_archive_in_an_archive_is_refused_by_its_name(tmp_path: Path, inner: str) -> None:
    says = refused(zipped(tmp_path / "s.zip", {inner: b"PK"}), tmp_path / "out")
    assert says == f"s.zip holds the archive {Path(inner).name}, expected the images of a study"


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    says = refused(zipped(tmp_path / "s.zip", {"a/p_t1.nii": IMAGE, "a\\p_t1.nii": b"other"}), tmp_path / "out")
    assert "holds a/p_t1.nii twice" in says


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2"])
def test_a_tar_of_too_many_bytes_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr(archives, "MAX_BYTES", 1000)
    archive = tarred(tmp_path / "s.tar", {"a": b"\0" * 600, "b": b"\0" * 600, "c": b"\0" * 600}, mode)
    assert "expected at most" in refused(archive, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_a_tar_that_declares_gigabytes_is_refused_from_its_header(tmp_path: Path) -> None:
    info = tarfile.TarInfo("p_t1.nii")
    info.size = 2**40
    (tmp_path / "s.tar.gz").write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(2**20)))
    assert "expected at most 20000 files of 8 GiB" in refused(tmp_path / "s.tar.gz", tmp_path / "out")


def test_a_tar_with_a_large_note_is_refused_without_reading_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_NOTE_BYTES", 1000)
    archive = tarred(tmp_path / "s.tar", {"x" * 3000: b""}, "w", form=tarfile.GNU_FORMAT)
    assert "expected at most 1000" in refused(archive, tmp_path / "out")


DAMAGED: dict[str, Callable[[Path], Path]] = {
    "cut tar.gz": lambda p: _cut(MADE["tar.gz"](p, STUDY)),
    "cut tar": lambda p: _put(p / "s.tar", MADE["tar"](p, STUDY).read_bytes()[:4000]),
    "tar cut between its files": lambda p: _put(p / "s.tar", MADE["tar"](p, STUDY).read_bytes()[:2560]),
    "tar cut in a header": lambda p: _put(p / "s.tar", MADE["tar"](p, STUDY).read_bytes()[:2600]),
    "cut tar.xz": lambda p: _cut(MADE["tar.xz"](p, STUDY)),
    "cut zip": lambda p: _cut(MADE["zip"](p, STUDY)),
    "spoiled zip": lambda p: _spoiled(MADE["zip"](p, STUDY)),
    "spoiled LZMA": lambda p: _spoiled(MADE["zip, LZMA"](p, STUDY)),
    "text": lambda p: _put(p / "s.zip", b"no archive"),
    "empty": lambda p: _put(p / "s.tgz", b""),
    "7-Zip": lambda p: _put(p / "s.7z", b"7z\xbc\xaf\x27\x1c"),
    "RAR": lambda p: _put(p / "s.rar", b"Rar!\x1a\x07"),
}


def _put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _cut(path: Path) -> Path:
    return _put(path, path.read_bytes()[: path.stat().st_size // 2])


def _spoiled(path: Path) -> Path:
    content = bytearray(path.read_bytes())
    content[300:310] = bytes(10)
    return _put(path, bytes(content))


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_archive_is_refused_in_one_sentence_that_names_it(tmp_path: Path, kind: str) -> None:
    says = refused(DAMAGED[kind](tmp_path), tmp_path / "out")
    assert says.startswith("s.")
    assert str(tmp_path) not in says


def test_a_name_in_another_encoding_is_kept_as_far_as_it_is_text(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        info = tarfile.TarInfo("Müller\n_t1.nii")
        info.size = len(IMAGE)
        archive.addfile(info, io.BytesIO(IMAGE))
    with archives.unpacked(_put(tmp_path / "s.tar", stream.getvalue())) as file:
        assert file.name.encode("utf-8").decode() == "M\ufffdller__t1.nii"
