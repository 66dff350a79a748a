"""A synthetic study of any task: a nest of blobs, one inside the other, with contrasts of its own in each modality.

No anatomy: it shows that a task's configuration trains and serves, not that it works on patients.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ccsd.common.errors import InputError
from ccsd.demo.anatomy import Array, smooth_noise
from ccsd.demo.phantom import Phantom
from ccsd.imaging.volumes import Grid
from ccsd.method.task import Task

BACKGROUND = 300.0
NOISE = 25.0


def make_organ(task: Task, *, seed: int, shape: tuple[int, int, int] = (64, 64, 48)) -> Phantom:
    """At 1 mm, one blob a region, nested in the order of the task's regions; outside the body everything is zero.

    What tells label v apart in modality m follows from the task's name, not from `seed`: all phantoms of a task look
    alike, as studies of one sequence do.

    Raises:
        InputError: fewer than 16 voxels an edge.
    """
    if min(shape) < 16:
        raise InputError(f"phantom shape is {shape}, expected at least 16 voxels an edge")
    rng = np.random.default_rng(seed)
    looks = np.random.default_rng(sum(task.name.encode()))
    label = np.zeros(shape, dtype=np.uint8)
    middle = np.array(shape) / 2 + rng.uniform(-0.06, 0.06, 3) * shape
    body = _blob(shape, np.array(shape) / 2, 0.46, rng)
    radius = rng.uniform(0.26, 0.32)
    for value in task.region_labels.values():
        label[body & _blob(shape, middle, radius, rng)] = value
        middle = middle + rng.uniform(-0.2, 0.2, 3) * radius * np.array(shape)
        radius *= rng.uniform(0.4, 0.55)
    volumes = {m: _contrast(label, body, looks, rng) for m in task.modalities}
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    return Phantom(volumes, label, Grid(shape, affine))


def _blob(
    shape: tuple[int, int, int], centre: NDArray[np.float64], radius: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Boolean (D, H, W): an ellipsoid with an uneven surface; `radius` is a share of the edges."""
    axes = np.meshgrid(*[np.arange(n) for n in shape], indexing="ij", sparse=True)
    distance = sum(((x - c) / (radius * n)) ** 2 for x, c, n in zip(axes, centre, shape, strict=True))
    inside: NDArray[np.bool_] = distance * (1 + 0.2 * smooth_noise(shape, min(shape) / 5, rng)) < 1
    return inside


def _contrast(
    label: NDArray[np.uint8], body: NDArray[np.bool_], looks: np.random.Generator, rng: np.random.Generator
) -> Array:
    """(D, H, W) float32: each label brighter or darker than its surroundings by 40 to 80 percent."""
    d, h, w = label.shape
    image = np.full(label.shape, BACKGROUND)
    for value in np.unique(label[label > 0]):
        step = looks.uniform(0.4, 0.8) * looks.choice([-1, 1])
        image[label == value] = BACKGROUND * (1 + step)
    image = ndimage.gaussian_filter(image, 0.6) * np.exp(0.1 * smooth_noise((d, h, w), 30, rng))
    return np.where(body, np.maximum(image + rng.normal(0, NOISE, label.shape), 1), 0).astype(np.float32)
