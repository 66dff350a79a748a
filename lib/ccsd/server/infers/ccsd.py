"""The infer task `ccsd`: image id -> study -> common space -> network(subset) -> mask on the asked grid -> answer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType
from numpy.typing import NDArray
from torch import Tensor

from ccsd.common.clock import Clock
from ccsd.common.devices import device_names
from ccsd.common.errors import InputError
from ccsd.imaging import filenames
from ccsd.imaging.nrrd import write_nrrd
from ccsd.imaging.seg_write import Author, make_seg
from ccsd.imaging.sources import Source
from ccsd.imaging.volumes import Grid, Volume, shown_grid, temporary_image, write_volume
from ccsd.inference.feature_cache import FeatureMemory
from ccsd.inference.label_map import SPECKS, label_map
from ccsd.inference.predict import WindowConfig, predict
from ccsd.method import subsets
from ccsd.method.task import Task
from ccsd.models.checkpoint import UNTRAINED, Checkpoint
from ccsd.models.served import ServedModel
from ccsd.preprocessing.common_space import MODES, Mode, RawResult, is_prepared
from ccsd.preprocessing.common_space_cache import cached_common_space
from ccsd.preprocessing.prepare import Prepared, prepare
from ccsd.server.infers.answer import describe, provenance
from ccsd.server.infers.request import DICOM_SEG, EXTENSIONS, InferRequest, read_request
from ccsd.studies.enhancement import is_after
from ccsd.studies.study import Study, read_asked, study_of

logger = logging.getLogger(__name__)


class CCSDInferTask(InferTask):
    """Segments the study that an image belongs to, with whatever modalities it has.

    Args:
        cache: folder for studies in common space.
    """

    def __init__(self, model: ServedModel, *, cache: Path) -> None:
        window = WindowConfig()
        config = {
            "device": list(device_names()),
            "modalities": "all",
            "preprocess": list(MODES),
            "window": window.edge,
            "overlap": window.overlap,
            "specks": SPECKS,
        }
        named = ", ".join(model.task.modalities)
        description = f"Segmentation ({model.task.name}) from any subset of {named} (CCSD)"
        super().__init__(InferType.SEGMENTATION, dict(model.task.labels), 3, description, config)
        self.model = model
        self.cache = cache
        self.memory = FeatureMemory()
        self._lock = threading.Lock()  # one network at a time: its memory and the cores are shared

    def is_valid(self) -> bool:
        return True

    def info(self) -> dict[str, Any]:
        version = self.model.current().version
        info: dict[str, Any] = super().info()
        info["version"] = version
        if version == UNTRAINED:
            info["description"] += ": untrained weights"
        return info

    def __call__(self, request: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
        """(mask file, JSON part of the answer).

        Raises:
            InputError: the image, the study or a parameter is not usable.
        """
        clock = Clock()
        asked = Path(request["image"])
        wanted = read_request(request, self.model.task)
        study = _study(asked, wanted, self.model.task)
        volumes, name = read_asked(study, asked)
        clock.lap("read")
        prepared, common = _prepared(study, volumes, name, self.model.task, cache=self.cache, mode=wanted.preprocess)
        clock.lap("prepare")
        with self._lock:
            checkpoint = self.model.current()
            probabilities = segment(checkpoint, prepared, wanted, self.memory)
        clock.lap("network")
        label, removed = mask_on_grid(probabilities, prepared, common, self.model.task, specks=wanted.specks)
        clock.lap("restore")
        grid = common.grids[name]
        study = study.without(common.left_out)
        answer = describe(study, label, removed, grid, common, checkpoint, wanted, self.model.task)
        made = provenance(answer, self.model.task)
        if wanted.extension == DICOM_SEG:
            file = _write_seg(label, study, name, made, wanted, self.model.task)
        else:
            file = _write(label, grid, asked, _file_of(study, name, asked), made, wanted)
        clock.end("write")
        return file, {"label_names": self.labels, "latencies": clock.seconds, "ccsd": answer}


def prepared_study(study: Study, asked: Path, task: Task, *, cache: Path) -> Prepared:
    """The network's input from all modalities of a study, as inference for the image `asked` makes it.

    Raises:
        InputError: an image cannot be used.
    """
    volumes, name = read_asked(study, asked)
    return _prepared(study, volumes, name, task, cache=cache, mode="auto")[0]


def _prepared(
    study: Study, volumes: Mapping[str, Volume], asked: str, task: Task, *, cache: Path, mode: Mode
) -> tuple[Prepared, RawResult]:
    common = cached_common_space(volumes, asked=asked, folder=cache, mode=mode)
    usable = study.without(common.left_out).sources
    of_task = {m: common.volumes[m] for m in task.modalities if m in usable}
    if not of_task:
        raise InputError(f"study {study.id} has no modality that can be used: {_reasons(common.left_out)}")
    prepared = prepare(of_task, task.modalities, spacing=task.spacing)
    notes = [note for volume in volumes.values() for note in volume.notes]
    stripped = mode != "off" or is_prepared(volumes)  # vessels of the scalp are no sign of contrast agent
    exchanged = _exchanged(of_task) if stripped else []
    return prepared, replace(common, warnings=[*notes, *common.warnings, *exchanged])


def _reasons(left_out: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {reason}" for name, reason in left_out.items())


def _exchanged(volumes: Mapping[str, Volume]) -> list[str]:
    """A sentence where what is called T1 enhances and what is called T1ce does not."""
    plain, enhanced = (volumes.get(m) for m in ("t1", "t1ce"))
    if plain is None or enhanced is None or not plain.grid.matches(enhanced.grid):
        return []
    steps = tuple(slice(None, None, max(1, round(2 / mm))) for mm in plain.grid.spacing)
    if is_after(enhanced.data[steps], plain.data[steps]) is not False:
        return []
    return ["t1 and t1ce look exchanged: what is called t1 shows contrast agent, what is called t1ce does not"]


def segment(checkpoint: Checkpoint, prepared: Prepared, wanted: InferRequest, memory: FeatureMemory) -> Tensor:
    """Region probabilities (R, d, h, w) from exactly the present modalities."""
    network = checkpoint.network.place(wanted.device)
    subset = subsets.from_present(prepared.present)
    found = predict(
        network,
        prepared.volumes,
        prepared.present,
        [subset],
        wanted.window,
        memory=memory,
        version=checkpoint.version,
    )
    return found[subset]


def mask_on_grid(
    probabilities: Tensor, prepared: Prepared, common: RawResult, task: Task, *, specks: float = SPECKS
) -> tuple[NDArray[np.uint8], int]:
    """Region probabilities in the network's frame -> label map (D, H, W) uint8 on the asked image's grid, and how many
    voxels were left out of it as specks."""
    label, removed = label_map(common.restore(prepared.frame.restore(probabilities)), task, specks=specks)
    return label.numpy(), removed


def _study(asked: Path, wanted: InferRequest, task: Task) -> Study:
    only = wanted.modalities[0] if wanted.modalities and len(wanted.modalities) == 1 else None
    study = study_of(asked, task.modalities, modality=only, named=wanted.named)
    return study.restricted(wanted.modalities) if wanted.modalities else study


def _source(study: Study, name: str) -> Source | None:
    """The image of a study that `read_asked` calls by this name."""
    left_out = [o.source for o in (*study.spare, *study.unknown, *study.refused)]
    return study.sources.get(name) or next((s for s in left_out if s.name == name), None)


def _file_of(study: Study, name: str, asked: Path) -> Path | None:
    """The file whose voxels the mask has, if it is one: of a folder, that of its first modality."""
    source = _source(study, name) or Source(asked)
    return source.path if source.series is None and source.path.is_file() else None


def _write_seg(
    label: NDArray[np.uint8], study: Study, name: str, made: Mapping[str, str], wanted: InferRequest, task: Task
) -> str:
    """The mask as a DICOM SEG of the asked series; as `_write`."""
    source = _source(study, name)
    if source is None or source.series is None:
        raise InputError(f"image {name} is no DICOM series, expected one for a DICOM segmentation")
    if wanted.relabel:
        raise InputError("enhancing_value is not for DICOM segmentations, whose segments have names and codes")
    author = Author("AUTOMATIC", made["model"], f"CCSD {task.name} from {made['modalities']}", made)
    seg = make_seg(label, source.series, task, author, frames=source.frames)
    with temporary_image(DICOM_SEG) as path:
        seg.save_as(path, write_like_original=False)
    return str(path)


def _write(
    label: NDArray[np.uint8],
    grid: Grid,
    asked: Path,
    like: Path | None,
    made: Mapping[str, str],
    wanted: InferRequest,
) -> str:
    """The mask as a temporary file that MONAI Label sends and removes, placed as the file `like` is."""
    for value, written in wanted.relabel.items():
        label = np.where(label == value, written, label).astype(np.uint8)
    own = filenames.extension(asked)
    extension = wanted.extension or (own if own in EXTENSIONS else filenames.EXTENSIONS[0])
    with temporary_image(extension) as path:
        if extension in filenames.EXTENSIONS:
            write_volume(path, label, grid, like=like, made=made)
        else:
            placed = shown_grid(like, grid) if like else grid
            write_nrrd(path, label, placed, compress=wanted.compress, made=made)
    return str(path)
