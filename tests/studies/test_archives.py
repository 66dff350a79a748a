from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from ccsd.common.errors import InputError
from ccsd.studies import archives


def packed(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_an_archive_that_says_it_is_too_large_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_BYTES", 1000)
    archive = packed(tmp_path / "study.zip", {"a": b"\0" * 600, "b": b"\0" * 600})
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match=r"study.zip holds 2 files of .* GiB, expected at most"):
        archives.unpack(archive, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/x", "..\\x", "C:x"])
def test_a_name_that_leads_out_of_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="expected names that stay inside"):
        archives.unpack(packed(tmp_path / "study.zip", {name: b"1"}), tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "study.zip"]
