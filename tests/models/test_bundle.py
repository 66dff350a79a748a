"""A bundle is run as its user runs it: by `python -m monai.bundle run`, from its own folder, without this project."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jsonschema
import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigWorkflow
from scipy.spatial.transform import Rotation

from ccsd.common.errors import InputError
from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.evaluation.lattice import measure, read_labelled
from ccsd.export.bundle import export
from ccsd.imaging.volumes import Grid
from ccsd.inference.windows import WindowConfig
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models import checkpoint
from ccsd.models.card import Card
from ccsd.server.trainers.train_request import read_train_request
from ccsd.studies.study import find_studies
from ccsd.training.digest import digests_of
from tests.server.trainers.clinics import Clinic

TENSOR = {
    "type": "object",
    "required": ["type", "format", "num_channels", "spatial_shape", "dtype", "value_range"],
    "properties": {
        "num_channels": {"type": "integer"},
        "spatial_shape": {"type": "array", "items": {"type": ["string", "integer"]}},
        "value_range": {"type": "array", "items": {"type": "number"}},
        "is_patch_data": {"type": "boolean"},
        "channel_def": {"type": "object"},
    },
}
TEXTS = ("schema", "version", "monai_version", "pytorch_version", "numpy_version")
TEXTS += ("task", "description", "authors", "copyright")
TABLES = ("required_packages_version", "optional_packages_version", "network_data_format")
SCHEMA = {  # what MONAI's meta_schema_20240725.json asks for, in our words: the file itself is on the internet
    "type": "object",
    "required": [*TEXTS, *TABLES],
    "properties": {
        **{name: {"type": "string"} for name in TEXTS},
        **{name: {"type": "object"} for name in ("changelog", "eval_metrics", *TABLES)},
        "references": {"type": "array"},
        "network_data_format": {
            "required": ["inputs", "outputs"],
            "additionalProperties": {"type": "object", "additionalProperties": TENSOR},
        },
    },
}
OBLIQUE = np.eye(4)  # flipped axes, turned by 10 and 6 degrees
OBLIQUE[:3, :3] = Rotation.from_euler("zx", [10, 6], degrees=True).as_matrix() @ np.diag([-1, -1, 1])
OBLIQUE[:3, 3] = (20, 31, -12)
EDGE = 48  # of the phantoms, and of the window: the app shrinks its window to a study that is smaller


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.pt"
    card = Card(training=("z",), dice=({"modalities": ["flair"], "WT": 0.5, "TC": 0.25, "ET": 0.125},))
    checkpoint.save(path, checkpoint.untrained(BRATS, PRESETS["tiny"], seed=1).network, name="tiny", card=card)
    return path


@pytest.fixture(scope="module")
def bundle(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "ccsd_brats"
    export(weights, folder, BRATS, card="what is known of it")
    return folder


@pytest.fixture(scope="module")
def studies(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two studies, one of them oblique with flipped axes."""
    folder = tmp_path_factory.mktemp("studies")
    write_phantom(phantom, folder / "a", "a")
    write_phantom(replace(phantom, grid=Grid(phantom.grid.shape, OBLIQUE)), folder / "b", "b")
    return folder


def run(bundle: Path, config: str, **overrides: object) -> None:
    """Without this project on the path: what the bundle needs, it has."""
    changed = [word for name, value in overrides.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", f"configs/{config}.json", *changed]
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(command, cwd=bundle, env=clean, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("modalities", [["t1", "t1ce", "t2", "flair"], ["flair", "t1ce"]])
def test_its_masks_are_those_of_the_app(
    bundle: Path, weights: Path, studies: Path, tmp_path: Path, modalities: list[str]
) -> None:
    out = tmp_path / "masks"
    run(bundle, "inference", dataset_dir=studies, output_dir=out, modalities=modalities, window=[EDGE] * 3)
    network = checkpoint.load(weights, task=BRATS).network
    for study in find_studies(studies, BRATS.modalities):
        (written,) = out.glob(f"{study.id}_*_seg.nii.gz")
        mask = nib.load(written)
        image = nib.load(studies / study.id / f"{study.id}_{modalities[0]}.nii.gz")
        np.testing.assert_allclose(mask.affine, image.affine, atol=1e-4)
        read = read_labelled(study, BRATS)
        wanted = sum(1 << BRATS.modalities.index(m) for m in modalities)
        ours = next(m.label for m in measure(network, read, window=WindowConfig(EDGE)) if m.subset == wanted)
        assert np.asarray(mask.dataobj).shape == ours.shape
        assert len(np.unique(ours)) > 1
        assert (np.asarray(mask.dataobj) == ours).mean() > 0.995


@pytest.fixture(scope="module")
def trained(bundle: Path, studies: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that the bundle made from its own ones and study `a`, validated on `b`."""
    path = tmp_path_factory.mktemp("trained") / "trained.pt"
    small = {"patch": [32, 32, 32], "window": [EDGE] * 3, "max_epochs": 2}
    run(bundle, "train", dataset_dir=studies, trained=path, **small)
    return path


def test_it_trains_and_its_weights_read_back_into_the_app(bundle: Path, trained: Path) -> None:
    before = checkpoint.load(bundle / "models" / "model.pt", task=BRATS)
    after = checkpoint.load(trained, task=BRATS)
    assert after.version != before.version
    assert 0 < (after.card.score or 0) < 1


def test_the_weights_that_it_trains_say_what_they_were_made_from(bundle: Path, studies: Path, trained: Path) -> None:
    card = checkpoint.card_in(trained)
    assert card.parent == checkpoint.card_in(bundle / "models" / "model.pt").version
    assert (card.training, card.validation, card.seen) == (("a",), ("b",), ("a", "z"))
    assert card.digests == digests_of(find_studies(studies, BRATS.modalities))
    assert (card.settings["patch"], card.settings["losses"]["tau"]) == ([32, 32, 32], 2.0)
    assert card.epoch in (1, 2)
    assert card.made_by == "MONAI bundle"


def test_what_a_bundle_trained_on_does_not_validate_in_the_app(trained: Path, phantom: Phantom, tmp_path: Path) -> None:
    shutil.copyfile(trained, tmp_path / "pretrained.pt")
    clinic = Clinic(tmp_path, phantom, "abcz")
    clinic.save(*"abcz")
    task = clinic.task()
    wanted = read_train_request({"val_split": 0.9})
    job = task._plan(wanted, torch.device("cpu"), task._ready(clinic.store)[0], {})
    assert {one.id for one in job.validation} == {"b", "c"}
    assert {one.id for one in job.training} == {"a", "z"}


def test_its_metadata_is_valid_and_has_the_figures_of_the_weights(bundle: Path) -> None:
    content = json.loads((bundle / "configs" / "metadata.json").read_text())
    jsonschema.validate(content, SCHEMA)
    assert content["network_data_format"]["inputs"]["image"]["channel_def"]["1"] == "t1ce"
    assert content["eval_metrics"] == {
        f"mean Dice {r} over all subsets": d for r, d in (("WT", 0.5), ("TC", 0.25), ("ET", 0.125))
    }
    assert (bundle / "docs" / "README.md").read_text().endswith("what is known of it")


@pytest.mark.parametrize("kind", ["inference", "train"])
def test_monai_finds_the_parts_that_its_specification_names(
    bundle: Path, studies: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bundle)
    flow = ConfigWorkflow(f"configs/{kind}.json", "configs/metadata.json", workflow_type=kind, dataset_dir=str(studies))
    flow.initialize()
    assert flow.check_properties() == []


def test_a_folder_that_exists_is_left_alone(bundle: Path, weights: Path) -> None:
    before = sorted(bundle.parent.iterdir())
    with pytest.raises(InputError, match="exists already, expected a new folder"):
        export(weights, bundle, BRATS, card="")
    assert sorted(bundle.parent.iterdir()) == before
