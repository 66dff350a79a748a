"""Versions: every published model is kept for a while, listed with what is known of it, and can be served again."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ccsd.common.errors import InputError, NotFoundError
from ccsd.common.files import make_newest, remove_leftovers, replacing, temporary_beside
from ccsd.method.network import CCSDNetwork
from ccsd.models import checkpoint
from ccsd.models.card import UNTRAINED, Card
from ccsd.models.checkpoint import Checkpoint
from ccsd.models.served import ServedModel

logger = logging.getLogger(__name__)

KEPT = 10
CANDIDATES = 3


@dataclass(frozen=True)
class Version:
    """A model on disk: its card, whether it is served, and whether it is pinned: served whatever is published."""

    card: Card
    served: bool
    pinned: bool = False

    @property
    def version(self) -> str:
        return self.card.version


@dataclass(frozen=True)
class Versions:
    """The published models of one task, in a folder beside the served weights.

    Args:
        kept: how many published models stay on disk; the served one always does. candidates: as many of those that
            the publish rule kept back.
    """

    model: ServedModel
    kept: int = KEPT
    candidates: int = CANDIDATES

    @property
    def folder(self) -> Path:
        return self.model.published.with_suffix(".versions")

    def publish(self, network: CCSDNetwork, *, name: str, card: Card | None = None, replaces: str | None = None) -> str:
        """Keep a model and serve it from the next inference on, unless another is pinned; returns its version.

        Args:
            replaces: a version of the same training that is not worth keeping beside this one.
        """
        version = self._keep(network, name, card or Card())
        if self.pinned() in (None, version):
            self._serve(self._file(version))
        else:
            logger.info("%s is pinned: %s is kept, and not served", self.pinned(), version)
        if replaces not in (None, version):
            self._file(str(replaces)).unlink(missing_ok=True)
        self._forget()
        return version

    def keep_back(self, network: CCSDNetwork, *, name: str, reason: str, card: Card | None = None) -> str:
        """Keep a model as a candidate that is not served, with the reason; returns its version."""
        version = self._keep(network, name, replace(card or Card(), kept_back=reason))
        self._forget()
        return version

    def add(self, file: Path) -> str:
        """Take weights that were made elsewhere (a script, a MONAI bundle) and serve them; returns their version.

        Raises:
            InputError: not weights of this task, or another version is pinned.
        """
        version = checkpoint.load(file, task=self.model.task).version
        if Path(version).name != version:
            raise InputError(f"weights {file.name} have the version {version!r}, expected a name without slashes")
        with replacing(self._file(version)) as temporary:
            shutil.copyfile(file, temporary)
        make_newest(self._file(version), self._files())
        self.serve(version)
        self._forget()
        return version

    def known(self) -> list[Version]:
        """The newest publication first, the shipped weights last."""
        served, pinned = self.model.current().version, self.pinned()
        others = [file for file in (self.model.published, self.model.shipped) if file.exists()]
        read = {card.version: card for card in _readable([*self._files(), *others])}
        return [Version(card, card.version == served, card.version == pinned) for card in read.values()]

    def find(self, version: str) -> Version:
        """Raises NotFoundError: it is not kept here."""
        known = {one.version: one for one in self.known()}
        if version not in known:
            raise NotFoundError(f"version {version} is not kept here, expected one of {', '.join(known)}")
        return known[version]

    def load(self, version: str) -> Checkpoint:
        """A version's weights. Raises NotFoundError: it is not kept here. InputError: its file is damaged."""
        current = self.model.current()
        if current.version == version:
            return current
        if version == UNTRAINED:
            return checkpoint.untrained(self.model.task, self.model.preset)
        self.find(version)
        file = self._file(version)
        return checkpoint.load(file if file.exists() else self.model.shipped, task=self.model.task)

    def pinned(self) -> str | None:
        """The version that stays served until it is unpinned."""
        try:
            return self._pin.read_text().strip() or None
        except OSError:
            return None

    def pin(self, version: str) -> None:
        """Serve a version, and go on serving it whatever is published. Raises as `serve`."""
        self.unpin()
        self.serve(version)
        with replacing(self._pin) as temporary:
            temporary.write_text(version)

    def unpin(self) -> None:
        """What is published next is served again."""
        self._pin.unlink(missing_ok=True)

    def serve(self, version: str) -> None:
        """Roll back, or forward, to a version that is kept: the next inference uses it.

        Raises:
            NotFoundError: it is not kept here. InputError: its file is damaged, or another version is pinned.
        """
        if self.pinned() not in (None, version):
            raise InputError(f"version {self.pinned()} is pinned, expected it to be unpinned before another is served")
        if self.model.shipped.exists() and checkpoint.card_in(self.model.shipped).version == version:
            self.model.published.unlink(missing_ok=True)
            return
        file = {file.stem: file for file in self._files()}.get(version)
        if file is None:
            self.find(version)  # the published weights themselves, of a release without a folder of versions
            return
        checkpoint.load(file, task=self.model.task)
        self._serve(file)

    def _keep(self, network: CCSDNetwork, name: str, card: Card) -> str:
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.folder)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        new = temporary_beside(self.folder / "new.pt")
        version = checkpoint.save(new, network, name=name, card=replace(card, published=now))
        if card.kept_back is not None and self._file(version).exists():  # training changed nothing
            new.unlink()
        else:
            os.replace(new, self._file(version))
            make_newest(self._file(version), self._files())
        return version

    def _forget(self) -> None:
        """Remove the oldest of what is more than shall be kept."""
        files = self._files()
        candidates = [file for file in files if any(card.kept_back is not None for card in _readable([file]))]
        published = [file for file in files if file not in candidates]
        for file in [*published[self.kept :], *candidates[self.candidates :]]:
            if file.stem != self.pinned():
                file.unlink(missing_ok=True)

    def _serve(self, file: Path) -> None:
        with replacing(self.model.published) as temporary:
            shutil.copyfile(file, temporary)

    @property
    def _pin(self) -> Path:
        return self.folder / "pinned"

    def _file(self, version: str) -> Path:
        return self.folder / f"{version}.pt"

    def _files(self) -> list[Path]:
        files = self.folder.glob("*.pt") if self.folder.is_dir() else ()
        return sorted(files, key=lambda file: file.stat().st_mtime_ns, reverse=True)


def _readable(files: Sequence[Path]) -> Iterator[Card]:
    for file in files:
        try:
            yield checkpoint.card_in(file)
        except InputError as error:
            logger.warning("%s", error)
