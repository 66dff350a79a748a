"""How much a model's masks of one study differ when a modality is taken away."""

from __future__ import annotations

from statistics import fmean

from torch import Tensor

from ccsd.inference.agreement import leave_one_out, region_agreement
from ccsd.inference.confidence import region_masks
from ccsd.inference.label_map import MIN_COMPONENT_FRACTION
from ccsd.inference.predict import predict
from ccsd.inference.windows import WindowConfig
from ccsd.method import subsets
from ccsd.method.network import CCSDNetwork

MIN_ML = 1.0  # of a region in the largest of the masks: on less there is nothing to disagree


def subset_disagreement(network: CCSDNetwork, volumes: Tensor, present: Tensor, *, window: WindowConfig) -> float:
    """1 - agreement (`ccsd.inference.agreement`), mean over the regions of which at least MIN_ML is found by any mask;
    from one encoder pass a window.

    Args:
        volumes: (N, d, h, w) as `ccsd.preprocessing.prepare` makes it; present: boolean (N,).

    Returns:
        0 (all masks agree, hardly any tumour is found, or there is one modality only) to 1.
    """
    task, whole = network.task, subsets.from_present(present)
    others = leave_one_out(whole)
    if not others:
        return 0.0
    found = predict(network, volumes, present, [whole, *others], window)
    masks = {s: region_masks(p, task, fraction=MIN_COMPONENT_FRACTION) for s, p in found.items()}
    least = MIN_ML * 1000 / task.spacing**3
    scores = [a.score for a in region_agreement(masks, task.regions, task.modalities).values() if a.most >= least]
    return 1 - fmean(scores) if scores else 0.0
