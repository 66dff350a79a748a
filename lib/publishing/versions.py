"""Versions: every published model is kept for a while, listed with what is known of it, and can be served again."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lib.ccsd.network import CCSDNetwork
from lib.errors import InputError, NotFoundError
from lib.files import replacing
from lib.publishing import checkpoint
from lib.publishing.served import ServedModel

logger = logging.getLogger(__name__)

KEPT = 10


@dataclass(frozen=True)
class Version:
    """A model on disk: its name, its `notes` (data, metrics, parent, time of publication), and whether it is served."""

    version: str
    notes: Mapping[str, Any]
    served: bool


@dataclass(frozen=True)
class Versions:
    """The published models of one task, in a folder beside the served weights.

    Args:
        kept: how many published models stay on disk; the served one always does.
    """

    model: ServedModel
    kept: int = KEPT

    @property
    def folder(self) -> Path:
        return self.model.published.with_suffix(".versions")

    def publish(self, network: CCSDNetwork, *, name: str, notes: Mapping[str, Any], replaces: str | None = None) -> str:
        """Keep a model and serve it from the next inference on; returns its version.

        Args:
            replaces: a version of the same training that is not worth keeping beside this one.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        published = datetime.now(UTC).isoformat(timespec="seconds")
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".writing-") as temporary:
            new = Path(temporary, "new.pt")
            version = checkpoint.save(new, network, name=name, notes={**notes, "published": published})
            os.replace(new, self._file(version))
        self._serve(self._file(version))
        if replaces not in (None, version):
            self._file(str(replaces)).unlink(missing_ok=True)
        for file in self._files()[self.kept :]:
            file.unlink(missing_ok=True)
        return version

    def known(self) -> list[Version]:
        """The newest publication first, the shipped weights last."""
        served = self.model.current().version
        others = [file for file in (self.model.published, self.model.shipped) if file.exists()]
        read = dict(_readable([*self._files(), *others]))
        return [Version(version, notes, version == served) for version, notes in read.items()]

    def serve(self, version: str) -> None:
        """Roll back, or forward, to a version that is kept: the next inference uses it.

        Raises:
            NotFoundError: it is not kept here. InputError: its file is damaged.
        """
        if self.model.shipped.exists() and checkpoint.read_notes(self.model.shipped)[0] == version:
            self.model.published.unlink(missing_ok=True)
            return
        kept = {file.stem: file for file in self._files()}
        if version not in kept:
            known = ", ".join(v.version for v in self.known())
            raise NotFoundError(f"version {version} is not kept here, expected one of {known}")
        checkpoint.load(kept[version], task=self.model.task)
        self._serve(kept[version])

    def _serve(self, file: Path) -> None:
        with replacing(self.model.published) as temporary:
            shutil.copyfile(file, temporary)

    def _file(self, version: str) -> Path:
        return self.folder / f"{version}.pt"

    def _files(self) -> list[Path]:
        files = self.folder.glob("*.pt") if self.folder.is_dir() else ()
        return sorted(files, key=lambda file: file.stat().st_mtime_ns, reverse=True)


def _readable(files: Sequence[Path]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for file in files:
        try:
            yield checkpoint.read_notes(file)
        except InputError as error:
            logger.warning("%s", error)
