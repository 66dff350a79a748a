"""Samples that are made from the studies, beside the studies: the options --mirrored and --unenhanced."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ccsd.common.errors import InputError
from ccsd.method.task import Task
from ccsd.training.cases import Case, Sample
from ccsd.training.folders import crop_weights
from ccsd.training.healthy import mirrored
from ccsd.training.unenhanced import unenhanced


def add_made_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mirrored",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of the crops from brains without a tumour, made by mirroring the healthy half of one-sided studies",
    )
    parser.add_argument(
        "--unenhanced",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of the crops from tumours whose enhancement was taken out of T1ce",
    )


def with_made(
    groups: Sequence[Sequence[Case]],
    shares: Sequence[float | None],
    task: Task,
    *,
    mirrored_share: float,
    unenhanced_share: float,
) -> tuple[list[Sample], list[float]]:
    """The cases of all groups and what is made from them, with how often each is drawn.

    Args:
        groups: the cases of each source; shares: of the crops that each gives (`ccsd.training.folders.crop_weights`).
        mirrored_share, unenhanced_share: of the crops; 0 makes none.

    Raises:
        InputError: a share for which there is no case to be made; shares that `crop_weights` refuses.
    """
    every: list[Sequence[Sample]] = [*groups]
    every_share = [*shares]
    cases = [case for group in groups for case in group]
    if mirrored_share:
        every.append([healthy for case in cases if (healthy := mirrored(case))])
        if not every[-1]:
            raise InputError("--mirrored: no study has its whole tumour on one side, expected at least one")
        every_share.append(mirrored_share)
    if unenhanced_share:
        every.append([faint for case in cases if (faint := unenhanced(case, task))])
        if not every[-1]:
            raise InputError("--unenhanced: no study has t1, t1ce and a label of ET, expected at least one")
        every_share.append(unenhanced_share)
    weights = crop_weights([len(group) for group in every], every_share)
    return [sample for group in every for sample in group], weights
