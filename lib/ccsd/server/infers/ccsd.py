"""The infer task `ccsd`: a request -> options of `ccsd.inference.pipeline` -> mask file and answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType

from ccsd.common.clock import Clock
from ccsd.common.devices import device_names
from ccsd.imaging import filenames
from ccsd.imaging.volumes import temporary_image
from ccsd.inference.label_map import MIN_COMPONENT_FRACTION
from ccsd.inference.mask_file import EXTENSIONS, agreement_beside, write_agreement, write_mask
from ccsd.inference.pipeline import Segmentation, Segmenter, find_study
from ccsd.inference.windows import WindowConfig
from ccsd.models.card import UNTRAINED
from ccsd.models.served import ServedModel
from ccsd.preprocessing.common_space import MODES
from ccsd.server.infers.request import InferRequest, read_request


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
            "window": window.edge or 0,
            "overlap": window.overlap,
            "specks": MIN_COMPONENT_FRACTION,
            "confidence": False,
        }
        named = ", ".join(model.task.modalities)
        description = f"Segmentation ({model.task.name}) from any subset of {named} (CCSD)"
        super().__init__(InferType.SEGMENTATION, dict(model.task.labels), 3, description, config)
        self.model = model
        self.segmenter = Segmenter(model, cache=cache)

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
        target = Path(request["image"])
        wanted = read_request(request, self.model.task)
        study = find_study(target, wanted.options, self.model.task)
        found = self.segmenter.segment(study, target, wanted.options, clock=clock)
        file = _write(found, target, wanted)
        clock.end("write")
        return file, {"label_names": self.labels, "latencies": clock.seconds, "ccsd": found.answer()}


def _write(found: Segmentation, target: Path, wanted: InferRequest) -> str:
    """The mask as a temporary file, which MONAI Label sends and removes; as the target image's format if it has one.
    The map of agreement, where there is one, lies beside it (`agreement_beside`); who asks for it takes it."""
    own = filenames.extension(target)
    extension = wanted.extension or (own if own in EXTENSIONS else filenames.EXTENSIONS[0])
    with temporary_image(extension) as path:
        write_mask(path, found, relabel=wanted.relabel, compress=wanted.compress)
        if found.confidence and found.confidence.regions:
            write_agreement(agreement_beside(path), found, compress=wanted.compress)
    return str(path)
