"""What the values of a label mean, where the data set's own dataset.json says it (Decathlon, nnU-Net)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from ccsd.common.errors import InputError
from ccsd.demo.phantom import PhantomConfig, make_phantom, write_phantom
from ccsd.method.task import BRATS, ENHANCING, NECROTIC, OEDEMA
from ccsd.studies.labels import read_label
from ccsd.studies.study import Study, find_studies
from ccsd.training.cases import load_case

DECATHLON = {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"}
ORDER = {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"}


def label_file(folder: Path, values: list[int], description: object = None, *, name: str = "case_1.nii.gz") -> Path:
    path = folder / "labelsTr" / name
    path.parent.mkdir(parents=True)
    data = np.zeros((6, 6, 6), np.uint8)
    data.flat[: len(values)] = values
    nib.loadsave.save(nib.nifti1.Nifti1Image(data, np.eye(4)), path)
    if description is not None:
        (folder / "dataset.json").write_text(json.dumps(description))
    return path


def label_of(study: Study) -> Path:
    assert study.label is not None
    return study.label


def read(path: Path) -> list[int]:
    return read_label(path, known=3, aliases=BRATS.aliases, names=BRATS.spoken)[0].ravel()[:4].tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("labels", "values"),
    [
        (DECATHLON, [OEDEMA, NECROTIC, ENHANCING]),
        ({"background": 0, "Oedema": 1, "necrosis": 2, "ET": 3}, [OEDEMA, NECROTIC, ENHANCING]),
        ({"background": 0, "NCR": 1, "ED": 2, "enhancing_tumor": 3}, [NECROTIC, OEDEMA, ENHANCING]),
    ],
)
def test_values_are_what_the_dataset_file_calls_them(tmp_path: Path, labels: dict[str, Any], values: list[int]) -> None:
    assert read(label_file(tmp_path, [1, 2, 3], {"labels": labels})) == [*values, 0]


def test_the_decathlons_cases_keep_its_values_without_its_dataset_file(tmp_path: Path) -> None:
    path = label_file(tmp_path, [1, 2, 3], name="BRATS_007.nii.gz")
    assert read(path) == [OEDEMA, NECROTIC, ENHANCING, 0]
    beside = path.rename(tmp_path / path.name)  # not the Decathlon's layout: nobody says other than BraTS's values
    assert read(beside) == [1, 2, 3, 0]


@pytest.mark.parametrize(
    ("labels", "values", "sentence"),
    [
        ({"1": "liver"}, [1], "dataset.json calls label 1 'liver', expected one value each of the task's necrotic"),
        ({"whole tumor": [1, 2, 3]}, [1], r"dataset.json calls label \[1, 2, 3\] 'whole tumor'"),
        ({"1": "edema"}, [1, 2], r"has the values \[1, 2\], but its dataset.json names 1 'edema', expected"),
        (["edema"], [1], "labels is a list, expected names and values"),
    ],
)
def test_what_the_task_does_not_know_is_refused(
    tmp_path: Path, labels: object, values: list[int], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        read(label_file(tmp_path, values, {"labels": labels}))


def test_a_decathlon_study_trains_on_the_same_labels_as_its_brats_twin(tmp_path: Path) -> None:
    twin = make_phantom(PhantomConfig(seed=1, shape=(48, 48, 40), spacing=(4, 4, 4)))
    write_phantom(twin, tmp_path / "brats", "twin")
    swapped = np.select([twin.label == NECROTIC, twin.label == OEDEMA], [2, 1], twin.label).astype(np.uint8)
    stack = np.stack([twin.volumes[m] for m in ("flair", "t1", "t1ce", "t2")], axis=-1)
    root = tmp_path / "decathlon"
    for folder, data in (("imagesTr", stack), ("labelsTr", swapped)):
        (root / folder).mkdir(parents=True)
        nib.loadsave.save(nib.nifti1.Nifti1Image(data, twin.grid.affine), root / folder / "BRATS_001.nii.gz")
    (root / "dataset.json").write_text(json.dumps({"modality": ORDER, "labels": DECATHLON}))
    ours, theirs = (
        load_case(s, label_of(s), BRATS) for f in ("brats", "decathlon") for s in find_studies(tmp_path / f)
    )
    assert torch.equal(ours.label, theirs.label)
    assert torch.allclose(ours.volumes, theirs.volumes, atol=1e-2)
