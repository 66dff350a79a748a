from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lib.ccsd.task import BRATS
from lib.errors import InputError
from lib.trainers.ccsd import latest_labels, read_config, split
from lib.training.cases import Case


def case(name: str) -> Case:
    return Case(name, torch.zeros(4, 2, 2, 2), torch.zeros(2, 2, 2), 0b1111, torch.zeros(0, 3))


def test_the_newest_label_of_a_study_counts_whichever_image_it_was_saved_for(study_folder: Path) -> None:
    rows = [
        {"image": str(study_folder / "case_t1.nii.gz"), "label": "/labels/new.nii.gz", "ts": 20},
        {"image": str(study_folder / "case_flair.nii.gz"), "label": "/labels/old.nii.gz", "ts": 10},
    ]
    ((study, label, image),) = latest_labels(rows, BRATS)
    assert set(study.files) == {"t1", "t1ce", "t2", "flair"}
    assert label == Path("/labels/new.nii.gz")
    assert image.name == "case_t1.nii.gz"


def test_validation_studies_are_held_out_when_there_are_enough() -> None:
    training, validation = split([case(n) for n in "edcba"], share=0.2)
    assert [c.id for c in training] == ["a", "b", "c", "d"]
    assert [c.id for c in validation] == ["e"]


def test_a_single_study_is_its_own_validation() -> None:
    training, validation = split([case("a")], share=0.2)
    assert training == validation


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [({"max_epochs": "many"}, "not a number"), ({"max_epochs": 0}, "max_epochs is 0"), ({"patch": -1}, "patch is -1")],
)
def test_wrong_parameters_are_named(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_config(wrong)
