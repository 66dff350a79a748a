"""A request by a name that is not this server's is refused, whoever made that name lead here."""

from __future__ import annotations

import socket

import pytest
from starlette.testclient import TestClient

from ccsd.common.errors import InputError
from ccsd.server.api.hosts import read_hosts
from ccsd.server.app import build


def status(host: str, hosts: str = "") -> int:
    client = TestClient(build({"hosts": hosts}))
    return client.get("/openapi.json", headers={"host": host}).status_code


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil", ""])
def test_another_sites_name_is_refused(host: str) -> None:
    assert status(host) == 400


@pytest.mark.parametrize(
    "host", ["localhost:8000", "LOCALHOST", "127.0.0.1:8000", "[::1]:8000", "192.168.1.7", socket.gethostname()]
)
def test_the_machines_own_names_and_every_address_are_answered(host: str) -> None:
    assert status(host) == 200


def test_the_refusal_is_a_sentence() -> None:
    answer = TestClient(build({})).get("/info/", headers={"host": "evil.example"})
    assert answer.json() == {
        "detail": "the host is 'evil.example', expected a name of this server (--conf hosts NAME,NAME adds some)"
    }


def test_names_are_added_and_any_name_can_be_allowed() -> None:
    assert status("Viewer.example:3000", "viewer.example, other.example") == 200
    assert status("evil.example", "viewer.example") == 400
    assert status("evil.example", "*") == 200


@pytest.mark.parametrize("wrong", ["https://viewer.example", "viewer.example:3000", "*.example", "a b"])
def test_a_host_that_is_no_name_is_refused(wrong: str) -> None:
    with pytest.raises(InputError, match="expected names such as viewer"):
        read_hosts(wrong)
