"""Known vulnerabilities of what requirements/lock-cuda.txt pins, asked by pip-audit; exit 1 where there are any."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LOCK = Path(__file__).resolve().parents[2] / "requirements" / "lock-cuda.txt"
SECONDS = 60
ACCEPTED: dict[str, str] = {}  # id of a vulnerability -> why it does not matter here


def ask() -> tuple[Mapping[str, Any] | None, str]:
    """(pip-audit's report, ""), or (None, why there is none)."""
    command = [sys.executable, "-m", "pip_audit", "-r", str(LOCK), "--disable-pip", "--no-deps", "--timeout", "5"]
    command += ["--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return None, f"no answer within {SECONDS} s"
    try:
        report: Mapping[str, Any] = json.loads(done.stdout)
    except ValueError:
        said = done.stderr.strip().splitlines() or [f"pip-audit ended with {done.returncode}"]
        return None, said[-1][:200]
    return report, ""


def verdict(report: Mapping[str, Any]) -> tuple[int, list[str]]:
    """(exit status, lines to print)."""
    audited = [d for d in report["dependencies"] if "vulns" in d]
    skipped = [d["name"] for d in report["dependencies"] if "vulns" not in d]
    if not audited:
        return 0, ["vulnerabilities not checked: the service knows none of the packages here"]
    found = [
        f"{d['name']} {d['version']}: {v['id']}, mended in {', '.join(v['fix_versions']) or 'no version yet'}"
        for d in audited
        for v in d["vulns"]
        if not ACCEPTED.keys() & {v["id"], *v.get("aliases", ())}
    ]
    lines = found or [f"no known vulnerabilities in {len(audited)} packages"]
    if skipped:
        lines.append(f"not checked: {', '.join(skipped)}")
    return (1 if found else 0), lines


def main() -> int:
    report, why = ask()
    if report is None:
        print(f"vulnerabilities not checked: {why}")
        return 0
    status, lines = verdict(report)
    print(*lines, sep="\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
