"""The one preparation for training, validation, inference and scripts; its way back puts a mask on the target grid.

Order: axes to RAS, resampling to the task's spacing, crop to the brain's box, z-score inside the brain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import nibabel as nib
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ccsd.common.errors import InputError
from ccsd.imaging.volumes import Grid, Volume

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
SPACING_TOLERANCE = 0.01  # relative; closer spacings are not worth an interpolation


@dataclass(frozen=True)
class SpatialFrame:
    """How the network's frame lies in the target grid.

    Attributes:
        grid: the target grid.
        orientation: (3, 2) nibabel axis codes from the target axes to RAS.
        canonical: shape in RAS order at the target spacing; working: shape at the task's spacing.
        box: the brain's box in the working grid, (start, stop) per axis.
    """

    grid: Grid
    orientation: NDArray[np.float64]
    canonical: tuple[int, int, int]
    working: tuple[int, int, int]
    box: Box

    def to_working(self, data: NDArray[np.generic]) -> NDArray[np.generic]:
        """(D, H, W) on the target grid -> (D', H', W') in the working grid, not yet cropped: a view of the data where
        nothing is interpolated, else float32."""
        turned: NDArray[np.generic] = nib.orientations.apply_orientation(data, self.orientation)
        if self.working == self.canonical:
            return turned
        return _resize(_tensor(turned)[None], self.working)[0].numpy()

    @property
    def inside(self) -> tuple[slice, slice, slice]:
        """The box, as an index into the working grid."""
        (a, b), (c, d), (e, f) = self.box
        return slice(a, b), slice(c, d), slice(e, f)

    def to_native(self, probabilities: Tensor) -> Tensor:
        """Probabilities (R, d, h, w) in the box -> (R, D, H, W) on the target grid, 0 outside the box."""
        whole = probabilities.new_zeros((probabilities.shape[0], *self.working))
        whole[(slice(None), *self.inside)] = probabilities
        whole = _resize(whole, self.canonical)
        ras = nib.orientations.axcodes2ornt(("R", "A", "S"))
        inverse = nib.orientations.ornt_transform(ras, self.orientation)
        channels = [nib.orientations.apply_orientation(c.numpy(), inverse) for c in whole.cpu()]
        return torch.from_numpy(np.ascontiguousarray(np.stack(channels)))


@dataclass(frozen=True)
class NetworkInput:
    """A study as the network takes it.

    Attributes:
        volumes: (N, d, h, w) float32, z-scored inside the brain, zero outside and for absent modalities.
        present: boolean (N,).
        frame: the way back.
    """

    volumes: Tensor
    present: Tensor
    frame: SpatialFrame


def prepare(volumes: Mapping[str, Volume], modalities: Sequence[str], *, spacing: float) -> NetworkInput:
    """Volumes by modality, all on one grid -> the network's input.

    Args:
        volumes: at least one; names from `modalities`.
        modalities: the task's order.
        spacing: mm of the network's voxels.
    """
    grid = next(iter(volumes.values())).grid
    frame = _whole_frame(grid, spacing)
    working = {m: frame.to_working(v.data) for m, v in volumes.items()}
    frame = replace(frame, box=_brain_box(list(working.values())))
    present = torch.tensor([m in volumes for m in modalities])
    shape = tuple(stop - start for start, stop in frame.box)
    stacked = torch.zeros(len(modalities), *shape)
    for slot, modality in enumerate(modalities):
        if modality in working:
            stacked[slot] = z_score(_tensor(working[modality][frame.inside]))
    return NetworkInput(stacked, present, frame)


def prepare_label(label: NDArray[np.uint8], frame: SpatialFrame) -> Tensor:
    """A label map on the target grid -> (d, h, w) uint8 in the network's frame.

    Where it has to be resampled, each voxel takes the value with the largest interpolated share: nearest-neighbour
    sampling would shift labels by half a voxel at even ratios.
    """
    values = np.unique(label)
    shares = torch.stack([_tensor(frame.to_working(label == v)[frame.inside]) for v in values])  # (V, d, h, w)
    return torch.from_numpy(values)[shares.argmax(dim=0)]


def z_score(volume: Tensor) -> Tensor:
    """Zero mean and unit deviation over the non-zero voxels (the brain, in a skull-stripped image); zero stays zero."""
    brain = volume != 0
    count = int(brain.sum())
    if count < 2:
        return torch.zeros_like(volume)
    apart = (volume - float(volume.sum(dtype=torch.float64)) / count).mul_(brain)
    variance = float(apart.square().sum(dtype=torch.float64)) / (count - 1)
    return apart.div_(max(variance**0.5, 1e-6))


def _whole_frame(grid: Grid, spacing: float) -> SpatialFrame:
    orientation = nib.orientations.io_orientation(grid.affine)
    order = np.argsort(orientation[:, 0])  # target axis that becomes R, A, S
    canonical = [int(grid.shape[i]) for i in order]
    a, b, c = (_working_edge(n, mm, spacing) for n, mm in zip(canonical, grid.spacing[order], strict=True))
    return SpatialFrame(
        grid, orientation, (canonical[0], canonical[1], canonical[2]), (a, b, c), ((0, a), (0, b), (0, c))
    )


def _working_edge(voxels: int, millimetres: float, spacing: float) -> int:
    """Voxels of `spacing` mm that cover `voxels` of `millimetres` each."""
    if abs(millimetres / spacing - 1) < SPACING_TOLERANCE:
        return voxels
    return max(2, round(voxels * millimetres / spacing))


def _brain_box(images: Sequence[NDArray[np.generic]]) -> Box:
    """The box around all non-zero voxels of (D, H, W) images. Raises InputError: there are none."""
    brain = images[0] != 0
    for image in images[1:]:
        brain |= image != 0
    spans = []
    for axis in range(3):
        inside = np.flatnonzero(brain.any(axis=tuple(a for a in range(3) if a != axis)))
        if not inside.size:
            raise InputError("nothing of a brain is left of the images, expected MR images of one head")
        spans.append((int(inside[0]), int(inside[-1]) + 1))
    return spans[0], spans[1], spans[2]


def _tensor(image: NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))


def _resize(tensor: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """(C, D, H, W) -> (C, *shape) over the same field of view (voxel edges aligned, so the way back is exact)."""
    if tuple(tensor.shape[1:]) == shape:
        return tensor
    return F.interpolate(tensor[None], size=shape, mode="trilinear", align_corners=False)[0]
