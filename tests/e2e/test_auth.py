"""With authentication switched on, the page and the API ask the same realm and know the same roles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from playwright.sync_api import Browser, Page, expect

from ccsd.demo.phantom import Phantom, write_phantom
from tests.e2e.browser import keep_picture, local_page
from tests.e2e.conftest import Server, start_server
from tests.e2e.identity import PASSWORD, realm
from tests.e2e.viewing import open_study


@pytest.fixture(scope="module")
def server(phantom: Phantom, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("auth")
    write_phantom(phantom, folder / "studies" / "case", "case")
    with realm() as address:
        variables = {"MONAI_LABEL_AUTH_ENABLE": "true", "MONAI_LABEL_AUTH_REALM_URI": address}
        yield from start_server(folder / "studies", folder, weights=weights, variables=variables)


def signed_in(server: Server, user: str) -> dict[str, str]:
    """The header that a user's requests carry."""
    answer = server.post("/auth/token", data={"username": user, "password": PASSWORD, "grant_type": "password"})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def test_every_route_that_gives_or_takes_data_asks_who_it_is(server: Server) -> None:
    document = server.get("/openapi.json").json()
    data = [p for p in document["paths"] if not p.startswith("/auth")]
    assert {"/infer/{model}", "/ccsd/data/volume", "/datastore/label", "/train/"} <= set(data)
    hidden = ["/proxy/dicom/qido/studies", "/ohif/"]
    for path in [*data, *hidden]:
        methods = document["paths"].get(path, {"get": None})
        for method in methods:
            for headers in ({}, {"Authorization": "Bearer forged.token.here"}):
                answer = requests.request(method, server.url + path, headers=headers, timeout=30)
                assert answer.status_code == 401, f"{method} {path}: {answer.status_code}"


def test_a_token_that_the_realm_did_not_sign_is_refused(server: Server) -> None:
    good = signed_in(server, "chief")["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(good, options={"verify_signature": False})
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    forged = [
        jwt.encode(claims, "", algorithm="none"),
        jwt.encode(claims, "a secret of thirty-two characters", algorithm="HS256"),
        jwt.encode(claims, other, algorithm="RS256"),
        good[:-8] + "AAAAAAAA",
    ]
    for token in forged:
        assert server.get("/info/", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    assert server.get("/info/", headers={"Authorization": f"Bearer {good}"}).status_code == 200


def test_a_user_may_look_and_segment_and_only_an_admin_rolls_back(server: Server) -> None:
    reader, chief = signed_in(server, "reader"), signed_in(server, "chief")
    assert server.get("/info/", headers=reader).status_code == 200
    assert server.get("/ccsd/data/studies", headers=reader).json()["total"] == 1
    asked = {"image": "case_flair", "output": "json"}
    assert server.post("/infer/ccsd", params=asked, headers=reader).status_code == 200
    version = server.get("/ccsd/data/versions", headers=reader).json()["versions"][0]["version"]
    address = f"/ccsd/data/versions/{version}"
    assert server.post(address, headers=reader).status_code == 403
    assert server.post(address, headers=chief).status_code == 200
    assert server.post("/train/ccsd", headers=reader, json={}).status_code == 403


def test_a_wrong_password_is_refused_with_a_sentence(server: Server) -> None:
    answer = server.post("/auth/token", data={"username": "reader", "password": "guess", "grant_type": "password"})
    assert answer.status_code == 401
    assert "user or password" in answer.json()["detail"]


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    with local_page(browser, f"{server.url}/ccsd/", height=1100) as page:
        yield page


def sign_in(page: Page, user: str, password: str = PASSWORD) -> None:
    form = page.locator("#sign-in")
    form.locator("[name=username]").fill(user)
    form.locator("[name=password]").fill(password)
    form.get_by_role("button", name="Sign in").click()


def test_the_page_lets_people_sign_in(page: Page) -> None:
    sign_in(page, "reader", "guess")
    page.wait_for_selector("#sign-in .bad:not(:empty)")
    keep_picture(page, "page_sign_in")
    sign_in(page, "reader")
    open_study(page, "case")


@pytest.mark.timeout(600)
def test_a_correction_is_saved_and_learned_from_by_who_may_and_others_are_told_in_words(
    page: Page, server: Server
) -> None:
    sign_in(page, "reader")
    open_study(page, "case")
    page.get_by_role("button", name="Draw a new one").click()
    page.locator("#canvas-axial").click()
    save = page.get_by_role("button", name="Save as label")
    save.click()
    expect(page.locator("#message")).to_contain_text('Role "monailabel-annotator" is required to perform this action')
    expect(page.locator("#editor [role=status]").first).to_contain_text("Not saved yet.")
    keep_picture(page, "page_refused")
    page.get_by_role("button", name="Other user").click()
    sign_in(page, "drawer")
    expect(page.locator("#sign-in")).to_be_hidden()
    page.evaluate("sessionStorage.setItem('ccsd-token', 'forged.by.test')")  # as one that has expired
    save.click()
    sign_in(page, "drawer")
    expect(page.locator("#message")).to_contain_text("saved as the final label of case_flair")
    assert (server.studies / "labels" / "final" / "case_flair.nii.gz").is_file()
    train = page.get_by_role("button", name="Train on the saved labels")
    train.click()
    expect(page.locator("#message")).to_contain_text('Role "monailabel-admin" is required to perform this action')
    page.get_by_role("button", name="Other user").click()
    sign_in(page, "chief")
    page.route("**/train/ccsd", lambda route: route.continue_(post_data='{"max_epochs": 1, "steps": 1, "patch": 32}'))
    train.click()
    expect(page.locator("#trained")).to_have_text(re.compile("^(New weights|The old weights stay)"), timeout=240_000)
