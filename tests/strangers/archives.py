"""Archives as systems make them, from {name in the archive: content}.

Sources: issues of nnU-Net, MONAI Label and 3D Slicer on zips of Windows (`\\` between folders), of macOS
(`__MACOSX/._x`, `.DS_Store`), of exports by scanners (times with colons in names), and on tar.gz, the usual archive of
data sets.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

Content = Mapping[str, bytes]


def zipped(path: Path, content: Content, *, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in content.items():
            info = zipfile.ZipInfo("placeholder")
            info.filename, info.compress_type = name, method  # as it is, whatever separators it has
            archive.writestr(info, data)
    return path


def tarred(path: Path, content: Content, mode: str = "w:gz", *, form: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, mode, format=form) as archive:  # type: ignore[call-overload]
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def under(folder: str, content: Content, *, by: str = "/") -> dict[str, bytes]:
    return {f"{folder}{by}{name}": data for name, data in content.items()}


def of_windows(path: Path, content: Content) -> Path:
    return zipped(path, {"study\\": b""} | under("study\\series", content, by="\\"))


def of_macos(path: Path, content: Content) -> Path:
    left = {f"__MACOSX/study/._{name}": b"\0\5\x16\7" for name in content}
    hidden = {"study/.DS_Store": b"\0\0\0\1Bud1", "study/._folder": b"\0\5\x16\7"}
    return zipped(path, under("study", content) | left | hidden)


MADE: dict[str, Callable[[Path, Content], Path]] = {
    "zip": lambda p, c: zipped(p / "s.zip", c),
    "zip, stored": lambda p, c: zipped(p / "s.zip", c, method=zipfile.ZIP_STORED),
    "zip, LZMA": lambda p, c: zipped(p / "s.zip", c, method=zipfile.ZIP_LZMA),
    "zip in a folder of folders": lambda p, c: zipped(p / "s.zip", under("a/b/c", c)),
    "zip of Windows": lambda p, c: of_windows(p / "s.zip", c),
    "zip of macOS": lambda p, c: of_macos(p / "s.zip", c),
    "zip with colons": lambda p, c: zipped(p / "s.zip", under("2020-01-01T10:30:00", c)),
    "zip without its extension": lambda p, c: zipped(p / "s", c),
    "tar.gz": lambda p, c: tarred(p / "s.tar.gz", under("./study", c)),
    "tgz": lambda p, c: tarred(p / "s.tgz", c),
    "tar": lambda p, c: tarred(p / "s.tar", c, "w"),
    "tar of old GNU": lambda p, c: tarred(p / "s.tar", under("x" * 120, c), "w", form=tarfile.GNU_FORMAT),
    "tar.bz2": lambda p, c: tarred(p / "s.tar.bz2", c, "w:bz2"),
    "tar.xz": lambda p, c: tarred(p / "s.tar.xz", c, "w:xz"),
    "tar.gz named zip": lambda p, c: tarred(p / "s.zip", c),
    "tar.gz named nii.gz": lambda p, c: tarred(p / "s.nii.gz", c),
    "tar with Apple's notes": lambda p, c: tarred(p / "s.tgz", dict(c) | {f"._{n}": b"\0\5\x16\7" for n in c}),
}
