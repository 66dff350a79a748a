"""Weights -> a MONAI bundle: a folder that `python -m monai.bundle run` executes without this project.

Specification: docs.monai.io, "MONAI Bundle Specification". `models/model.pt` is the app's own file, so a bundle reads
back into the app, and so do the weights that its train.json makes.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version as installed
from pathlib import Path
from statistics import fmean
from typing import Any

from ccsd.common.errors import InputError
from ccsd.export import onnx_file
from ccsd.method.task import Task
from ccsd.models import checkpoint
from ccsd.models.checkpoint import Checkpoint

PACKAGE = Path(__file__).resolve().parents[1]
CODE = (
    *("__init__.py", "method", "common/__init__.py", "common/errors.py", "common/files.py", "common/process.py"),
    *("inference/__init__.py", "inference/label_map.py"),
    *("models/__init__.py", "models/card.py", "models/checkpoint.py", "models/digest.py"),
    *("export/__init__.py", "export/bundle_data.py", "export/bundle_training.py"),
)
IGNITE = "0.5.5"  # with which a bundle's training is tried; who only writes a bundle need not have it
SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"


def export(weights: Path, out: Path, task: Task, *, card: str, onnx: bool = False) -> None:
    """Write the bundle `out`, whole or not at all.

    Args:
        card: Markdown on data, figures and failures; it becomes docs/README.md.
        onnx: also models/model.onnx, see `ccsd.export.onnx_file`.

    Raises:
        InputError: `out` exists, or the weights are not of `task`.
    """
    if out.exists():
        raise InputError(f"{out} exists already, expected a new folder")
    model = checkpoint.load(weights, task=task)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".bundle-") as temporary:
        folder = Path(temporary) / out.name
        for name in CODE:
            _copy(PACKAGE / name, folder / "ccsd" / name)
        for name in ("configs", "models", "docs"):
            (folder / name).mkdir()
        _write_json(folder / "configs" / "metadata.json", metadata(model))
        values = {"TASK": task.as_dict(), "TASK MODALITIES": list(task.modalities)}
        values["NETWORK"] = asdict(model.network.config)
        for template in sorted(Path(__file__).with_name("templates").glob("*.json")):
            _write_json(folder / "configs" / template.name, _filled(json.loads(template.read_text()), values))
        shutil.copyfile(weights, folder / "models" / "model.pt")
        if onnx:
            onnx_file.export(model.network, folder / "models" / "model.onnx")
        (folder / "docs" / "README.md").write_text(_HOW_TO.format(name=out.name) + card)
        folder.rename(out)


def metadata(model: Checkpoint) -> dict[str, Any]:
    """The content of metadata.json (schema 20240725)."""
    task = model.network.task
    edge = f"{model.network.divisor}*n"
    image = {
        "type": "image",
        "format": "magnitude",
        "modality": "MR",
        "num_channels": len(task.modalities),
        "spatial_shape": [edge, edge, edge],
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": True,
        "channel_def": {str(m): name for m, name in enumerate(task.modalities)},
    }
    pred = {
        **image,
        "format": "segmentation",
        "num_channels": len(task.regions),
        "value_range": [0, 1],
        "channel_def": {str(r): name for r, name in enumerate(task.regions)},
    }
    del pred["modality"]
    dice = {g: [row[g] for row in model.card.dice if g in row] for g in task.regions}
    return {
        "schema": SCHEMA,
        "version": "1.0.0",
        "changelog": {"1.0.0": f"weights {model.version}"},
        "monai_version": installed("monai"),
        "pytorch_version": installed("torch").split("+")[0],
        "numpy_version": installed("numpy"),
        "required_packages_version": {
            **{name: installed(name) for name in ("nibabel", "psutil")},
            "pytorch-ignite": IGNITE,
        },
        "optional_packages_version": {},
        "name": f"CCSD {task.name}",
        "task": f"Segmentation of {', '.join(task.regions)} from any of {', '.join(task.modalities)}",
        "description": "CCSD (Cross-Modal Compositional Self-Distillation, arXiv 2511.14599): one network for every "
        "non-empty subset of the modalities. Not a medical device.",
        "authors": "the authors of this implementation; method: arXiv 2511.14599",
        "copyright": "see the project that this bundle was exported from",
        "intended_use": "Research only. Not a medical device.",
        "data_type": "nibabel",
        "image_classes": f"{', '.join(task.modalities)}: one channel each, z-scored over their non-zero voxels",
        "label_classes": ", ".join(f"{value}: {name}" for name, value in task.labels.items()),
        "pred_classes": f"one channel a region, overlapping: {', '.join(task.regions)}",
        "eval_metrics": {f"mean Dice {g} over all subsets": round(fmean(v), 4) for g, v in dice.items() if v},
        "references": ["CCSD: Cross-Modal Compositional Self-Distillation, arXiv 2511.14599"],
        "network_data_format": {"inputs": {"image": image}, "outputs": {"pred": pred}},
    }


_HOW_TO = """# {name}

Run from this folder; `studies/` holds one folder a study with files named `*_<modality>.nii.gz`, to train also
`*_seg.nii.gz`:

    python -m monai.bundle run --config_file configs/inference.json --meta_file configs/metadata.json
    python -m monai.bundle run --config_file configs/inference.json --modalities "['flair', 't1ce']"
    python -m monai.bundle run --config_file configs/train.json --max_epochs 100

Masks lie in `eval/`, trained weights in `models/trained.pt`; both `.pt` files can be served by the app as they are.

"""


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _filled(template: Any, values: Mapping[str, Any]) -> Any:
    """The template with its placeholders replaced."""
    if isinstance(template, dict):
        return {key: _filled(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [_filled(value, values) for value in template]
    return values.get(template, template) if isinstance(template, str) else template


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=4) + "\n")
