"""The licence of every installed distribution as a Markdown table; what is not permissive needs a reason here."""

from __future__ import annotations

import argparse
import re
import sys
import sysconfig
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SITE = sorted(
    {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
)  # of this environment, whatever sys.path has
TABLE = REPOSITORY / "docs" / "licences.md"
START, END = "<!-- made by scripts/dev/licences.py --write -->", "<!-- end -->"

# Words of a licence's name, in the spellings of SPDX, of classifiers and of free text.
PERMISSIVE = re.compile(
    r"MIT(-0|-CMU)?( License)?|BSD([ -](2|3)-Clause)?( License)?|(2|3)-Clause BSD License|BSD (2|3)-Clause License|"
    r"Apache(-| License |, Version | )?2\.0|Apache|Apache Software License|Apache License|ISC|Zlib|0BSD|Unlicense|"
    r"PSF-2\.0|Python Software Foundation License|BSL-1\.0|CC0-1\.0|HPND|Apache-2\.0 WITH LLVM-exception|DFSG approved",
    re.IGNORECASE,
)
EXCEPTIONS = {
    "certifi": "MPL-2.0: used as it is; its own files would have to stay open if changed",
    "tqdm": "MPL-2.0 AND MIT: as certifi",
    "pathspec": "MPL-2.0: as certifi; a tool of the tests (mypy)",
    "hypothesis": "MPL-2.0: as certifi; a tool of the tests",
    "hypothesis-graphql": "MIT, listed beside hypothesis",
}


@dataclass(frozen=True)
class Row:
    """A distribution, its licence, and why it is used although that is not permissive (None: it is)."""

    name: str
    version: str
    licence: str
    reason: str | None
    permissive: bool


def rows() -> list[Row]:
    """Every distribution of this environment by name, once, but for the project itself."""
    found = {d.metadata["Name"]: d for d in distributions(path=SITE)}
    return [_row(found[name]) for name in sorted(found, key=str.lower) if name != "ccsd-monailabel"]


def _row(distribution: Distribution) -> Row:
    name = distribution.metadata["Name"]
    licence = licence_of(distribution)
    return Row(name, distribution.version, licence, EXCEPTIONS.get(name.lower()), is_permissive(licence))


def licence_of(distribution: Distribution) -> str:
    """By License-Expression, else the classifiers, else a License of one line; empty where there is none."""
    metadata = distribution.metadata
    if "License-Expression" in metadata:
        return str(metadata["License-Expression"])
    classifiers = [c for c in metadata.get_all("Classifier") or () if c.startswith("License ::")]
    names = [c.split(" :: ")[-1] for c in classifiers if not c.endswith(("OSI Approved", "DFSG approved"))]
    text = next((str(t) for t in metadata.get_all("License") or ()), "").strip()
    if names:
        return " AND ".join(names)
    return text.splitlines()[0].strip() if text else ""


def is_permissive(licence: str) -> bool:
    """Whether every part of it is; of alternatives one is enough."""
    parts = re.split(r"\s+AND\s+", licence.replace("(", "").replace(")", "")) if licence else []
    return bool(parts) and all(any(PERMISSIVE.fullmatch(c.strip()) for c in re.split(r"\s+OR\s+", p)) for p in parts)


def table(found: list[Row]) -> str:
    lines = ["| distribution | version | licence |", "|---|---|---|"]
    for row in found:
        reason = f" ({row.reason})" if row.reason else ""
        lines.append(f"| {row.name} | {row.version.split('+')[0]} | {row.licence or 'none named'}{reason} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into docs/licences.md")
    arguments = parser.parse_args()
    found = rows()
    if arguments.write:
        before, _, rest = TABLE.read_text().partition(START)
        TABLE.write_text(f"{before}{START}\n{table(found)}\n{END}{rest.partition(END)[2]}")
        print(f"wrote {TABLE.relative_to(REPOSITORY)}")
    else:
        print(table(found))
    refused = [r for r in found if not r.permissive and r.reason is None]
    for row in refused:
        print(
            f"{row.name} {row.version}: licence {row.licence or 'not named'!r}, expected a permissive one",
            file=sys.stderr,
        )
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
