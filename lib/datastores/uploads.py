"""Uploads: what a client sends with a request or into a session becomes a file or a folder of one study."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from monailabel.utils.sessions import Sessions

from lib.errors import InputError

MOST_FILES = 20_000
MOST_BYTES = 8 * 2**30  # unpacked


class StudySessions(Sessions):
    """MONAI Label's sessions, of one image, of several files, or of an archive, which is unpacked with its limits."""

    def add_session(self, data_file: str, expiry: int = 0, uncompress: bool = False, session_id: Any = None) -> Any:
        """(id, info). `uncompress` asks for what archives get anyway.

        Raises:
            InputError: an archive that cannot be used; nothing of it stays.
        """
        path = Path(data_file)
        if not zipfile.is_zipfile(path):
            return super().add_session(data_file, expiry, False, session_id)
        try:
            folder = Path(tempfile.mkdtemp(dir=path.parent, prefix="study-"))
            unpack(path, folder)
        except InputError:
            shutil.rmtree(path.parent)  # made for this request alone
            raise
        return super().add_session(str(folder), expiry, False, session_id)


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """A folder with what is in `path`, for as long as it is used, if it is an archive; else `path` itself."""
    if path.suffix.lower() != ".zip":
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="study-") as folder:
        unpack(path, Path(folder))
        yield Path(folder)


def unpack(archive: Path, folder: Path) -> None:
    """The files of a zip archive into `folder`.

    Raises:
        InputError: no zip archive, too large, or with a name that leads out of the folder.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [m for m in opened.infolist() if not m.is_dir()]
            _check(archive, members)
            for member in members:
                target = folder / PurePosixPath(member.filename)
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(member) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{archive.name} cannot be read as a zip archive ({error})") from None


def _check(archive: Path, members: list[zipfile.ZipInfo]) -> None:
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
