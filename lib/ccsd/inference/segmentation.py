"""What one asks of the pipeline, and what it gives: a mask on the target image's grid, and all that is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ccsd.common.devices import computed_in, read_device
from ccsd.imaging.sources import Source
from ccsd.imaging.volumes import Grid, Volume
from ccsd.inference import answer
from ccsd.inference.confidence import ONE_MODALITY, Confidence, expected_gain
from ccsd.inference.label_map import MIN_COMPONENT_FRACTION
from ccsd.inference.windows import WindowConfig
from ccsd.method.task import Task
from ccsd.models.card import UNTRAINED
from ccsd.models.checkpoint import Checkpoint
from ccsd.preprocessing import quality
from ccsd.preprocessing.common_space import CommonSpace, Mode
from ccsd.studies.study import Study

UNTRAINED_WARNING = "untrained weights: no model is published yet, this mask is meaningless"


@dataclass(frozen=True)
class Options:
    """How a study is segmented.

    Attributes:
        modalities: use only these (None: all that the study has).
        named: modality -> the image that it is, by id or file name, where the caller says so.
        preprocess: "full" aligns the series and removes the skull, "off" takes images as they are, "auto" does what the
            study needs (`ccsd.preprocessing.common_space`).
        window: how the study is cut.
        min_component_fraction: separate parts smaller than this share of the largest are left out
            (`ccsd.inference.label_map`).
        device: where to compute (the first GPU, else the CPU).
        confidence: also compare the mask with those made without one modality (`ccsd.inference.confidence`).
    """

    modalities: tuple[str, ...] | None = None
    named: Mapping[str, str] = field(default_factory=dict)
    preprocess: Mode = "auto"
    window: WindowConfig = field(default_factory=WindowConfig)
    min_component_fraction: float = MIN_COMPONENT_FRACTION
    device: torch.device = field(default_factory=partial(read_device, None))
    confidence: bool = False


@dataclass(frozen=True)
class Segmentation:
    """A segmented study.

    Attributes:
        label: the mask (D, H, W) uint8 on the voxels of the image `target`, with the values of `task.labels`.
        removed: voxels left out of the mask as small components.
        study: which image was used as which modality, and what was left out and why.
        images: the study's images as stored, by modality, each on its own grid.
        common: the study in common space, its route and warnings, and the way back.
        checkpoint: the weights; options: what was asked; confidence: None unless it was asked for.
    """

    label: NDArray[np.uint8]
    removed: int
    study: Study
    target: Source
    images: Mapping[str, Volume]
    common: CommonSpace
    checkpoint: Checkpoint
    options: Options
    confidence: Confidence | None = None

    @property
    def task(self) -> Task:
        return self.checkpoint.network.task

    @property
    def grid(self) -> Grid:
        """Of the target image, and so of the mask."""
        return self.common.grids[self.common.target]

    @property
    def used(self) -> list[str]:
        """The modalities that the network saw, in the task's order."""
        return [m for m in self.task.modalities if m in self.study.sources]

    @property
    def missing(self) -> list[str]:
        return [m for m in self.task.modalities if m not in self.study.sources]

    @property
    def volumes_ml(self) -> dict[str, float]:
        """Region -> mL."""
        return answer.volumes(self.label, self.grid, self.task)["volumes_ml"]

    @property
    def warnings(self) -> list[str]:
        """Sentences for whoever looks at the mask."""
        untrained = [UNTRAINED_WARNING] if self.checkpoint.version == UNTRAINED else []
        notes = answer.notes(self.study, self.used)
        unsure = self.confidence.warnings if self.confidence else []
        of_images = [*self.common.warnings, *self._at_edge()]
        return [*untrained, *notes, *self.task.warnings(self.missing), *of_images, *unsure]

    def _at_edge(self) -> list[str]:
        name = self.common.target
        return quality.cut_tumour(self.label, name, self.common.volumes[name], self.grid, self.common.transforms[name])

    def answer(self) -> dict[str, Any]:
        """All that is known of the mask, as plain values: the part `ccsd` of the server's answer."""
        study, task = self.study, self.task
        return {
            "study": study.id,
            "image": self.target.name,
            "modalities": {
                "used": {m: study.sources[m].name for m in self.used},
                "rules": {m: study.sources[m].rule for m in self.used},
                "missing": self.missing,
                "ignored": answer.reasons([*study.spare, *study.unknown, *study.refused]),
            },
            "preprocess": {
                "route": self.common.route,
                "cached": self.common.cached,
                "seconds": self.common.seconds,
            },
            **answer.volumes(self.label, self.grid, task),
            "removed_ml": round(self.removed * answer.voxel_ml(self.grid), 3),
            "expected_dice": answer.expected_dice(self.checkpoint, self.used, task),
            "expected_dice_reason": answer.why_not_expected(self.checkpoint, self.used, task),
            "confidence": self._confidence(),
            "model": self.checkpoint.version,
            "settings": self.settings(),
            "warnings": self.warnings,
        }

    def _confidence(self) -> dict[str, Any] | None:
        if self.confidence is None:
            return None
        return {
            "regions": {g: self.confidence.of_region(g, ml) for g, ml in self.volumes_ml.items()},
            "missing": expected_gain(self.checkpoint, self.used, self.task),
            "reason": None if self.confidence.regions else ONE_MODALITY,
        }

    def settings(self) -> dict[str, Any]:
        """What the network was run with."""
        window = self.options.window
        return {
            "window": window.edge or 0,
            "overlap": window.overlap,
            "specks": self.options.min_component_fraction,
            "precision": str(computed_in(window.precision, self.options.device)).removeprefix("torch."),
            "device": str(self.options.device),
        }

    def provenance(self) -> dict[str, str]:
        """What a mask file says of how it was made, and no more: file names can be those of patients."""
        return {
            "model": self.checkpoint.version,
            "task": self.task.name,
            "modalities": ", ".join(self.used),
            "preprocess": self.common.route,
            **{name: str(value) for name, value in self.settings().items()},
        }
