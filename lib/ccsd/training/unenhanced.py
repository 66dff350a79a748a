"""Tumours that take up no contrast agent, made from ones that do: in the tumour, T1ce looks as T1 does.

Few training studies have such a tumour, and a network that saw few of them takes a core without a bright rim for oedema
as soon as it is given T1ce, even where it finds that core without T1ce (docs/notebook.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ccsd.common.errors import InputError
from ccsd.method import subsets
from ccsd.method.task import Task
from ccsd.models.card import UNENHANCED
from ccsd.training.cases import Case, MadeCase

BEFORE, AFTER = "t1", "t1ce"  # the contrast agent
ENHANCING = "ET"
MARGIN = 3  # voxels about the tumour over which the one image passes into the other


@dataclass(frozen=True)
class UnenhancedCase(MadeCase):
    """A case whose tumour takes up no contrast agent. Its label does not know ET: without T1ce the tumour looks as the
    case's does, and would teach that nothing enhances.

    Attributes:
        case: a study with T1, T1ce and an enhancing tumour.
        before, after: the places of T1 and T1ce among the modalities.
        box: of the tumour, with the margin about it.
        gain, offset: what turns the intensities of T1 into those of T1ce.
        region: the place of ET among the regions.
        enhancing: the label value of ET; it becomes `core`.
    """

    SUFFIX = UNENHANCED
    before: int
    after: int
    box: tuple[slice, slice, slice]
    gain: float
    offset: float
    region: int
    enhancing: int
    core: int

    @property
    def volumes(self) -> Tensor:
        volumes = self.case.volumes.clone()
        plain, bright = (volumes[(m, *self.box)].float() for m in (self.before, self.after))
        faint = torch.lerp(bright, plain * self.gain + self.offset, _faded(self.case.label[self.box] > 0))
        volumes[(self.after, *self.box)] = torch.where(bright != 0, faint, bright).to(volumes.dtype)
        return volumes

    @property
    def label(self) -> Tensor:
        label = self.case.label
        return torch.where(label == self.enhancing, torch.full_like(label, self.core), label)

    @property
    def annotated(self) -> Tensor:
        known = self.case.annotated.clone()
        known[self.region] = False
        return known


def unenhanced(case: Case, task: Task) -> UnenhancedCase | None:
    """The case with a tumour that takes up no contrast agent; None where it lacks T1, T1ce or a label of ET, has no
    enhancing tumour, or no brain around it.

    Raises:
        InputError: the task has no T1, T1ce or ET.
    """
    names = list(task.regions)
    if not {BEFORE, AFTER} <= set(task.modalities) or ENHANCING not in names[1:]:
        raise InputError(
            f"task {task.name}: has modalities {', '.join(task.modalities)} and regions {', '.join(names)}, "
            f"expected {BEFORE} and {AFTER} among them and {ENHANCING} inside another region"
        )
    before, after = (task.modalities.index(name) for name in (BEFORE, AFTER))
    index = names.index(ENHANCING)
    enhancing, core = task.region_labels[ENHANCING], task.region_labels[names[index - 1]]
    both = subsets.from_members((before, after))
    if case.available & both != both or not bool(case.annotated[index]) or not bool((case.label == enhancing).any()):
        return None
    match = _match(case, before, after)
    return match and UnenhancedCase(case, before, after, _box(case.label), *match, index, enhancing, core)


def _match(case: Case, before: int, after: int) -> tuple[float, float] | None:
    """Gain and offset that bring the median and the quartiles of T1 outside the tumour to those of T1ce; None where
    nothing is outside."""
    plain, bright = (case.volumes[m, ::2, ::2, ::2].float() for m in (before, after))
    outside = (case.label[::2, ::2, ::2] == 0) & (plain != 0) & (bright != 0)
    if not bool(outside.any()):
        return None
    (low, middle, high), (low_after, middle_after, high_after) = (
        torch.quantile(v[outside], torch.tensor([0.25, 0.5, 0.75])).tolist() for v in (plain, bright)
    )
    gain = (high_after - low_after) / max(high - low, 1e-3)
    return gain, middle_after - gain * middle


def _box(label: Tensor) -> tuple[slice, slice, slice]:
    """The tumour's box with the margin about it."""
    where = torch.nonzero(label)
    low, high = where.amin(dim=0).tolist(), where.amax(dim=0).tolist()
    a, b, c = (slice(max(0, lo - 2 * MARGIN), hi + 2 * MARGIN + 1) for lo, hi in zip(low, high, strict=True))
    return a, b, c


def _faded(tumour: Tensor) -> Tensor:
    """1 in the tumour (d, h, w) and just about it, falling to 0 over the margin."""
    grown = F.max_pool3d(tumour[None, None].float(), MARGIN, stride=1, padding=MARGIN // 2)
    wide = 2 * MARGIN + 1
    faded = F.avg_pool3d(F.pad(grown, (MARGIN,) * 6, mode="replicate"), wide, stride=1)[0, 0]
    return torch.where(tumour, torch.ones_like(faded), faded)
