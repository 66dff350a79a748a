"""Samples made from the studies, each kind with its share of the crops."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ccsd.common.errors import InputError
from ccsd.method.task import BRATS, ENHANCING, NECROTIC
from ccsd.training.cases import Case
from ccsd.training.made import with_made

SHAPE = (40, 24, 24)


def case(*, tumour_at: int, name: str) -> Case:
    label = torch.zeros(SHAPE, dtype=torch.uint8)
    label[tumour_at : tumour_at + 6, 8:14, 8:14] = ENHANCING
    label[tumour_at + 2 : tumour_at + 4, 10:12, 10:12] = NECROTIC
    volumes = torch.rand((4, 20, *SHAPE[1:]), generator=torch.Generator().manual_seed(0)) + 1
    whole = torch.cat([volumes, volumes.flip(1)], dim=1)
    return Case(name, whole.half(), label, 0b1111, torch.nonzero(label).short(), torch.ones(3, dtype=torch.bool))


def test_each_kind_gets_its_share_and_the_studies_the_rest() -> None:
    one_sided, across, of_wt = case(tumour_at=4, name="a"), case(tumour_at=17, name="b"), case(tumour_at=4, name="c")
    of_wt = replace(of_wt, annotated=torch.tensor([True, False, False]))
    samples, weights = with_made(
        [[one_sided, across], [of_wt]], [None, 0.3], BRATS, mirrored_share=0.1, unenhanced_share=0.2
    )
    assert dict(zip([s.id for s in samples], weights, strict=True)) == pytest.approx(
        {
            "a": 0.2,
            "b": 0.2,
            "c": 0.3,
            "a/mirrored": 0.05,
            "c/mirrored": 0.05,
            "a/unenhanced": 0.1,
            "b/unenhanced": 0.1,
        }
    )


def test_without_a_share_nothing_is_made() -> None:
    samples, weights = with_made([[case(tumour_at=4, name="a")]], [None], BRATS, mirrored_share=0, unenhanced_share=0)
    assert [s.id for s in samples] == ["a"]
    assert weights == [1.0]


def test_a_share_for_which_nothing_can_be_made_is_refused() -> None:
    with pytest.raises(InputError, match=r"^--mirrored: no study has its whole tumour on one side"):
        with_made([[case(tumour_at=17, name="a")]], [None], BRATS, mirrored_share=0.1, unenhanced_share=0)
    no_et = replace(case(tumour_at=4, name="a"), annotated=torch.tensor([True, False, False]))
    with pytest.raises(InputError, match=r"^--unenhanced: no study has t1, t1ce and a label of ET"):
        with_made([[no_et]], [None], BRATS, mirrored_share=0, unenhanced_share=0.1)
