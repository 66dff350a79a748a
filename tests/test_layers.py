"""Who may import whom (DESIGN): `ccsd` <- evaluation, training <- infers, trainers <- apps; MONAI Label at the rim."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

LIB = Path(__file__).resolve().parents[1] / "lib"
DATA = {"errors", "studies", "preprocessing"}
ALLOWED = {
    "ccsd": set(),
    "errors": set(),
    "stopping": set(),
    "clock": {"stopping"},
    "files": set(),
    "tensor_files": set(),
    "settings": {"ccsd", "errors"},
    "devices": {"errors"},
    "studies": {"errors", "files"},
    "preprocessing": {"clock", "errors", "files", "studies"},
    "phantoms": {"ccsd", *DATA},
    "engine": {"ccsd", "phantoms", *DATA},
    "evaluation": {"ccsd", "stopping", *DATA},
    "publishing": {"ccsd", "errors", "files", "tensor_files"},
    "baselines": {"ccsd"},
    "bundle": {"ccsd", "errors", "evaluation", "publishing"},
    "benchmarks": {"activelearning", "ccsd", "datastores", "evaluation", "infers", "publishing", "web", *DATA},
    "pictures": set(DATA),
    "training": {"ccsd", "evaluation", "files", "settings", "tensor_files", *DATA},
    "ablation": {"ccsd", "evaluation", "files", "publishing", "settings", "training"},
    "dicom_seg": {"ccsd", "pictures", *DATA},
    "datastores": {"ccsd", "dicom_seg", "files", *DATA},
    "activelearning": {"ccsd", "datastores", "errors", "publishing", "scoring"},
    "scoring": {"ccsd", "datastores", "devices", "evaluation", "files", "infers", "publishing", "training", *DATA},
    "simulation": {"activelearning", "ccsd", "evaluation", "phantoms", "publishing", "training", *DATA},
    "web": {
        *DATA,
        "ccsd",
        "datastores",
        "devices",
        "evaluation",
        "infers",
        "pictures",
        "publishing",
        "stopping",
        "trainers",
    },
    "infers": {"ccsd", "clock", "datastores", "dicom_seg", "devices", "evaluation", "publishing", *DATA},
    "trainers": {"ccsd", "devices", "evaluation", "files", "publishing", "stopping", "tensor_files", "training", *DATA},
    "configs": {"activelearning", "ccsd", "errors", "infers", "publishing", "scoring", "settings", "trainers"},
}
# where MONAI Label may be imported
RIM = {"activelearning", "configs", "devices", "datastores", "infers", "scoring", "trainers", "web"}


def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def part_of(file: Path) -> str:
    return file.relative_to(LIB).parts[0].removesuffix(".py")


FILES = [f for f in sorted(LIB.rglob("*.py")) if part_of(f) != "__init__"]


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(LIB)))
def test_a_file_imports_only_what_its_layer_may(file: Path) -> None:
    own = part_of(file)
    used = {name.split(".")[1] for name in imports(file) if name.startswith("lib.")} - {"VERSION"}
    assert used <= ALLOWED[own] | {own}


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(LIB)))
def test_monai_label_is_imported_at_the_rim_only(file: Path) -> None:
    assert part_of(file) in RIM or not any(name.split(".")[0] == "monailabel" for name in imports(file))


def test_the_method_needs_torch_alone() -> None:
    used = {name.split(".")[0] for file in (LIB / "ccsd").glob("*.py") for name in imports(file)}
    standard = {"__future__", "collections", "dataclasses", "functools", "itertools", "re", "typing"}
    assert used <= standard | {"torch", "lib"}


def test_looking_at_studies_does_not_wait_for_torch_to_load() -> None:
    asked = "import sys, ccsd.studies.study; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], cwd=LIB.parent, check=False).returncode == 0
