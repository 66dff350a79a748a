"""Synthetic studies at 4 mm, which are made in less than half a second each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ccsd.demo.phantom import Phantom
from ccsd.experiments.commands import make_training_set
from ccsd.experiments.synthesis.lesions import FORMS
from ccsd.experiments.synthesis.statistics import compare, statistics_of
from ccsd.experiments.synthesis.study import EngineConfig, make_study
from ccsd.method.task import BRATS, ENHANCING, NECROTIC, OEDEMA

SMALL = EngineConfig(shape=(42, 52, 42), spacing=4.0)
VOXEL_ML = 0.064


@pytest.fixture(scope="module")
def studies() -> list[Phantom]:
    return [make_study(seed, SMALL) for seed in range(24)]


def test_a_study_follows_from_its_seed(studies: list[Phantom]) -> None:
    again = make_study(3, SMALL)
    assert np.array_equal(again.label, studies[3].label)
    assert all(np.array_equal(again.volumes[m], studies[3].volumes[m]) for m in BRATS.modalities)
    assert not np.array_equal(studies[3].label, studies[4].label)


def test_images_and_labels_are_what_a_prepared_study_has(studies: list[Phantom]) -> None:
    for study in studies:
        assert list(study.volumes) == list(BRATS.modalities)
        assert set(np.unique(study.label)) <= {0, NECROTIC, OEDEMA, ENHANCING}
        assert (study.label > 0).sum() * VOXEL_ML > 0.5
        for volume in study.volumes.values():
            assert volume.shape == study.label.shape == study.grid.shape
            assert np.isfinite(volume).all()
            assert volume.min() == 0
            assert (volume[study.label > 0] > 0).mean() > 0.97  # the tumour lies in the brain


def test_tumours_have_the_forms_that_occur(studies: list[Phantom]) -> None:
    assert sum(FORMS.values()) == pytest.approx(1)
    without = [s for s in studies if not (s.label == ENHANCING).any()]
    assert 0 < len(without) < len(studies) / 2
    sizes = sorted((s.label > 0).sum() * VOXEL_ML for s in studies)
    assert sizes[0] < 15 < 60 < sizes[-1]  # mL


def test_contrast_is_that_of_each_modality(studies: list[Phantom]) -> None:
    found = [statistics_of(s.volumes, s.label) for s in studies]

    def mean(modality: str, tissue: str) -> float:
        return float(np.mean([one[modality, tissue][0] for one in found if (modality, tissue) in one]))

    assert mean("flair", "oedema") > 1.2 > mean("t1", "oedema")
    assert mean("t1ce", "enhancing tumour") > 1.0 > mean("t1", "enhancing tumour")
    assert mean("t2", "brain p98") > 1.5 > mean("t1", "brain p90")  # CSF is bright on T2 alone
    assert mean("t1", "brain p2") < -1.5
    assert "| flair, oedema |" in compare(found, found)


def test_the_script_makes_a_set_and_says_how_long_it_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(make_training_set, "make_study", partial(make_study, config=SMALL))
    monkeypatch.setattr(make_training_set, "ProcessPoolExecutor", ThreadPoolExecutor)
    monkeypatch.setattr("sys.argv", ["make_training_set", "--count", "1", "--first", "7", "--out", str(tmp_path)])
    make_training_set.main()
    assert "1 studies in" in capsys.readouterr().out
    names = sorted(f.name for f in (tmp_path / "made-00007").iterdir())
    assert names == [f"made-00007_{k}.nii.gz" for k in ("flair", "seg", "t1", "t1ce", "t2")]


def test_a_contact_sheet_has_a_row_a_study(studies: list[Phantom], tmp_path: Path) -> None:
    make_training_set.draw_sheet(studies[:3], tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (3 * 52, 5 * 42, 3)
    assert (sheet.max(axis=-1) != sheet.min(axis=-1)).any()  # the label is in colour
