"""Uploads: what a client sends with a request or into a session becomes a file or a folder of one study."""

from __future__ import annotations

import json
import logging
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from monailabel.utils.sessions import SessionInfo, Sessions

from ccsd.common.errors import InputError, is_full
from ccsd.common.files import remove_leftovers, replacing, scratch, writing
from ccsd.studies.archives import ARCHIVES, is_archive, unpack

logger = logging.getLogger(__name__)

META = "meta.info"  # MONAI Label's file of what a session is


class StudySessions(Sessions):
    """MONAI Label's sessions, of one image, of several files, or of an archive, which is unpacked with its limits. A
    session is there whole or not at all."""

    def add_session(self, data_file: str, expiry: int = 0, uncompress: bool = False, session_id: Any = None) -> Any:
        """(id, info). `uncompress` asks for what archives get anyway.

        Raises:
            InputError: an archive that cannot be used.
        """
        path = Path(data_file)
        if path.is_file() and (uncompress or is_archive(path)):
            path = unpack(path, Path(tempfile.mkdtemp(dir=path.parent, prefix="study-")))
        name = str(session_id or uuid.uuid4())
        folder = Path(self.store_path, name)
        now = int(time.time())
        info = SessionInfo()
        info.name, info.path, info.image = name, str(folder), str(folder / path.name)
        info.create_ts = info.last_access_ts = now
        info.expiry = min(expiry, self.expiry) if expiry > 0 else self.expiry
        info.meta = {}
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=writing()) as temporary:
            new = Path(temporary, "new")
            new.mkdir()
            shutil.move(path, new / path.name)
            (new / META).write_text(info.to_str())
            new.rename(folder)
        self[name] = info
        return name, info

    def get_session(self, session_id: str, update_ts: bool = True, fetch_cache: bool = True) -> Any:
        """As MONAI Label's; None also where its file is damaged. On a full disk the time of use is not noted."""
        try:
            return super().get_session(session_id, update_ts, fetch_cache)
        except json.JSONDecodeError:
            return None
        except OSError as error:
            if not is_full(error):
                raise
            logger.warning("the disk is full: that session %s is in use is not noted", session_id)
            return self.get(session_id)

    def remove_expired(self) -> int:
        """Remove what has ended, what cannot be used, and what a server that was killed was receiving; their number.
        A clock that went back does not prolong sessions: none was used later than now."""
        store, now, count = Path(self.store_path), int(time.time()), 0
        remove_leftovers(store)
        for folder in [f for f in store.glob("*/") if not f.name.startswith(".")]:
            info = self.get_session(folder.name, update_ts=False)
            if info is None or info.last_access_ts + info.expiry < now:
                self.remove_session(folder.name)
                count += 1
            elif info.last_access_ts > now:
                info.last_access_ts = now
                with suppress(OSError):
                    self._write_meta_info(folder.name, info)
        return count

    def _write_meta_info(self, session_id: str, session_info: SessionInfo) -> None:
        with replacing(Path(self.store_path, session_id, META)) as temporary:
            temporary.write_text(session_info.to_str())


@contextmanager
def received(files: Sequence[tuple[str, BinaryIO]]) -> Iterator[Path]:
    """What a client sent, (name, content) a file, under its own names for as long as it is used: the file, or a folder
    of several.

    Raises:
        InputError: two files of one name, or an archive among several files.
    """
    with tempfile.TemporaryDirectory(prefix=scratch("upload"), ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary, "files")
        folder.mkdir()
        for sent, content in files:
            path = folder / (re.split(r"[/\\]", sent)[-1].lstrip(".") or "unnamed")
            if path.exists():
                raise InputError(f"files: two are named {path.name}, expected a name for each")
            if len(files) > 1 and path.name.lower().endswith(ARCHIVES):
                raise InputError(f"files: the archive {path.name} is one of {len(files)}, expected an archive alone")
            with path.open("wb") as file:
                shutil.copyfileobj(content, file)
        yield next(folder.iterdir()) if len(files) == 1 else folder


def is_received(path: Path) -> bool:
    """Whether a path lies in what a client sent with a request."""
    temporary = Path(tempfile.gettempdir()).resolve()
    return any(p.parent == temporary and p.name.startswith(scratch("upload")) for p in path.resolve().parents)
