"""`ccsd serve` up to the start of MONAI Label, with one that only says how it was called."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ccsd.common.places import SHIPPED
from ccsd.common.process_environment import VARIABLES
from tests.conftest import REPOSITORY

STORE = "http://127.0.0.1:1/dicom-web"
SAYS = """
import json, os, sys
class Main:
    def run(self):
        print(json.dumps({"called": sys.argv[1:], "environment": dict(os.environ)}))
"""


class Serve:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "monailabel").mkdir()
        (folder / "monailabel" / "__init__.py").touch()
        (folder / "monailabel" / "main.py").write_text(SAYS)

    def __call__(
        self, *options: str, python: tuple[str, ...] = (), **variables: str
    ) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(self.folder), str(REPOSITORY / "lib")])
        own = {name: value for name, value in os.environ.items() if name not in VARIABLES}  # Dask sets some
        environment = {**own, "PYTHONPATH": path, "HOME": str(self.folder), **variables}
        command = [sys.executable, *python, "-m", "ccsd", "serve", "--app", str(self.folder / "app"), *options]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    def started(self, *options: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self(*options).stdout.splitlines()[-1])
        return found


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    return Serve(tmp_path)


def test_monai_label_gets_our_web_application_and_every_option(serve: Serve) -> None:
    options = ["--studies", STORE, "--port", "9", "--conf", "upload_gib", "8", "--ssl_keyfile", "key"]
    assert serve.started(*options)["called"] == [
        *["start_server", "--app", str(serve.folder / "app"), "--studies", STORE],
        *["--uvicorn_app", "ccsd.server.app:app", "--host", "127.0.0.1", "--port", "9"],
        *["--conf", "upload_gib", "8", "--ssl_keyfile", "key"],
    ]


def test_memory_is_kept_threads_wait_asleep_and_nobody_is_told_of_the_start(serve: Serve) -> None:
    environment = serve.started("--studies", STORE)["environment"]
    assert environment.items() >= {**VARIABLES, "MONAI_LABEL_TRACKING_ENABLED": "false"}.items()


def test_a_name_that_is_listened_on_is_one_that_is_answered_to(serve: Serve) -> None:
    called = serve.started("--studies", STORE, "--host", "nas.lan", "--conf", "hosts", "a,b")["called"]
    assert called[-3:] == ["--conf", "hosts", "a,b,nas.lan"]


def test_the_app_folder_is_made_with_the_shipped_weights_and_kept(serve: Serve) -> None:
    serve("--studies", STORE)
    app = serve.folder / "app"
    assert "CCSDApp" in (app / "main.py").read_text()
    assert (app / "model" / SHIPPED.name).samefile(SHIPPED)
    (app / "main.py").write_text("# mine")
    serve("--studies", STORE)
    assert (app / "main.py").read_text() == "# mine"


def test_what_is_found_in_a_folder_is_said_while_the_server_starts(serve: Serve, study_folder: Path) -> None:
    done = serve("--studies", os.path.relpath(study_folder))
    assert f"1 studies in {study_folder}" in done.stdout
    assert "http://127.0.0.1:8000/infer/ccsd?image=case_" in done.stdout


@pytest.mark.parametrize(("host", "auth", "warned"), [
    ("127.0.0.1", "false", False), ("::1", "false", False), ("localhost", "false", False),
    ("0.0.0.0", "false", True), ("nas.lan", "false", True), ("0.0.0.0", "true", False),
])  # fmt: skip
def test_who_binds_to_the_network_without_authentication_is_warned(
    serve: Serve, host: str, auth: str, warned: bool
) -> None:
    done = serve("--studies", STORE, "--host", host, MONAI_LABEL_AUTH_ENABLE=auth)
    assert done.returncode == 0
    assert (f"WARNING: --host {host} lets everybody" in done.stderr) == warned


def test_studies_that_are_not_there_are_one_sentence(serve: Serve) -> None:
    done = serve("--studies", "/nowhere")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "error: --studies /nowhere is no folder\n")


def test_without_monai_label_it_says_how_to_install_it(serve: Serve) -> None:
    (serve.folder / "monailabel").rename(serve.folder / "other")
    done = serve("--studies", STORE, python=("-S",))  # without any installed package
    assert done.returncode == 1
    assert done.stderr.startswith("error: ccsd serve needs monailabel, fastapi, uvicorn, not installed here")
    assert "pip install --no-deps -r requirements-nodeps.txt" in done.stderr
