"""Hospitals that make their images differently, as phantoms with known truth, small enough for two CPU cores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from scipy import ndimage

from ccsd.demo.anatomy import Array
from ccsd.demo.phantom import PhantomConfig, make_phantom
from ccsd.demo.tumour import TumourConfig
from ccsd.imaging.volumes import Volume
from ccsd.method import subsets
from ccsd.method.network import NetworkConfig
from ccsd.method.task import BRATS
from ccsd.preprocessing.prepare import prepare, prepare_label
from ccsd.training.cases import Case

TASK = replace(BRATS, name="brats-2.5mm", spacing=2.5)
NETWORK = NetworkConfig(widths=(16, 32, 64), decoder=(8, 24, 64), blocks=(1, 1, 1), stem_stride=2)
SHAPE = (64, 72, 60)


@dataclass(frozen=True)
class Site:
    """How a hospital's images look.

    Attributes:
        gamma: modality -> exponent of its contrast; blur: voxels along the slice axis; noise, bias: see PhantomConfig.
    """

    gamma: Mapping[str, float] = field(default_factory=dict)
    blur: float = 0.0
    noise: float = 0.04
    bias: float = 0.15
    tumour: TumourConfig = field(default_factory=TumourConfig)


A = Site()
B = Site(
    gamma={"t1": 0.4, "t1ce": 0.45, "t2": 2.0, "flair": 2.2},
    blur=1.2,
    noise=0.1,
    bias=0.45,
    tumour=TumourConfig(radius=(8.0, 14.0), rim=2.5, oedema=18.0),
)


def make_case(site: Site, seed: int, *, modalities: Sequence[str] = TASK.modalities) -> Case:
    """A labelled study of a site with these modalities, prepared; the same for the same seed."""
    spacing = (TASK.spacing,) * 3
    config = PhantomConfig(seed, SHAPE, spacing, site.noise, site.bias, tumour=site.tumour)
    phantom = make_phantom(config)
    volumes = {m: Volume(_seen_by(site, m, phantom.volumes[m]), phantom.grid) for m in modalities}
    prepared = prepare(volumes, TASK.modalities, spacing=TASK.spacing)
    label = prepare_label(phantom.label, prepared.frame)
    return Case(
        f"seed-{seed}",
        prepared.volumes.half(),
        label,
        subsets.from_present(prepared.present),
        torch.nonzero(label).short(),
        torch.ones(len(TASK.regions), dtype=torch.bool),
    )


def _seen_by(site: Site, modality: str, image: Array) -> Array:
    white = float(np.percentile(image[image > 0], 99))
    seen = white * (image / white) ** site.gamma.get(modality, 1.0)
    if site.blur:
        seen = ndimage.gaussian_filter1d(seen, site.blur, axis=2)
    return np.where(image > 0, np.maximum(seen, 1), 0).astype(np.float32)
