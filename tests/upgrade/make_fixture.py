"""Makes a fixture: a datastore and weights as an older release left them. See README.md beside this file."""

from __future__ import annotations

import argparse
import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from ccsd.demo.phantom import PhantomConfig, make_phantom, write_phantom
from tests.conftest import REPOSITORY
from tests.e2e.conftest import Server, start_server

SHAPE = (32, 32, 32)
KEPT = ("studies", "ccsd/model")


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """A folder outside the repository with the code of a commit."""
    with tempfile.TemporaryDirectory() as folder:
        code = Path(folder, "code")
        git = ["git", "-C", str(REPOSITORY), "worktree"]
        subprocess.run([*git, "add", "--detach", code, commit], check=True)
        try:
            yield code
        finally:
            subprocess.run([*git, "remove", "--force", code], check=True)


def use(server: Server, labels: Sequence[Path]) -> None:
    """What a user does: save labels, train once, ask for a mask."""
    for label in labels:
        query = {"image": f"{label.name.removesuffix('_seg.nii.gz')}_flair", "tag": "final"}
        with label.open("rb") as file:
            server.put("/datastore/label", params=query, files={"label": file}).raise_for_status()
    server.post("/train/ccsd", json={"max_epochs": 1, "steps": 2, "patch": 32}).raise_for_status()
    status = server.wait_for_training({"DONE", "ERROR"}, seconds=300)
    if status["status"] != "DONE":
        raise RuntimeError(f"the training ended with {status}, expected DONE")
    server.infer("case_flair").raise_for_status()


def make(commit: str, out: Path) -> None:
    with checked_out(commit) as code, tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        phantom = make_phantom(PhantomConfig(seed=3, shape=SHAPE))
        write_phantom(phantom, folder / "studies" / "case", "case", label=False)
        write_phantom(phantom, folder / "studies" / "poor", "poor", modalities=["t2", "flair"], label=False)
        write_phantom(phantom, folder / "labels", "case", modalities=["t1"])
        app = folder / "ccsd"
        (app / "model").mkdir(parents=True)
        (app / "main.py").symlink_to(code / "apps" / "ccsd" / "main.py")
        # MONAI Label's command puts this repository on PYTHONPATH; the app puts its own before it, unless it is there.
        with closing(start_server(folder / "studies", folder, variables={"PYTHONPATH": ""})) as servers:
            use(next(servers), [folder / "labels" / "case_seg.nii.gz"])
        with tarfile.open(out, "w:xz") as archive:  # one stream: the same weights under two names are kept once
            for file in sorted(f for part in KEPT for f in (folder / part).rglob("*") if f.is_file()):
                if not file.name.endswith((".lock", ".log")):
                    entry = tarfile.TarInfo(file.relative_to(folder).as_posix())
                    entry.size = file.stat().st_size
                    archive.addfile(entry, io.BytesIO(file.read_bytes()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    make(arguments.commit, arguments.out)
    print(f"wrote {arguments.out} ({arguments.out.stat().st_size / 1000:.0f} kB)")
