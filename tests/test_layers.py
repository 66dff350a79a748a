"""Who may import whom: the rooms of `ccsd` stand on one another, and nobody imports upwards.

The rules, as a person remembers them: `method` imports torch alone; only `server` knows the web; nobody imports
`experiments`; every room imports only rooms below it.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from ccsd.cli import COMMANDS

PACKAGE = Path(__file__).resolve().parents[1] / "lib" / "ccsd"
FLOORS = (  # from the ground up; rooms of one floor do not know each other
    {"method"},
    {"common"},
    {"imaging", "models"},
    {"studies"},
    {"preprocessing", "demo"},
    {"inference", "pictures"},
    {"evaluation"},
    {"export", "training"},
    {"server", "commands"},
    {"experiments"},
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
WEB = {"monailabel", "fastapi", "starlette", "uvicorn"}
FILES = [f for f in sorted(PACKAGE.rglob("*.py")) if f.parent != PACKAGE]


def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names if node.module == "ccsd" else {node.module, *names}
    return found


def room_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0]


def named(file: Path) -> str:
    return str(file.relative_to(PACKAGE))


def test_every_room_has_its_floor() -> None:
    assert {room_of(file) for file in FILES} == set(FLOOR)


@pytest.mark.parametrize("file", FILES, ids=named)
def test_a_file_imports_only_its_own_room_and_those_below(file: Path) -> None:
    own = room_of(file)
    used = {name.split(".")[1] for name in imports(file) if name.startswith("ccsd.")} - {own, "VERSION"}
    assert {room for room in used if FLOOR[room] >= FLOOR[own]} == set()


@pytest.mark.parametrize("file", FILES, ids=named)
def test_only_the_server_knows_the_web(file: Path) -> None:
    used = {name.split(".")[0] for name in imports(file)}
    assert room_of(file) in {"server", "experiments"} or not used & WEB


@pytest.mark.parametrize("file", [f for f in FILES if room_of(f) == "method"], ids=named)
def test_the_method_needs_torch_alone(file: Path) -> None:
    used = {name.split(".")[0] for name in imports(file)}
    assert used - sys.stdlib_module_names <= {"torch", "ccsd"}


@pytest.mark.parametrize("file", [f for f in FILES if room_of(f) not in {"server", "experiments"}], ids=named)
def test_nobody_imports_the_server_or_the_experiments(file: Path) -> None:
    assert [name for name in imports(file) if name.startswith(("ccsd.server", "ccsd.experiments"))] == []


def test_the_server_does_without_the_experiments() -> None:
    own = [f for f in FILES if room_of(f) == "server"]
    assert [named(f) for f in own if any(name.startswith("ccsd.experiments") for name in imports(f))] == []


def loaded(*modules: str) -> set[str]:
    """The packages that a process has loaded when it has imported these modules."""
    asked = f"import sys, {', '.join(modules)}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(subprocess.check_output([sys.executable, "-c", asked], cwd=PACKAGE.parent, text=True).split())


def test_looking_at_studies_does_not_wait_for_torch_to_load() -> None:
    assert "torch" not in loaded("ccsd.studies.study")


def test_the_list_of_commands_waits_for_no_other_package() -> None:
    assert loaded("ccsd.__main__") & {"numpy", "torch", "nibabel", "scipy"} == set()


def test_commands_load_monai_and_what_few_calls_need_only_when_they_use_it() -> None:
    heavy = {"monai", "ignite", "matplotlib", "nilearn", "deepbet", "onnx", "distributed", "pandas", "sklearn"}
    assert loaded(*(f"ccsd.commands.{name}" for name in COMMANDS)) & heavy == set()
