"""What a scanner and the preparation of a study add: bias, noise, thick slices, motion, misregistration, stripping."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from ccsd.demo.anatomy import Array, smooth_noise

LEVEL, CONTRAST = 600.0, 130.0  # stored units of mean 0 and deviation 1


def acquire(image: Array, brain: NDArray[np.bool_], spacing: float, rng: np.random.Generator) -> Array:
    """One modality as a prepared study has it: (D, H, W) above 0 in the brain, 0 outside."""
    shape = (image.shape[0], image.shape[1], image.shape[2])
    signal = np.maximum(LEVEL + CONTRAST * image, 5).astype(np.float32)
    signal = np.where(brain, signal, 0).astype(np.float32)
    signal = _remnants(signal, brain, shape, spacing, rng)
    if rng.random() < 0.35:
        signal = _misregister(signal, rng)
    if rng.random() < 0.12:
        signal = _ghost(signal, rng)
    if rng.random() < 0.45:
        signal = _thick_slices(signal, spacing, rng)
    else:
        signal = ndimage.gaussian_filter(signal, rng.uniform(0.2, 0.7))
    signal *= np.exp(rng.uniform(0.02, 0.2) * smooth_noise(shape, 70 / spacing, rng))
    sigma = CONTRAST * rng.uniform(0.05, 0.28)
    real = signal + sigma * rng.standard_normal(shape, dtype=np.float32)
    noisy = np.hypot(real, sigma * rng.standard_normal(shape, dtype=np.float32))  # magnitude images: Rician
    if rng.random() < 0.5:
        noisy = ndimage.gaussian_filter(noisy, rng.uniform(0.3, 0.7))  # as resampling smooths noise
    kept = brain | (signal > 0.3 * LEVEL) if rng.random() < 0.3 else brain
    return np.where(kept, np.maximum(noisy, 1), 0).astype(np.float32)


def _remnants(
    signal: Array, brain: NDArray[np.bool_], shape: tuple[int, int, int], spacing: float, rng: np.random.Generator
) -> Array:
    """Scalp, dura or eye that the skull stripping left, or brain that it took away."""
    if rng.random() > 0.4:
        return signal
    where = smooth_noise(shape, 30 / spacing, rng) > rng.uniform(1.2, 1.9)
    shell = ndimage.binary_dilation(brain, iterations=int(rng.integers(2, 5))) & ~brain & where
    bright = LEVEL + CONTRAST * rng.uniform(-1.5, 2.5)
    return np.where(shell, bright, signal).astype(np.float32)


def _misregister(signal: Array, rng: np.random.Generator) -> Array:
    turn = Rotation.from_euler("xyz", rng.normal(0, 0.5, 3), degrees=True).as_matrix()
    middle = (np.array(signal.shape) - 1) / 2
    offset = middle - turn @ middle + rng.normal(0, 0.4, 3)
    moved: Array = ndimage.affine_transform(signal, turn, offset, order=1)
    return moved


def _ghost(signal: Array, rng: np.random.Generator) -> Array:
    """A patient that moved: faint copies along the phase direction, and some blur."""
    axis, shift = int(rng.integers(0, 2)), int(rng.integers(4, 14))
    share = rng.uniform(0.03, 0.1)
    copies = np.roll(signal, shift, axis) + np.roll(signal, -shift, axis)
    mixed: Array = ((1 - 2 * share) * signal + share * copies).astype(np.float32)
    return mixed


def _thick_slices(signal: Array, spacing: float, rng: np.random.Generator) -> Array:
    """Slices of 3 to 6 mm in one direction, brought back to the grid by linear interpolation."""
    axis = int(rng.choice([2, 2, 2, 1, 0]))
    factor = rng.uniform(3, 6) / spacing
    blurred = ndimage.gaussian_filter1d(signal, factor / 2.355, axis=axis)
    few = max(2, round(signal.shape[axis] / factor))
    position = np.linspace(0, signal.shape[axis] - 1, few)
    thick = np.take(blurred, np.round(position).astype(int), axis=axis)
    at = np.interp(np.arange(signal.shape[axis]), position, np.arange(few))
    low = np.floor(at).astype(int).clip(0, few - 2)
    share = (at - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
    back: Array = (1 - share) * np.take(thick, low, axis=axis) + share * np.take(thick, low + 1, axis=axis)
    return back.astype(np.float32)
