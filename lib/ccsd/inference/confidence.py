"""How sure a mask is: how certain the network is of each region by its own probabilities, how far the masks from one
modality less agree with it, what each modality changes, and what a missing one is expected to tell.

The features of the encoders do not depend on the subset, so all of this costs a decoder pass a modality and no encoder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ccsd.inference import answer
from ccsd.inference.agreement import RegionAgreement, agreement_map, region_agreement
from ccsd.inference.label_map import label_map
from ccsd.method import subsets
from ccsd.method.task import Task
from ccsd.models.checkpoint import Checkpoint
from ccsd.preprocessing.common_space import CommonSpace
from ccsd.preprocessing.prepare import NetworkInput

MIN_CERTAINTY = 0.86
"""Of a region; below it the mask carries a warning. Chosen on the check studies alone, by `python -m ccsd.experiments
agreement --data CHECK-BRATS --window 128`, with small-e670aa96d9: just under 0.87, the limit that finds 80% of the
masks with a Dice under 0.5 that are not empty. With small-169579fb35 it finds 60% of all, with 12% false alarms
(docs/notebook.md)."""
ONE_MODALITY = "one modality: no agreement can be told"


@dataclass(frozen=True)
class Confidence:
    """How sure a mask is.

    Attributes:
        certainty: region -> soft Dice of the mask with the network's own probabilities, 0 to 1: the Dice that the
            network itself expects of this mask. None for an empty mask, of which the probabilities tell nothing.
        regions: region -> agreement, in voxels of the network's frame; empty for a study of one modality.
        agreement: (D, H, W) float32 on the target grid, 0 to 1: the share of leave-one-out masks that say of a voxel
            what the mask says, of the region where it is least. 1 outside the brain. None for one modality.
        voxel_ml: mL of a voxel of the network's frame.
    """

    certainty: Mapping[str, float | None]
    regions: Mapping[str, RegionAgreement]
    agreement: NDArray[np.float32] | None
    voxel_ml: float

    @property
    def warnings(self) -> list[str]:
        """A sentence for each region whose certainty is low."""
        return [_warning(g, c, self.regions.get(g)) for g, c in self.certainty.items() if c is not None and is_low(c)]

    def of_region(self, region: str, volume_ml: float) -> dict[str, Any]:
        """Plain values, for the answer. For a study of one modality without what compares masks.

        Args:
            volume_ml: of the region in the mask on the target grid; its range is this and what the masks from one
                modality less have more or fewer.
        """
        certainty, found = self.certainty[region], self.regions.get(region)
        told: dict[str, Any] = {"certainty": None, "low": None}
        if certainty is not None:
            told = {"certainty": round(certainty, 3), "low": is_low(certainty)}
        if found is None:
            return {**told, "agreement": None, "volume_ml": volume_ml, "range_ml": None, "without": {}}
        return {
            **told,
            "agreement": round(found.score, 3),
            "volume_ml": volume_ml,
            "range_ml": [self._ml(volume_ml, n - found.voxels) for n in (found.least, found.most)],
            "without": {
                m: {"changed": round(1 - dice, 3), "volume_ml": self._ml(volume_ml, found.grows[m])}
                for m, dice in found.without.items()
            },
        }

    def _ml(self, volume_ml: float, more: int) -> float:
        return round(max(0.0, volume_ml + more * self.voxel_ml), 3)


def confidence_of(
    found: Mapping[int, Tensor], prepared: NetworkInput, common: CommonSpace, task: Task, *, fraction: float
) -> Confidence:
    """Compare the mask of one study with its probabilities and with the masks made without one modality.

    Args:
        found: region probabilities (R, d, h, w) in the network's frame, of all modalities and of its leave-one-out
            subsets, as `predict` gives them.
        fraction: separate parts smaller than this share of the largest are left out of each mask.
    """
    voxel_ml = _voxel_ml(prepared)
    masks = {subset: region_masks(p, task, fraction=fraction) for subset, p in found.items()}
    whole = max(found, key=subsets.size)
    pairs = zip(task.regions, found[whole], masks[whole], strict=True)
    certainty = {region: soft_dice(p, mask) if mask.any() else None for region, p, mask in pairs}
    if len(found) == 1:
        return Confidence(certainty, {}, None, voxel_ml)
    differ = 1 - agreement_map(masks).amin(dim=0, keepdim=True)  # 0 outside the frame, as the way back fills it
    on_target = common.to_native(prepared.frame.to_native(differ))[0]
    agreement = (1 - on_target).clamp(0, 1).numpy().astype(np.float32)
    return Confidence(certainty, region_agreement(masks, task.regions, task.modalities), agreement, voxel_ml)


def is_low(certainty: float) -> bool:
    """Whether it is worth a warning."""
    return certainty < MIN_CERTAINTY


def region_masks(probabilities: Tensor, task: Task, *, fraction: float) -> Tensor:
    """Probabilities (R, d, h, w) -> boolean (R, d, h, w), as the label map has the regions."""
    label, _ = label_map(probabilities, task, min_component_fraction=fraction)
    return task.to_regions(label[None])[0].bool()


def soft_dice(values: Tensor, mask: Tensor) -> float:
    """2 |values in mask| / (|values| + |mask|), of values 0 to 1; 1 where both are empty."""
    total = float(values.sum()) + int(mask.sum())
    return 2 * float(values[mask].sum()) / total if total else 1.0


def expected_gain(checkpoint: Checkpoint, used: Iterable[str], task: Task) -> dict[str, dict[str, Any]]:
    """Modality that is missing -> what it is expected to tell: the region whose Dice gains most, with the mean Dice
    without and with it, as the weights were measured. Those that are expected to tell nothing are not in it, and
    nothing is where the weights promise nothing (`ccsd.inference.answer.why_not_expected`)."""
    own = list(used)
    now = answer.expected_dice(checkpoint, own, task)
    found = {}
    for modality in (m for m in task.modalities if m not in own):
        then = answer.expected_dice(checkpoint, [*own, modality], task)
        if now is None or then is None:
            continue
        region = max(task.regions, key=lambda g: then[g] - now[g])
        if then[region] > now[region]:
            found[modality] = _gain(modality, region, now[region], then[region])
    return found


def _gain(modality: str, region: str, now: float, then: float) -> dict[str, Any]:
    sentence = f"{modality} would tell most about {region}: expected Dice {now:.2f} -> {then:.2f}"
    return {"region": region, "expected_dice": [now, then], "says": sentence}


def _warning(region: str, certainty: float, found: RegionAgreement | None) -> str:
    says = f"{region} is uncertain: certainty {certainty:.2f} is below {MIN_CERTAINTY:.2f}"
    least = min(found.without, key=lambda m: found.without[m]) if found else None
    if not found or not least or found.without[least] == 1:
        return says
    return f"{says}; it changes most without {least} (Dice {found.without[least]:.2f})"


def _voxel_ml(prepared: NetworkInput) -> float:
    frame = prepared.frame
    return answer.voxel_ml(frame.grid) * prod(frame.canonical) / prod(frame.working)
