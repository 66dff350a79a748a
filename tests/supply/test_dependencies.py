"""What pyproject.toml asks for, against what the package imports and what requirements.txt pins."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ccsd.export.bundle import IGNITE
from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "lib" / "ccsd"
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
ASKED = {canonicalize_name(Requirement(line).name): Requirement(line) for line in PROJECT["dependencies"]}
EXTRAS = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
OPTIONAL = {canonicalize_name(Requirement(line).name) for line in EXTRAS}
NOT_IMPORTED = {"nilearn", "deepbet", "tensorboard"}  # of which files are read; by torch alone


def top_level(file: Path) -> set[str]:
    """What a file imports when it is imported itself."""
    found = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"ccsd"}


def test_whatever_the_package_imports_below_the_server_is_asked_for() -> None:
    files = [f for f in PACKAGE.rglob("*.py") if f.relative_to(PACKAGE).parts[0] not in ("server", "experiments")]
    modules = set().union(*map(top_level, files))
    of_module = packages_distributions()
    needed = {canonicalize_name(d) for module in modules for d in of_module.get(module, [module])[:1]}
    assert needed - set(ASKED) - OPTIONAL == set()
    assert set(ASKED) - needed == NOT_IMPORTED


def test_every_pin_of_the_requirement_files_is_one_that_the_package_takes() -> None:
    lines = [line for f in ("", "-nodeps") for line in (REPOSITORY / f"requirements{f}.txt").read_text().splitlines()]
    pinned = dict(found.groups() for line in lines if (found := re.match(r"([\w.-]+)==([\w.]+)", line)))
    versions = {canonicalize_name(name): version for name, version in pinned.items()}
    assert {name for name, asked in ASKED.items() if not asked.specifier.contains(versions[name])} == set()


def test_a_bundle_names_the_ignite_that_it_is_tried_with() -> None:
    assert f"pytorch-ignite=={IGNITE}" in (REPOSITORY / "requirements-dev.txt").read_text()
