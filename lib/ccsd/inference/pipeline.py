"""From a study to a mask: read, common space, the network's input, network, label map on the target image's grid.

All who segment come here: the server, batches, `ccsd segment`, scoring, evaluation, and Python users by `segment`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ccsd.common.clock import Clock
from ccsd.common.errors import InputError
from ccsd.imaging.sources import Source
from ccsd.imaging.volumes import Volume
from ccsd.inference.agreement import leave_one_out
from ccsd.inference.confidence import confidence_of
from ccsd.inference.feature_cache import FeatureCache, feature_cache
from ccsd.inference.label_map import MIN_COMPONENT_FRACTION, label_map
from ccsd.inference.predict import predict
from ccsd.inference.segmentation import Options, Segmentation
from ccsd.inference.windows import fitting
from ccsd.method import subsets
from ccsd.method.task import BRATS, Task
from ccsd.models.checkpoint import Checkpoint
from ccsd.models.served import ServedModel, model_of
from ccsd.preprocessing import quality
from ccsd.preprocessing.common_space import CommonSpace, Mode, to_common_space
from ccsd.preprocessing.common_space_cache import cached_common_space
from ccsd.preprocessing.prepare import NetworkInput, prepare
from ccsd.studies.archives import unpacked
from ccsd.studies.study import Study, from_images, image_of, read_with_target, study_of

__all__ = [
    "Options",
    "Segmentation",
    "Segmenter",
    "common_input",
    "doubts",
    "find_study",
    "mask_on_grid",
    "region_probabilities",
    "segment",
]

WARM = (64, 64, 64)  # voxels: enough for all kinds of operations, and over in a moment


class Segmenter:
    """A model with what it remembers: studies in common space, and features of the last studies.

    Args:
        model: read anew whenever other weights are published.
        cache: folder for studies in common space (None: they are not kept).
    """

    def __init__(self, model: ServedModel, *, cache: Path | None = None) -> None:
        self.model = model
        self.cache = cache
        self.memory: FeatureCache | None = feature_cache()
        self._preparing = threading.Lock()  # one study at a time
        self._networks, self._threads = 1, torch.get_num_threads()
        self._free = threading.Semaphore()  # one network at a time: its memory and the cores are shared

    def warm(self) -> None:
        """Load the weights and run the network once, so that the first mask does not wait for that.

        Raises:
            InputError: the weights cannot be read.
        """
        with self._turn():
            network = self.model.current().network.to_device(Options().device)
            present = torch.ones(network.n, dtype=torch.bool)
            predict(network, torch.zeros(network.n, *WARM), present, [subsets.full(network.n)], Options().window)

    def share_cores(self, networks: int) -> None:
        """From now on so many studies at once are in the network, on a CPU, each with its part of the threads, if there
        are enough: many studies are done sooner, and each of them later. Features are not kept then. The network rounds
        differently with another number of threads, so a few voxels of a mask may differ."""
        if self._threads >= networks:
            self._networks, self._free, self.memory = networks, threading.Semaphore(networks), None

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """When a network may compute, with its part of the threads, which torch sets for the calling thread."""
        with self._free:
            if self._networks == 1:
                yield
                return
            torch.set_num_threads(self._threads // self._networks)
            try:
                yield
            finally:
                torch.set_num_threads(self._threads)

    def segment(
        self, study: Study, target: Path | None = None, options: Options | None = None, *, clock: Clock | None = None
    ) -> Segmentation:
        """Args:
            study: with the images to use.
            target: the image on whose grid the mask is to lie; for None or a folder, the first modality's.
            clock: takes the seconds of each step.

        Raises:
            InputError: an image cannot be read, or none can be used.
        """
        options, clock, task = options or Options(), clock or Clock(), self.model.task
        target = target or next(iter(study.sources.values())).path
        with self._preparing:
            images, name = read_with_target(study, target)
            clock.step("read")
            prepared, common = common_input(study, images, name, task, cache=self.cache, mode=options.preprocess)
            common = replace(
                common, warnings=[*common.warnings, *doubts(study, images, common, task, options.preprocess)]
            )
            clock.step("prepare")
        with self._turn():
            checkpoint = self.model.current()
            network = checkpoint.network.to_device(options.device)
            options = replace(options, window=fitting(options.window, prepared.volumes.shape[1:], network))
            found = region_probabilities(checkpoint, prepared, options, memory=self.memory)
        clock.step("network")
        fraction = options.min_component_fraction
        label, removed = mask_on_grid(found[max(found)], prepared, common, task, min_component_fraction=fraction)
        confidence = confidence_of(found, prepared, common, task, fraction=fraction) if options.confidence else None
        clock.step("restore")
        source = image_of(study, name) or Source(target)
        used = study.without(common.left_out)
        return Segmentation(label, removed, used, source, images, common, checkpoint, options, confidence)


def segment(
    study: Path | str | None = None,
    *,
    weights: Path | str | None = None,
    task: Task = BRATS,
    options: Options | None = None,
    **images: Path | str | None,
) -> Segmentation:
    """Segment one study, without a server:

        segment("patient7").label
        segment(t1ce="a.nii.gz", flair="b.nii.gz", options=Options(preprocess="off")).volumes_ml

    Args:
        study: a folder of files or of DICOM, an archive of one (.zip, .tar.gz), or one of its images, on whose grid
            the mask is then.
        images: instead of `study`, modality (`t1`, `t1ce`, `t2`, `flair`) -> file or folder of one DICOM series; the
            mask lies on the first one's grid.
        weights: None: those that the app serves, else the ones that came with it.

    Raises:
        InputError: no such study, file or weights, or one that cannot be used.
    """
    options = options or Options()
    given = {name: Path(path) for name, path in images.items() if path is not None}
    if (study is None) == (not given):
        raise InputError(f"expected a study, or images by modality ({', '.join(task.modalities)}), and not both")
    segmenter = Segmenter(model_of(Path(weights) if weights else None, task))
    if study is None:
        return segmenter.segment(from_images(given, task.modalities), options=options)
    with unpacked(Path(study)) as target:
        return segmenter.segment(find_study(target, options, task), target, options)


def find_study(target: Path, options: Options, task: Task) -> Study:
    """The study that an image belongs to or that a folder holds, with the modalities that are asked for.

    Raises:
        InputError: it cannot be told, or lacks a modality that is asked for.
    """
    only = options.modalities[0] if options.modalities and len(options.modalities) == 1 else None
    study = study_of(target, task.modalities, modality=only, named=options.named)
    return study.restricted(options.modalities) if options.modalities else study


def common_input(
    study: Study,
    images: Mapping[str, Volume],
    target: str,
    task: Task,
    *,
    cache: Path | None = None,
    mode: Mode = "auto",
) -> tuple[NetworkInput, CommonSpace]:
    """The network's input from all modalities of a study, and the way back to the image that is called `target`.

    Args:
        images: as `ccsd.studies.study.read_with_target` gives them.

    Raises:
        InputError: none of them can be used.
    """
    if cache:
        common = cached_common_space(images, target=target, folder=cache, mode=mode)
    else:
        common = to_common_space(images, target=target, mode=mode)
    usable = study.without(common.left_out).sources
    of_task = {m: common.volumes[m] for m in task.modalities if m in usable}
    if not of_task:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in common.left_out.items())
        raise InputError(f"study {study.id} has no modality that can be used: {reasons}")
    prepared = prepare(of_task, task.modalities, spacing=task.spacing)
    notes = [note for image in images.values() for note in image.notes]
    return prepared, replace(common, warnings=[*notes, *common.warnings])


def region_probabilities(
    checkpoint: Checkpoint, prepared: NetworkInput, options: Options, *, memory: FeatureCache | None = None
) -> dict[int, Tensor]:
    """Probabilities of the regions (R, d, h, w) in the network's frame, by subset: of exactly the present modalities;
    with `options.confidence` also of those with one less."""
    network = checkpoint.network.to_device(options.device)
    subset = subsets.from_present(prepared.present)
    return predict(
        network,
        prepared.volumes,
        prepared.present,
        [subset, *(leave_one_out(subset) if options.confidence else [])],
        options.window,
        memory=memory,
        version=checkpoint.version,
    )


def mask_on_grid(
    probabilities: Tensor,
    prepared: NetworkInput,
    common: CommonSpace,
    task: Task,
    *,
    min_component_fraction: float = MIN_COMPONENT_FRACTION,
) -> tuple[NDArray[np.uint8], int]:
    """Region probabilities in the network's frame -> label map (D, H, W) uint8 on the target image's grid, and how many
    voxels were left out of it as small components."""
    on_target = common.to_native(prepared.frame.to_native(probabilities))
    label, removed = label_map(on_target, task, min_component_fraction=min_component_fraction)
    return label.numpy(), removed


def doubts(study: Study, images: Mapping[str, Volume], common: CommonSpace, task: Task, mode: Mode) -> list[str]:
    """Sentences on the quality of the images that are segmented from, as scanned and in common space
    (`ccsd.preprocessing.quality`); none for tasks that may be of another organ. Arguments as `common_input`."""
    if not quality.BRAIN_SERIES & set(task.modalities):
        return []
    usable = study.without(common.left_out).sources
    volumes = {m: common.volumes[m] for m in task.modalities if m in usable}
    if mode == "off" and (skulls := quality.skull_left(volumes)):
        return skulls  # the rest is told of brains without skull
    scans = {m: images[m] for m in volumes} if common.route == "raw" else {}
    return [*quality.of_scans(scans), *quality.of_brain(volumes, common.grids, common.transforms)]
