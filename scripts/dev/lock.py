"""Lock files: every distribution that the requirement files bring, with the hashes of its files: make, check."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "requirements"
WANTED = ("requirements.txt", "requirements-nodeps.txt")
UV = "uv==0.13.9"  # resolves for every Python at once, and for CUDA on a machine without it
OLDEST = "3.11"
CUDA_ONLY = ("nvidia-", "cuda-", "triton")  # what a CPU build of torch does not ask for
# CPU builds of torch are not on the default index; these are the hashes of those that were seen.
CPU_TORCH = {"3.11": "6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b"}
HEAD = """# Made by scripts/dev/lock.py make; do not edit. docs/operate.md says how it is used.
"""


@dataclass(frozen=True)
class Pin:
    """One distribution of a lock: its normalised name, version, marker, and the sha256 of each of its files."""

    name: str
    version: str
    marker: Marker | None
    hashes: tuple[str, ...]

    def applies(self) -> bool:
        """Whether this Python installs it."""
        return self.marker is None or self.marker.evaluate()

    def __str__(self) -> str:
        head = f"{self.name}=={self.version}" + (f" ; {self.marker}" if self.marker else "")
        return " \\\n    ".join([head, *(f"--hash=sha256:{h}" for h in self.hashes)])


def read_lock(path: Path) -> list[Pin]:
    """Raises ValueError for a line that is no pin with hashes."""
    text = "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("#"))
    return [_pin(line) for line in re.sub(r"\\\n", " ", text).splitlines() if line.strip()]


def read_pins(path: Path) -> dict[str, str]:
    """Normalised name -> version of a requirement file, every line of which pins one."""
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    found = [Requirement(line) for line in lines if line]
    return {canonicalize_name(r.name): str(r.specifier).removeprefix("==") for r in found}


def make() -> dict[str, str]:
    """Name of a lock -> its text."""
    everything = [*_resolve("requirements.txt"), *_resolve("requirements-nodeps.txt", "--no-deps")]
    everything.sort(key=lambda p: (p.name, p.version))
    return {"lock-cuda.txt": _text(everything), "lock-cpu.txt": _text(list(_for_cpu(everything)))}


def _resolve(name: str, *options: str) -> list[Pin]:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        binaries, lock = Path(folder, "bin"), Path(folder, "lock.txt")
        subprocess.run([binaries / "pip", "install", "--quiet", UV], check=True)
        command = [str(binaries / "uv"), "pip", "compile", "--quiet", "--universal", "--python-version", OLDEST]
        command += ["--system-certs", "--generate-hashes", "--no-header", "--no-annotate", *options, "-o", str(lock)]
        subprocess.run([*command, str(REPOSITORY / name)], check=True)
        return read_lock(lock)


def _for_cpu(pins: Sequence[Pin]) -> Iterator[Pin]:
    """CPU builds of torch are known for some versions of Python; for others it is left to the requirement file."""
    for pin in pins:
        if pin.name == "torch":
            for python, digest in CPU_TORCH.items():
                yield Pin("torch", f"{pin.version}+cpu", Marker(f"python_version == '{python}'"), (digest,))
        elif not pin.name.startswith(CUDA_ONLY):
            yield pin


def _text(pins: Sequence[Pin]) -> str:
    return HEAD + "".join(f"{pin}\n" for pin in pins)


def _pin(line: str) -> Pin:
    hashes = tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", line))
    wanted = Requirement(line.split("--hash")[0].strip())
    version = re.fullmatch(r"==([^*,]+)", str(wanted.specifier))
    if not hashes or not version:
        raise ValueError(f"{line.strip()[:60]!r} is no pin with hashes")
    return Pin(canonicalize_name(wanted.name), version[1], wanted.marker, hashes)


def differences(lock: Path, *, folder: Path = REPOSITORY) -> tuple[list[str], list[str]]:
    """(what the lock has otherwise than the requirement files or not at all; what this Python is given by version only,
    because the lock has no hash for it)."""
    pins = read_lock(lock)
    locked = {p.name: p.version.split("+")[0] for p in pins}
    here = {p.name for p in pins if p.applies()}
    wrong, unverified = [], []
    for name, version in {k: v for file in WANTED for k, v in read_pins(folder / file).items()}.items():
        if locked.get(name) != version:
            wrong.append(f"{lock.name} has {name} {locked.get(name, 'not at all')}, expected {version}")
        elif name not in here:
            unverified.append(f"{name} {version}")
    return wrong, unverified


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("make", help="resolve anew and write requirements/lock-*.txt")
    check = commands.add_parser("check", help="say where a lock and the requirement files differ (exit 1)")
    check.add_argument("lock", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "make":
        for name, text in make().items():
            (FOLDER / name).write_text(text)
            print(f"wrote requirements/{name}")
        return 0
    wrong, unverified = differences(arguments.lock)
    for line in wrong:
        print(f"{line}: run scripts/dev/lock.py make")
    if unverified:
        print(f"installed by version, not by hash: {', '.join(unverified)} (docs/operate.md)")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
