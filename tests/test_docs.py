"""What README.md and the docs name is there: linked pages and headings, repository paths, commands."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

from ccsd.cli import COMMANDS
from ccsd.method.task import BRATS

REPOSITORY = Path(__file__).resolve().parents[1]
CARD = REPOSITORY / "apps" / "ccsd" / "model" / "README.md"
HOUSE = [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES = [*HOUSE, CARD, *sorted((REPOSITORY / "docs").glob("*.md"))]
RECORDS = {"CHANGELOG.md", "notebook.md"}  # what was: they may name files that are gone
LINK = re.compile(r"\]\((?!https?:)([^)\s]*)\)")
FOLDERS = "apps|configs|docs|lib|requirements|scripts|tests"
NAMED = re.compile(rf"(?<![\w/.-])(?:\./)?((?:{FOLDERS})/[\w./-]*\w)")
COMMAND = re.compile(r"(?<![\w./-])(?:\.venv/bin/)?ccsd ([a-z]+)(?=[ `])")
EXPERIMENT = re.compile(r"-m\s+ccsd\.experiments ([a-z_]+)")


def named(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def headings(page: Path) -> set[str]:
    """Anchors as GitHub makes them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    found = re.findall(r"^#+ (.*)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in found}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_to_a_page_and_a_heading(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        path, _, heading = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not heading or heading in headings(file), target


@pytest.mark.parametrize("page", [p for p in PAGES if p.name not in RECORDS], ids=named)
def test_every_repository_path_that_is_named_exists(page: Path) -> None:
    missing = {path for path in NAMED.findall(page.read_text()) if not (REPOSITORY / path).exists()}
    assert missing == set()


@pytest.mark.parametrize("page", [p for p in PAGES if p.name != "CHANGELOG.md"], ids=named)
def test_every_command_is_one(page: Path) -> None:
    text = page.read_text()
    unknown = {name for name in COMMAND.findall(text) if name not in COMMANDS}
    unknown |= {n for n in EXPERIMENT.findall(text) if not importlib.util.find_spec(f"ccsd.experiments.commands.{n}")}
    assert unknown == set()


@pytest.mark.parametrize("page", [p for p in PAGES if p.name != "CHANGELOG.md"], ids=named)
def test_every_option_of_a_command_is_one(page: Path) -> None:
    assert {option for call in calls(page) for option in unknown_options(call)} == set()


def calls(page: Path) -> list[str]:
    """`ccsd NAME ...` and `ccsd.experiments NAME ...` as they stand in code, a line each."""
    code = "\n".join(re.findall(r"```.*?```|`[^`]+`", page.read_text(), flags=re.S))
    joined = re.sub(r"\\\n\s*|\n(?=--|ccsd\.)", " ", code)  # broken by a backslash, or by the end of a line of text
    return re.findall(r"\bccsd(?:\.experiments)? [a-z_]+ [^\n;)`#]*", joined)


def unknown_options(call: str) -> set[str]:
    program, name, *words = call.split()
    folder = REPOSITORY / "lib" / "ccsd" / ("commands" if program == "ccsd" else "experiments/commands")
    source = (folder / f"{name}.py").read_text()
    for module in re.findall(r"^from (ccsd[\w.]+) import add_\w+_options", source, flags=re.M):
        source += (REPOSITORY / "lib" / f"{module.replace('.', '/')}.py").read_text()
    known = {*re.findall(r'"(--?[a-z0-9_-]+)"', source)}
    known |= {f"--{modality}" for modality in BRATS.modalities}
    return {f"{call}: {word}" for word in words if word.startswith("-") and word.split("=")[0] not in known}


def test_every_picture_is_shown_by_a_page() -> None:
    shown = {(page.parent / target).resolve() for page in PAGES for target in LINK.findall(page.read_text())}
    pictures = {*(REPOSITORY / "docs").glob("*.png"), *(REPOSITORY / "docs").glob("*.svg")}
    assert pictures - shown == set()


def test_every_page_that_code_cites_exists() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=False).stdout
    code = [REPOSITORY / f for f in listed.split() if f.endswith((".py", ".sh", ".toml", ".txt", "Dockerfile"))]
    cited = {name for f in code if f.exists() for name in re.findall(r"docs/[a-z_]+\.md", f.read_text())}
    assert {name for name in cited if not (REPOSITORY / name).exists()} == set()


def test_the_readme_is_short() -> None:
    assert len((REPOSITORY / "README.md").read_text().splitlines()) <= 120
