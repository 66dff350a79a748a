"""A real Orthanc with its DICOMweb plugin, on a free port, with a store of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.e2e.conftest import free_port

PROGRAM = shutil.which("Orthanc") or "/usr/sbin/Orthanc"
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@dataclass
class Orthanc:
    url: str
    process: subprocess.Popen[bytes]

    @property
    def dicomweb(self) -> str:
        return f"{self.url}/dicom-web"

    def store(self, file: Path) -> None:
        requests.post(f"{self.url}/instances", data=file.read_bytes(), timeout=30).raise_for_status()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def start_orthanc(folder: Path) -> Iterator[Orthanc]:
    """Until the generator is closed. Skips where Orthanc is not installed (scripts/test.sh tries to)."""
    if not Path(PROGRAM).is_file() or not PLUGIN.is_file():
        pytest.skip("Orthanc with its DICOMweb plugin is not installed (apt-get install orthanc orthanc-dicomweb)")
    port = free_port()
    configuration = {
        "StorageDirectory": str(folder / "store"),
        "IndexDirectory": str(folder / "store"),
        "Plugins": [str(PLUGIN)],
        "HttpPort": port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    with (folder / "orthanc.log").open("wb") as log:
        command = [PROGRAM, str(folder / "orthanc.json")]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
    orthanc = Orthanc(f"http://127.0.0.1:{port}", process)
    try:
        _wait(orthanc, folder / "orthanc.log")
        yield orthanc
    finally:
        orthanc.stop()


def _wait(orthanc: Orthanc, log: Path) -> None:
    for _ in range(300):
        if orthanc.process.poll() is not None:
            break
        try:
            requests.get(f"{orthanc.dicomweb}/studies", timeout=5).raise_for_status()
            return
        except requests.RequestException:
            time.sleep(0.1)
    raise RuntimeError(f"Orthanc did not start:\n{log.read_text()[-2000:]}")
