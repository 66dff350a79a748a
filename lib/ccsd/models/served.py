"""The model that is served: the latest published weights, else the shipped ones, else an untrained network."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from pathlib import Path

from ccsd.common.errors import InputError, NotFoundError
from ccsd.common.places import APP, SHIPPED
from ccsd.method.network import PRESETS, NetworkConfig
from ccsd.method.task import BRATS, Task
from ccsd.models import checkpoint
from ccsd.models.checkpoint import Checkpoint

logger = logging.getLogger(__name__)


@dataclass
class ServedModel:
    """Reads weights when they change, so that a publication needs no restart.

    Attributes:
        published: where training publishes; shipped: what came with the app.
        task: what the weights must be for.
        preset: the sizes of the network when there are no weights at all.
    """

    published: Path
    shipped: Path
    task: Task
    preset: NetworkConfig
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _stamp: tuple[object, ...] | None = None
    _checkpoint: Checkpoint | None = None

    def current(self) -> Checkpoint:
        """The weights to use now. The returned network is not shared with a later publication. Weights that cannot be
        read, or are for another task, do not take the place of those in use.

        Raises:
            InputError: there are none in use yet.
        """
        with self._lock:
            path = next((p for p in (self.published, self.shipped) if p.exists()), None)
            stamp = (path, *_signature(path)) if path else ("untrained",)
            if self._checkpoint is None or stamp != self._stamp:
                self._checkpoint = self._load(path)
                self._stamp = stamp
                logger.info("serving weights %s", self._checkpoint.version)
            return self._checkpoint

    def _load(self, path: Path | None) -> Checkpoint:
        try:
            return checkpoint.load(path, task=self.task) if path else checkpoint.untrained(self.task, self.preset)
        except InputError as error:
            if self._checkpoint is None:
                raise
            logger.error("%s: refused", error)
            return self._checkpoint


def weights_names(task: Task, name: str = "ccsd") -> tuple[str, str]:
    """File names of the published and of the shipped weights: those of one task never serve another."""
    own = name if task == BRATS else f"{name}_{task.name}"
    return f"{own}.pt", f"pretrained_{own}.pt"


def model_of(weights: Path | None, task: Task) -> ServedModel:
    """The weights in a file; None: those that the app serves, else those that came with it.

    Raises:
        NotFoundError: there are none.
    """
    own, came = weights_names(task)
    published, shipped = weights or APP / "model" / own, weights or SHIPPED.with_name(came)
    if not published.is_file() and not shipped.is_file():
        raise NotFoundError(f"weights {shipped} do not exist, expected a checkpoint file")
    return ServedModel(published, shipped, task, PRESETS["small"])


def _signature(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino
