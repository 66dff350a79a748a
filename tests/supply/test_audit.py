from __future__ import annotations

import pytest

from scripts.dev import audit

FOUND = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2.0"]}


def test_a_known_vulnerability_fails_and_is_named() -> None:
    status, lines = audit.verdict({"dependencies": [{"name": "toy", "version": "1.0", "vulns": [FOUND]}]})
    assert status == 1
    assert lines == ["toy 1.0: PYSEC-1, mended in 2.0"]


def test_an_accepted_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(audit.ACCEPTED, "CVE-1", "a reason")
    assert audit.verdict({"dependencies": [{"name": "toy", "version": "1.0", "vulns": [FOUND]}]})[0] == 0


def test_where_nothing_could_be_checked_one_line_says_so() -> None:
    status, lines = audit.verdict({"dependencies": [{"name": "toy", "skip_reason": "not found"}]})
    assert status == 0
    assert lines == ["vulnerabilities not checked: the service knows none of the packages here"]


def test_what_was_passed_over_is_named() -> None:
    rows = [{"name": "toy", "version": "1.0", "vulns": []}, {"name": "gone", "skip_reason": "not found"}]
    assert audit.verdict({"dependencies": rows}) == (0, ["no known vulnerabilities in 1 packages", "not checked: gone"])
