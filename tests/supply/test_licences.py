from __future__ import annotations

import re

import pytest
from packaging.utils import canonicalize_name

from scripts.dev import licences, lock
from tests.conftest import REPOSITORY


def test_the_table_names_every_pinned_distribution() -> None:
    rows = re.findall(r"^\| (\S+) \| (\S+) \| ", licences.TABLE.read_text(), re.MULTILINE)
    listed = {canonicalize_name(name): version for name, version in rows}
    pins = {k: v for f in (*lock.WANTED, "requirements-dev.txt") for k, v in lock.read_pins(REPOSITORY / f).items()}
    pins |= {p.name: p.version.split("+")[0] for p in lock.read_lock(lock.FOLDER / "lock-cpu.txt") if p.applies()}
    assert {name: version for name, version in pins.items() if listed.get(name) != version} == {}


def test_everything_installed_here_is_permissive_or_has_a_reason() -> None:
    assert [r for r in licences.rows() if not r.permissive and r.reason is None] == []


@pytest.mark.parametrize("licence", ["GPL-3.0-only", "MIT AND GPL-2.0", "AGPL-3.0", "", "Proprietary", "MPL-2.0"])
def test_what_is_not_permissive_is_refused(licence: str) -> None:
    assert not licences.is_permissive(licence)


@pytest.mark.parametrize("licence", ["MIT", "Apache-2.0 OR GPL-3.0-only", "BSD License", "BSD-3-Clause AND (MIT)"])
def test_what_is_permissive_is_not(licence: str) -> None:
    assert licences.is_permissive(licence)
