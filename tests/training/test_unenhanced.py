"""Tumours that take up no contrast agent, from ones that do."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ccsd.common.errors import InputError
from ccsd.method.task import BRATS, ENHANCING, NECROTIC, OEDEMA, Task
from ccsd.training.cases import Case, crop
from ccsd.training.unenhanced import unenhanced

SHAPE = (40, 36, 32)
RIM, CORE, SWELLING = ((slice(a, 40 - a), slice(a, 36 - a), slice(a, 32 - a)) for a in (12, 14, 9))


def study(*, available: int = 0b1111, annotated: bool = True) -> Case:
    """A brain in a dark surround; its T1ce is T1 with other units, and a bright rim."""
    plain = torch.rand(SHAPE, generator=torch.Generator().manual_seed(0)) + 1
    label = torch.zeros(SHAPE, dtype=torch.uint8)
    label[SWELLING], label[RIM], label[CORE] = OEDEMA, ENHANCING, NECROTIC
    bright = 2 * plain + 0.5
    bright[label == ENHANCING] += 9
    volumes = torch.stack([plain, bright, plain, plain])
    volumes[:, :2] = 0
    tumour = torch.nonzero(label).short()
    return Case("a", volumes.half(), label, available, tumour, torch.tensor([True, True, annotated]))


def test_t1ce_shows_in_the_tumour_what_t1_shows_in_the_units_of_t1ce() -> None:
    case = study()
    faint = unenhanced(case, BRATS)
    assert faint is not None
    assert faint.id == "a/unenhanced"
    plain, bright, *others = faint.volumes.float()
    torch.testing.assert_close(bright[2:], 2 * plain[2:] + 0.5, atol=0.05, rtol=0)
    assert torch.equal(torch.stack([plain, *others]), case.volumes[[0, 2, 3]].float())
    assert float(case.volumes[1].max()) > 9  # the case itself is as it was


def test_the_core_stays_and_nothing_is_said_of_enhancement() -> None:
    case = study()
    faint = unenhanced(case, BRATS)
    assert faint is not None
    before, after = (BRATS.to_regions(label[None])[0] for label in (case.label, faint.label))
    assert torch.equal(before[:2], after[:2])
    assert not after[2].any()
    assert faint.annotated.tolist() == [True, True, False]
    assert case.annotated.all()


def test_far_from_the_tumour_and_outside_the_brain_nothing_changes() -> None:
    case = study()
    case.volumes[1, 30:, :4] += 3  # a vessel
    faint = unenhanced(case, BRATS)
    assert faint is not None
    assert torch.equal(faint.volumes[1, :3], case.volumes[1, :3])
    assert torch.equal(faint.volumes[1, 30:, :2], case.volumes[1, 30:, :2])


@pytest.mark.parametrize(
    "case",
    [
        study(available=0b1101),
        study(available=0b1110),
        study(annotated=False),
        replace(study(), label=torch.zeros(SHAPE, dtype=torch.uint8)),
        replace(study(), label=torch.full(SHAPE, ENHANCING, dtype=torch.uint8)),
    ],
    ids=["no t1ce", "no t1", "a label of the whole tumour alone", "no tumour", "nothing but tumour"],
)
def test_a_study_without_what_it_takes_gives_none(case: Case) -> None:
    assert unenhanced(case, BRATS) is None


def test_a_task_without_contrast_agent_is_refused_in_one_sentence() -> None:
    stroke = Task("stroke", ("dwi", "flair"), {"lesion": 1}, {"L": (1,)}, {"L": 1})
    with pytest.raises(InputError, match="task stroke: has modalities dwi, flair and regions L, expected t1 and t1ce"):
        unenhanced(study(), stroke)


def test_it_is_cropped_like_any_other() -> None:
    faint = unenhanced(study(), BRATS)
    assert faint is not None
    volumes, label = crop(faint, patch=16, tumour_share=1.0, augment=True, generator=torch.Generator().manual_seed(1))
    assert volumes.shape == (4, 16, 16, 16)
    assert set(label.unique().tolist()) <= {0, NECROTIC, OEDEMA}
