"""What a training is made from: saved labels and their studies as they are now, with their content hashes.

Labels are copied, so that users can go on saving while a training runs.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ccsd.common.errors import InputError
from ccsd.common.files import replacing, write_json
from ccsd.common.stopping import check_cancelled
from ccsd.method.task import Task
from ccsd.models.card import REPLAYED
from ccsd.studies.study import Study, find_studies, study_of
from ccsd.training.cache import cached_file, load_cached
from ccsd.training.digest import digest_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """A labelled study.

    Attributes:
        label: the copy that is trained on; image: that it was drawn on (None: the first on the label's grid).
        regions: that the label knows (None: all).
        digest: of the contents of label and images.
        earlier: it is replayed from a folder of earlier cases, not saved by a user.
    """

    id: str
    study: Study
    label: Path
    image: Path | None
    regions: tuple[str, ...] | None
    digest: str
    earlier: bool = False


@dataclass(frozen=True)
class Prepared:
    """A study that is ready to train on: its id, the file that holds it prepared, and its digest."""

    id: str
    file: Path
    digest: str
    earlier: bool


def take_snapshot(
    rows: Sequence[Mapping[str, Any]], task: Task, folder: Path, *, replay: Path | None = None
) -> list[Entry]:
    """Datastore rows -> labelled studies, one entry each, by id; listed in `snapshot.json`, labels in `labels/`.

    Args:
        replay: a folder of further labelled studies, that the weights were trained on before.
    """
    entries = [*_saved(rows, task, folder / "labels"), *(_earlier(replay, task) if replay else ())]
    entries.sort(key=lambda entry: entry.id)
    write_json(folder / "snapshot.json", [_described(entry) for entry in entries])
    used = {entry.label for entry in entries}
    for file in (folder / "labels").glob("*.nii.gz"):
        if file not in used:
            file.unlink()
    return entries


def prepare_entries(
    entries: Iterable[Entry], task: Task, folder: Path, *, on_study: Callable[[int], None] = lambda _: None
) -> tuple[list[Prepared], dict[str, str]]:
    """The studies decoded and prepared in `folder` (each once for good), and those that cannot be used, with the
    reason. What is no longer labelled is removed from there.

    Args:
        on_study: sees the number, from 1, of the one that is prepared next.

    Raises:
        StoppedError: within `ccsd.common.stopping.stoppable`; what is prepared by then is kept.
    """
    ready, left_out = [], {}
    for number, entry in enumerate(entries, start=1):
        on_study(number)
        check_cancelled()
        how: dict[str, Any] = {"image": entry.image, "annotated": entry.regions}
        try:
            load_cached(entry.study, entry.label, task, folder, **how)
        except InputError as error:
            logger.warning("%s is left out: %s", entry.id, error)
            left_out[entry.id] = str(error)
            continue
        file = cached_file(entry.study, entry.label, task, folder, **how)
        ready.append(Prepared(entry.id, file, entry.digest, entry.earlier))
    kept = {one.file for one in ready}
    for file in folder.glob("*.pt"):
        if file not in kept:
            file.unlink()
    return ready, left_out


def _saved(rows: Sequence[Mapping[str, Any]], task: Task, labels: Path) -> Iterator[Entry]:
    labels.mkdir(parents=True, exist_ok=True)
    for row in rows:
        image, label = Path(row["image"]), Path(row["label"])
        study = study_of(image, task.modalities)
        try:
            content = label.read_bytes()
        except FileNotFoundError:
            logger.warning("the label of %s was removed meanwhile", study.id)
            continue
        copy = labels / f"{hashlib.sha256(content).hexdigest()[:16]}.nii.gz"
        if not copy.exists():
            with replacing(copy) as temporary:
                temporary.write_bytes(content)
        regions = tuple(row["regions"]) if row.get("regions") is not None else None
        digest = digest_of(study, copy, extra=repr((regions, image.name)))
        yield Entry(str(row.get("study", study.id)), study, copy, image, regions, digest)


def _earlier(folder: Path, task: Task) -> Iterator[Entry]:
    for study in find_studies(folder, task.modalities):
        if study.label is not None:
            yield Entry(f"{REPLAYED}{study.id}", study, study.label, None, None, digest_of(study, study.label), True)


def _described(entry: Entry) -> dict[str, Any]:
    return {
        "study": entry.id,
        "modalities": {m: str(source.path) for m, source in entry.study.sources.items()},
        "label": str(entry.label),
        "regions": list(entry.regions) if entry.regions is not None else None,
        "sha256": entry.digest,
        "replayed": entry.earlier,
    }
