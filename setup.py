"""What pyproject.toml cannot say: a wheel has the shipped weights, which a checkout keeps in the app's folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

WEIGHTS = Path(__file__).parent / "apps" / "ccsd" / "model"


class BuildWithWeights(build_py):
    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            shutil.copytree(WEIGHTS, Path(self.build_lib, "ccsd", "models", "shipped"), ignore=_unpublished)


def _unpublished(folder: str, names: list[str]) -> set[str]:
    """What a server of this checkout has put beside the shipped weights."""
    return set(names) - {"pretrained_ccsd.pt", "README.md"}


setup(cmdclass={"build_py": BuildWithWeights})
