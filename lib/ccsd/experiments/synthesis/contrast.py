"""Tissues -> the intensity of each modality, in units in which a healthy brain has mean 0 and deviation 1."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ccsd.demo.anatomy import Anatomy, Array, smooth_noise
from ccsd.experiments.synthesis.anatomy import smooth
from ccsd.experiments.synthesis.lesions import Lesions
from ccsd.method.task import ENHANCING, NECROTIC, OEDEMA

# Mean and deviation between studies of CSF, grey and white matter; of the tumour's parts so that made
# studies have those of the 13 training studies of BraTS 2018 (`make_training_set --statistics` prints both):
# further from 0 than there, as thin parts share their voxels with others and the tumour widens the brain's deviation.
TISSUES = {
    "t1": ((-2.3, 0.35), (-0.15, 0.2), (1.0, 0.15)),
    "t1ce": ((-2.2, 0.35), (0.0, 0.2), (0.7, 0.2)),
    "t2": ((2.4, 0.5), (0.15, 0.2), (-0.65, 0.15)),
    "flair": ((-2.1, 0.5), (0.25, 0.2), (0.0, 0.2)),
}
TUMOUR = {
    "t1": {NECROTIC: (-0.5, 0.55), OEDEMA: (0.2, 0.35), ENHANCING: (0.0, 0.45)},
    "t1ce": {NECROTIC: (-0.7, 0.5), OEDEMA: (-0.15, 0.3), ENHANCING: (3.0, 1.1)},
    "t2": {NECROTIC: (2.0, 0.65), OEDEMA: (1.0, 0.5), ENHANCING: (1.15, 0.6)},
    "flair": {NECROTIC: (3.3, 1.2), OEDEMA: (3.1, 0.8), ENHANCING: (2.5, 1.1)},
}
VESSELS = {"t1": -0.3, "t1ce": 2.6, "t2": -1.5, "flair": -0.8}
CHOROID = {"t1": -0.6, "t1ce": 2.4, "t2": 1.2, "flair": 0.3}
LESION = {"t1": -0.5, "t1ce": -0.4, "t2": 1.4, "flair": 1.7}  # of white matter
SCAR = {"t1": -1.7, "t1ce": -1.6, "t2": 2.0, "flair": -0.9}  # an old stroke
DETAIL = {"t1": 5.0, "t1ce": 4.5, "t2": -4.0, "flair": -2.0}  # how the template's T1 detail shows
MIN_ENHANCEMENT = 0.7


def draw_contrasts(
    anatomy: Anatomy, lesions: Lesions, spacing: float, rng: np.random.Generator, *, large: bool
) -> dict[str, Array]:
    """Modality -> (D, H, W), without what the scanner adds.

    Args:
        large: the tumour is a large one without enhancement: its solid part is bright on FLAIR, not dark as necrosis.
    """
    shape = (anatomy.brain.shape[0], anatomy.brain.shape[1], anatomy.brain.shape[2])
    shares = {v: smooth(lesions.label == v, 0.5) for v in (NECROTIC, OEDEMA, ENHANCING)}
    others = {name: smooth(getattr(lesions, name), 0.6) for name in ("cavity", "white", "stroke")}
    deep = smooth(ndimage.binary_erosion(anatomy.csf > 0.9, iterations=2), 0.5)
    choroid = deep * (smooth_noise(shape, 4 / spacing, rng) > 0.6)
    vessels = _vessels(anatomy, shape, spacing, rng)
    patchy = smooth_noise(shape, 8 / spacing, rng)
    fine = smooth_noise(shape, 3 / spacing, rng)
    drawn = {}
    for modality, tissues in TISSUES.items():
        csf, gm, wm = (rng.normal(mean, deviation) for mean, deviation in tissues)
        image = csf * anatomy.csf + gm * anatomy.gm + wm * anatomy.wm
        image += DETAIL[modality] * rng.uniform(0.5, 1.2) * anatomy.texture
        image = (image - image[anatomy.brain].mean()) / image[anatomy.brain].std()
        image += 0.12 * patchy + 0.08 * fine
        for value, share in shares.items():
            mean, deviation = TUMOUR[modality][value]
            if modality == "flair" and value == NECROTIC:
                mean = mean if large else rng.choice([0.3, mean])
            level = rng.normal(mean, deviation)
            if modality == "t1ce" and value == ENHANCING:
                level = max(level, MIN_ENHANCEMENT)
            uneven = rng.uniform(0.3, 0.9)
            image += share * (level + uneven * patchy + 0.15 * fine - image)
        for name, level in (("cavity", csf), ("white", LESION[modality]), ("stroke", SCAR[modality])):
            image += others[name] * (level + rng.normal(0, 0.2) - image)
        image += choroid * (CHOROID[modality] - image)
        image += vessels * (VESSELS[modality] - image)
        drawn[modality] = image.astype(np.float32)
    return drawn


def _vessels(anatomy: Anatomy, shape: tuple[int, int, int], spacing: float, rng: np.random.Generator) -> Array:
    """Thin curves in sulci and at the surface: where two smooth fields vanish together."""
    first, second = (smooth_noise(shape, 26 / spacing, rng) for _ in range(2))
    width = rng.uniform(0.06, 0.11)
    curve = (first**2 + second**2 < width**2) & anatomy.brain
    near = smooth(anatomy.csf > 0.4, 1.5) > 0.25
    return smooth(curve & near, 0.5)
