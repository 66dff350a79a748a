"""Several clients at once at a real server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.server.api.queue import WAITING
from tests.e2e.conftest import Server, start_server


@pytest.fixture(scope="module")
def server(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("queue")
    write_phantom(phantom, folder / "studies" / "case", "case")
    yield from start_server(folder / "studies", folder, preset="small")


def test_others_are_answered_while_an_inference_runs(server: Server) -> None:
    with ThreadPoolExecutor(1) as pool:
        inference = pool.submit(server.infer, "case_flair")
        answered = 0
        while not inference.done():
            assert server.get("/info/").ok
            assert server.get("/datastore/").ok
            answered += not inference.done()
        assert inference.result().status_code == 200, inference.result().text
    assert answered > 1


def test_more_than_can_wait_are_told_when_to_come_again(server: Server) -> None:
    asked = WAITING + 4
    with ThreadPoolExecutor(asked) as pool:
        answers = list(pool.map(server.infer, ["case_flair"] * asked))
    refused = [a for a in answers if a.status_code == 429]
    assert {a.status_code for a in answers} == {200, 429}
    assert len(refused) < asked / 2
    for answer in refused:
        assert int(answer.headers["Retry-After"]) > 0
        assert "inferences are waiting" in answer.json()["detail"]


def test_who_gives_up_waiting_is_not_computed_for(server: Server) -> None:
    with ThreadPoolExecutor(3) as pool:
        long = '{"window": 32, "overlap": 0.75}'  # 27 windows
        answers = [pool.submit(server.infer, "case_flair", params=long) for _ in range(3)]
        time.sleep(0.1)
        before = served(server)
        with pytest.raises(requests.ReadTimeout):
            requests.post(server.url + "/infer/ccsd?image=case_t1&output=json", timeout=0.1)
        assert all(a.result().status_code == 200 for a in answers)
    assert server.infer("case_flair").status_code == 200  # by now all who asked before are done
    log = server.log.read_text()
    assert "the client left before the mask was made" in log
    assert "'image': 'case_t1'" not in log
    assert served(server) - before <= 4


def served(server: Server) -> int:
    return server.log.read_text().count("Infer Request:")
