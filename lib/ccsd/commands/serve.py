"""Start the MONAI Label server. Without --studies it makes and serves a demo study.

  ccsd serve
  ccsd serve --studies DIR --port 8001
  ccsd serve --studies http://HOST:8042/dicom-web --conf upload_gib 8

Every other option is one of `monailabel start_server`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path

from ccsd.common.errors import InputError
from ccsd.common.files import remove_leftovers, replacing, temporary_beside
from ccsd.common.places import APP, DEMO, SHIPPED

MAIN = """# MONAI Label loads its app from here.
from ccsd.server.labelapp import CCSDApp

__all__ = ["CCSDApp"]
"""
PYTHON = [sys.executable, "-P"]  # -P: the folder of the call holds no modules


def main() -> None:
    """Raises InputError: MONAI Label is missing, or there are no such studies."""
    arguments, others = _parse()
    _check_installed()
    app = _made_app(arguments.app)
    studies = _checked(arguments.studies or str(_made_demo()))
    if not _is_address(studies):
        _inspect(studies, f"http://{arguments.host}:{arguments.port}")
    environment = {"MONAI_LABEL_TRACKING_ENABLED": "false", **os.environ}
    if not _is_loopback(arguments.host) and environment.get("MONAI_LABEL_AUTH_ENABLE") != "true":
        _warn(arguments.host)
    options = ["--app", str(app), "--studies", studies, "--uvicorn_app", "ccsd.server.app:app"]
    options += ["--host", arguments.host, "--port", str(arguments.port)]
    for key, value in _conf(arguments.conf, arguments.host):
        options += ["--conf", key, value]
    os.execve(PYTHON[0], [*PYTHON, "-m", "ccsd.server", "start_server", *options, *others], environment)


def _check_installed() -> None:
    missing = [name for name in ("monailabel", "fastapi", "uvicorn") if find_spec(name) is None]
    if missing:
        raise InputError(
            f"ccsd serve needs {', '.join(missing)}, not installed here: in the repository, pip install -r "
            "requirements.txt, then pip install --no-deps -r requirements-nodeps.txt"
        )


def _made_app(folder: Path) -> Path:
    """The app folder, made where it is not there: what MONAI Label loads, and the shipped weights."""
    if not (folder / "main.py").exists():
        with replacing(folder / "main.py") as file:
            file.write_text(MAIN)
    weights = folder / "model" / SHIPPED.name
    if SHIPPED.exists() and not weights.exists():
        weights.parent.mkdir(exist_ok=True)
        weights.unlink(missing_ok=True)  # a link to an environment that is gone
        weights.symlink_to(SHIPPED)
    return folder.resolve()


def _made_demo() -> Path:
    if not DEMO.exists():
        from ccsd.demo.phantom import PhantomConfig, make_phantom, write_phantom  # seconds that only this start waits

        DEMO.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(DEMO.parent)
        making = temporary_beside(DEMO)
        write_phantom(make_phantom(PhantomConfig()), making, "demo")
        making.rename(DEMO)
    return DEMO


def _checked(studies: str) -> str:
    if _is_address(studies):
        return studies
    if not os.path.isdir(studies):
        raise InputError(f"--studies {studies} is no folder")
    if not os.access(studies, os.W_OK):
        raise InputError(f"--studies {studies} is not writable, labels are kept there")
    return str(Path(studies).resolve())


def _is_address(studies: str) -> bool:
    return studies.startswith(("http://", "https://"))


def _inspect(studies: str, url: str) -> None:
    """Say what is found in the folder while the server starts, by a process that the shell leaves behind."""
    shown = [*PYTHON, "-m", "ccsd", "inspect", studies, "--url", url]
    subprocess.run(["sh", "-c", '"$@" &', "sh", *shown], check=True)


def _warn(host: str) -> None:
    print(
        f"WARNING: --host {host} lets everybody who reaches this machine see the studies, change labels and train; "
        "authentication is off (docs/operate.md)",
        file=sys.stderr,
    )


def _conf(given: Sequence[Sequence[str]], host: str) -> list[Sequence[str]]:
    """A name that is listened on is one that is answered to."""
    if _is_ip(host):
        return [*given]
    return [*given, ("hosts", ",".join([*(value for key, value in given if key == "hosts"), host]))]


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return ip_address(host).is_loopback if _is_ip(host) else host == "localhost"


def _parse() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("-s", "--studies", help="a folder of studies, or the address of a DICOMweb server")
    parser.add_argument("-i", "--host", default="127.0.0.1", help="address to listen on; 0.0.0.0: all networks")
    parser.add_argument("-p", "--port", type=int, default=8000)
    parser.add_argument("-a", "--app", type=Path, default=APP, help=f"MONAI Label's app folder (default: {APP})")
    parser.add_argument(
        "-c", "--conf", nargs=2, action="append", default=[], metavar=("KEY", "VALUE"), help="an option of the app"
    )
    return parser.parse_known_args()
