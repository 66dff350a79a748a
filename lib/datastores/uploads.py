"""Uploads: what a client sends with a request or into a session becomes a file or a folder of one study."""

from __future__ import annotations

import errno
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from monailabel.utils.sessions import Sessions

from lib.errors import InputError

ARCHIVE = ".zip"
UPLOAD = "ccsd-upload-"  # how the temporary folders of uploads begin
MOST_FILES = 20_000
MOST_BYTES = 8 * 2**30  # unpacked


class StudySessions(Sessions):
    """MONAI Label's sessions, of one image, of several files, or of an archive, which is unpacked with its limits."""

    def add_session(self, data_file: str, expiry: int = 0, uncompress: bool = False, session_id: Any = None) -> Any:
        """(id, info). `uncompress` asks for what archives get anyway.

        Raises:
            InputError: an archive that cannot be used.
        """
        path = Path(data_file)
        if path.is_file() and (uncompress or _is_archive(path)):
            path = unpack(path, Path(tempfile.mkdtemp(dir=path.parent, prefix="study-")))
        return super().add_session(str(path), expiry, False, session_id)


@contextmanager
def received(files: Sequence[tuple[str, BinaryIO]]) -> Iterator[Path]:
    """What a client sent, (name, content) a file, under its own names for as long as it is used: the file, or a folder
    of several.

    Raises:
        InputError: two files of one name, or an archive among several files.
    """
    with tempfile.TemporaryDirectory(prefix=UPLOAD, ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary, "files")
        folder.mkdir()
        for sent, content in files:
            path = folder / (re.split(r"[/\\]", sent)[-1].lstrip(".") or "unnamed")
            if path.exists():
                raise InputError(f"files: two are named {path.name}, expected a name for each")
            if len(files) > 1 and path.suffix.lower() == ARCHIVE:
                raise InputError(f"files: the archive {path.name} is one of {len(files)}, expected an archive alone")
            with path.open("wb") as file:
                shutil.copyfileobj(content, file)
        yield next(folder.iterdir()) if len(files) == 1 else folder


def is_received(path: Path) -> bool:
    """Whether a path lies in what a client sent with a request."""
    temporary = Path(tempfile.gettempdir()).resolve()
    return any(p.parent == temporary and p.name.startswith(UPLOAD) for p in path.resolve().parents)


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """What is in `path`, for as long as it is used, if it is an archive; else `path` itself."""
    if not _is_archive(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="study-") as folder:
        yield unpack(path, Path(folder))


def unpack(archive: Path, folder: Path) -> Path:
    """The files of a zip archive into `folder`; the only file, or `folder`.

    Raises:
        InputError: no zip archive, too large, or with a name that leads out of the folder.
    """
    written = []
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [m for m in opened.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
            _check(archive, members)
            folder = folder / archive.stem  # sentences name it
            for member in members:
                target = folder / PurePosixPath(member.filename)
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(member) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file)
                written.append(target)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:  # RuntimeError: encrypted
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise InputError(f"{archive.name} cannot be read as a zip archive ({error})") from None
    return written[0] if len(written) == 1 else folder


def _is_archive(path: Path) -> bool:
    return path.suffix.lower() == ARCHIVE or (path.is_file() and zipfile.is_zipfile(path))


def _check(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    if not members:
        raise InputError(f"{archive.name} holds no files, expected the images of a study")
    size = sum(m.file_size for m in members)  # zipfile stops at this size, whatever the data say
    if len(members) > MOST_FILES or size > MOST_BYTES:
        raise InputError(
            f"{archive.name} holds {len(members)} files of {size / 2**30:.1f} GiB, expected at most {MOST_FILES} files "
            f"of {MOST_BYTES / 2**30:.0f} GiB"
        )
    for member in members:
        name = PurePosixPath(member.filename)
        if name.is_absolute() or ".." in name.parts or "\\" in member.filename or ":" in member.filename:
            raise InputError(f"{archive.name} holds {member.filename!r}, expected names that stay inside the archive")
