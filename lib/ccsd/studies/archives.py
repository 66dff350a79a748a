"""Zip and tar archives: their files with names as they are to be on disk, and unpacking them within limits."""

from __future__ import annotations

import lzma
import re
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ccsd.common.errors import InputError, first_line, is_full
from ccsd.common.files import scratch
from ccsd.imaging import content
from ccsd.imaging.content import head_of, kind_in_words

TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
OTHERS = (".7z", ".rar")  # told from images, so that a sentence names them
ARCHIVES = (".zip", *TARS, *OTHERS)
MAX_FILES = 20_000
MAX_BYTES = 8 * 2**30  # unpacked
MAX_NOTE_BYTES = 2**20  # bytes of a note on a file in a tar archive: long names, dates

_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NOTES = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_FAILURES = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError,
    RuntimeError,  # encrypted, or compressed in a way that Python does not know
)  # fmt: skip


@dataclass(frozen=True)
class Member:
    """A file in an archive: its name with `/` between folders, its size unpacked, and how to read it."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]

    @property
    def path(self) -> PurePosixPath:
        return PurePosixPath(self.name)

    @property
    def is_leftover(self) -> bool:
        """What systems put beside files: macOS's `__MACOSX/` and `._x`, `.DS_Store`, and whatever else is hidden."""
        return any(part == "__MACOSX" or part.startswith(".") for part in self.path.parts)


def is_archive(path: Path) -> bool:
    """By its name, or by what it holds."""
    return path.name.lower().endswith(ARCHIVES) or (path.is_file() and (zipfile.is_zipfile(path) or _is_tar(path)))


def stem_of(archive: Path) -> str:
    """`study.tar.gz` -> `study`."""
    extension = next((e for e in sorted(ARCHIVES, key=len, reverse=True) if archive.name.lower().endswith(e)), "")
    return archive.name.removesuffix(archive.name[len(archive.name) - len(extension) :]) or archive.name


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """What is in `path`, for as long as it is used, if it is an archive; else `path` itself."""
    if not is_archive(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix=scratch("study")) as folder:
        yield unpack(path, Path(folder))


def unpack(archive: Path, folder: Path) -> Path:
    """The files of a zip or tar archive into `folder`; the only file, or `folder`.

    Raises:
        InputError: no such archive, too large, damaged, or with links or names that lead out of the folder.
    """
    folder = folder / stem_of(archive)  # sentences name it
    try:
        with members(archive) as found:
            _check_size(archive, found)
        with members(archive) as found:
            written = [_write(archive, member, folder) for member in found]
    except _FAILURES as error:
        if isinstance(error, InputError) or is_full(error):
            raise
        kind = "tar" if archive.name.lower().endswith(TARS) else "zip"
        reason = (error.strerror if isinstance(error, OSError) else None) or first_line(error, archive)
        raise InputError(f"{archive.name} cannot be read as a {kind} archive ({reason})") from None
    return written[0] if len(written) == 1 else folder


def _write(archive: Path, member: Member, folder: Path) -> Path:
    target = folder / member.path
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        raise InputError(f"{archive.name} holds {member.name} twice, expected a name for each")
    with member.open() as source, target.open("wb") as file:
        shutil.copyfileobj(source, file)
    return target


def _check_size(archive: Path, found: Iterable[Member]) -> None:
    """Limits are kept from what an archive says of its files: no more of them is unpacked, whatever the data say."""
    size = count = 0
    for member in found:
        count, size = count + 1, size + member.size
        if count > MAX_FILES or size > MAX_BYTES:
            raise InputError(
                f"{archive.name} holds {count} files of {size / 2**30:.1f} GiB, expected at most {MAX_FILES} files "
                f"of {MAX_BYTES / 2**30:.0f} GiB"
            )
    if not count:
        raise InputError(f"{archive.name} holds no files, expected the images of a study")


@contextmanager
def members(archive: Path) -> Iterator[Iterator[Member]]:
    """The files in an archive that are no leftovers of a system, one after the other.

    Raises:
        InputError: another kind of file, a link, or a name that leads out of the archive.
    """
    if zipfile.is_zipfile(archive) or head_of(archive).startswith(b"PK"):
        with zipfile.ZipFile(archive) as opened:
            yield _usable(archive, _in_zip(archive, opened))
    elif _is_tar(archive) or archive.name.lower().endswith(TARS):
        with content.unpacked(archive) as stream, tarfile.open(fileobj=stream, mode="r:*", tarinfo=_Info) as tar:
            yield _usable(archive, _in_tar(archive, tar))
    else:
        raise InputError(f"{kind_in_words(archive)}, expected a zip or tar archive")


class _Info(tarfile.TarInfo):
    """Notes are read into memory whole: large ones are refused before."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Any:
        info = super().frombuf(buf, encoding, errors)
        if info.type in _NOTES and info.size > MAX_NOTE_BYTES:
            raise InputError(f"a note in the tar archive has {info.size} bytes, expected at most {MAX_NOTE_BYTES}")
        return info


def _is_tar(path: Path) -> bool:
    try:
        return head_of(path)[257:262] == b"ustar"
    except InputError:
        return False


def _in_zip(archive: Path, opened: zipfile.ZipFile) -> Iterator[Member]:
    for info in opened.infolist():
        if stat.S_ISLNK(info.external_attr >> 16):
            raise InputError(f"{archive.name} holds the link {info.filename}, expected files alone")
        if not info.is_dir() and not info.filename.endswith("\\"):
            yield Member(_name(info.filename), info.file_size, lambda info=info: opened.open(info))  # type: ignore[misc]


def _in_tar(archive: Path, opened: tarfile.TarFile) -> Iterator[Member]:
    for info in opened:
        if not info.isdir() and not info.isreg():
            raise InputError(f"{archive.name} holds {info.name}, a link or device, expected files alone")
        if info.isreg():
            yield Member(_name(info.name), info.size, lambda info=info: opened.extractfile(info))  # type: ignore[misc,arg-type]
    opened.fileobj.seek(opened.offset)
    if len(opened.fileobj.read(tarfile.BLOCKSIZE)) < tarfile.BLOCKSIZE:
        raise InputError(f"{archive.name} is damaged: the tar archive has no end, expected all of its files")


def _name(written: str) -> str:
    """Windows writes `\\` between folders; bytes of other encodings and control characters are replaced."""
    text = written.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return _CONTROL.sub("_", text.replace("\\", "/"))


def _usable(archive: Path, found: Iterator[Member]) -> Iterator[Member]:
    for member in found:
        if member.path.is_absolute() or ".." in member.path.parts or _DRIVE.match(member.name):
            raise InputError(f"{archive.name} holds {member.name!r}, expected names that stay inside the archive")
        if member.is_leftover:
            continue
        if member.name.lower().endswith(ARCHIVES):
            raise InputError(f"{archive.name} holds the archive {member.path.name}, expected the images of a study")
        yield member
