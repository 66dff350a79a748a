from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ccsd.imaging.sources import Source
from ccsd.imaging.tags import Tags
from ccsd.studies.candidates import Candidate
from ccsd.studies.choice import settle
from ccsd.studies.study import survey
from ccsd.studies.tags import evidence_from_tags
from ccsd.studies.words import protocol_part
from tests.studies.foreign_names import FOREIGN
from tests.studies.real_names import NAMES
from tests.studies.real_tags import STUDIES

MODALITIES = {"t1", "t1ce", "t2", "flair"}
UNDECIDED = {"?"}
NOT_TAKEN = {"no", "?"}


@pytest.fixture(scope="module")
def answers_to_names(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, str]]:
    """(name, right answer, answer) of every name, each as a file of its own in a folder of its own."""
    root = tmp_path_factory.mktemp("names")
    image = nib.nifti1.Nifti1Image(np.random.default_rng(0).normal(size=(8, 8, 8)).astype(np.float32), np.eye(4))
    rows = []
    for number, (name, right) in enumerate(NAMES):
        folder = root / f"study{number}"
        folder.mkdir()
        nib.loadsave.save(image, folder / f"{name}.nii")
        rows.append((name, right, answer_of_folder(folder)))
    return rows


def answer_of_folder(folder: Path) -> str:
    (study,) = survey(folder)
    if study.sources:
        return next(iter(study.sources))
    return "label" if study.label else "no" if study.refused else "?"


def answers_to_tags() -> list[tuple[str, str, str]]:
    """(study and series, right answer, answer) of every set of attributes."""
    rows = []
    for study, series in STUDIES.items():
        candidates = [candidate(number, Tags(**values)) for number, (_, values) in enumerate(series)]
        for (right, values), settled in zip(series, settle(candidates), strict=True):
            answer = settled.evidence.modality or ("no" if settled.evidence.refused else "?")
            rows.append((f"{study}: {values['description']}", right, answer))
    return rows


def answers_to_descriptions() -> list[tuple[str, str, str]]:
    """(description, right answer, answer) of series that are known by their description alone."""
    rows = []
    for description, right in FOREIGN:
        (settled,) = settle([candidate(0, Tags(description=description))])
        rows.append((description, right, settled.evidence.modality or ("no" if settled.evidence.refused else "?")))
    return rows


def candidate(number: int, tags: Tags) -> Candidate:
    protocol = f"{protocol_part(tags.description)} {tags.echo_time}"
    return Candidate(
        Source(Path(f"{number}.dcm"), title=f"series {number}"), evidence_from_tags(tags), protocol=protocol, tags=tags
    )


def report(rows: list[tuple[str, str, str]]) -> str:
    decided = [(name, right, answer) for name, right, answer in rows if answer not in NOT_TAKEN]
    wrong = [(name, right, answer) for name, right, answer in decided if answer != right]
    open_ones = [name for name, right, answer in rows if right not in NOT_TAKEN and answer in NOT_TAKEN]
    right_ones = sum(right == answer or {right, answer} <= NOT_TAKEN for _, right, answer in rows)
    return (
        f"{len(rows)} entries, {right_ones} right ({right_ones / len(rows):.1%}); {len(decided)} decided, "
        f"{len(wrong)} of them wrong; not decided though it could be: {open_ones or 'none'}"
    )


def test_the_table_is_long_enough() -> None:
    assert len(NAMES) >= 120
    assert len(answers_to_tags()) >= 60


def test_no_name_is_taken_for_what_it_is_not(
    answers_to_names: list[tuple[str, str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\nnames: {report(answers_to_names)}")
    wrong = [row for row in answers_to_names if row[2] != row[1] and not {row[1], row[2]} <= NOT_TAKEN]
    assert wrong == []


def test_no_series_is_taken_for_what_it_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    rows = answers_to_tags()
    with capsys.disabled():
        print(f"\ntags: {report(rows)}")
    wrong = [row for row in rows if row[2] != row[1] and not {row[1], row[2]} <= NOT_TAKEN]
    assert wrong == []


def test_no_description_of_others_is_taken_for_what_it_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    rows = answers_to_descriptions()
    with capsys.disabled():
        print(f"\ndescriptions of others: {report(rows)}")
    wrong = [row for row in rows if row[2] != row[1] and not {row[1], row[2]} <= NOT_TAKEN and row[2] not in NOT_TAKEN]
    assert wrong == []
    assert sum(row[2] == row[1] or {row[1], row[2]} <= NOT_TAKEN for row in rows) >= 0.98 * len(rows)


def test_what_must_not_be_taken_is_refused_with_a_reason_rather_than_unknown(
    answers_to_names: list[tuple[str, str, str]],
) -> None:
    assert [name for name, right, answer in answers_to_names if right == "no" and answer != "no"] == []
    assert [name for name, right, answer in answers_to_tags() if right == "no" and answer != "no"] == []
