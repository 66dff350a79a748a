"""The OpenAPI document is true: its examples work, its errors are sentences."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import requests

from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.server.api.openapi import EXAMPLES
from tests.e2e.conftest import Server, start_server

SURE = {"params": '{"confidence": true}'}


@pytest.fixture(scope="module")
def server(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serves the study `demo`, as scripts/serve.sh does."""
    folder = tmp_path_factory.mktemp("rest")
    write_phantom(phantom, folder / "studies" / "demo", "demo")
    yield from start_server(folder / "studies", folder)


@pytest.fixture(scope="module")
def document(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.get("/openapi.json").json()
    return found


def ask(server: Server, document: dict[str, Any], name: str) -> requests.Response:
    """Send the example that the document gives for a route."""
    method, path = name.split(" ")
    operation = document["paths"][path][method.lower()]
    query = {}
    for parameter in operation.get("parameters", []):
        if "example" not in parameter:
            continue
        if parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}", parameter["example"])
        else:
            query[parameter["name"]] = parameter["example"]
    sent: dict[str, Any] = {}
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        if kind == "application/json":
            sent["json"] = content["example"]
        else:
            fields = document["components"]["schemas"][content["schema"]["$ref"].rsplit("/", 1)[1]]["properties"]
            sent["data"] = {field: told["example"] for field, told in fields.items() if "example" in told}
    if name in {"PUT /datastore/label", "PUT /session/"}:
        label = name.endswith("label")
        file = server.studies / "demo" / ("demo_seg.nii.gz" if label else "demo_t1.nii.gz")
        sent["files"] = {"label" if label else "files": (file.name, file.read_bytes())}
    return requests.request(method, server.url + path, params=query, timeout=60, **sent)


def test_every_example_is_a_request_that_works(server: Server, document: dict[str, Any]) -> None:
    last = ["GET /datastore/label", "GET /datastore/label/info", "GET /train/"]  # need what others made
    for name in [*(n for n in EXAMPLES if n not in last), *last]:
        answer = ask(server, document, name)
        assert answer.status_code == 200, f"{name}: {answer.status_code} {answer.text}"
        assert answer.content not in (b"", b"null"), name
    server.delete("/train/")
    server.delete("/batch/infer")
    used = ask(server, document, "POST /infer/{model}").json()["ccsd"]["modalities"]["used"]
    assert list(used) == ["flair"]


def test_every_route_is_described_with_its_errors(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation.get("summary"), path
            assert {"400", "404", "422"} <= set(operation["responses"]), f"{method} {path}"
            schema = operation["responses"]["422"]["content"]["application/json"]["schema"]
            assert schema["$ref"].endswith("Problem"), path
    assert "429" in document["paths"]["/infer/{model}"]["post"]["responses"]


@pytest.mark.parametrize(
    ("method", "path", "status", "sentence"),
    [
        ("POST", "/infer/ccsd", 400, "no input: expected an image id, a file or a session_id"),
        ("POST", "/infer/ccsd?image=nowhere", 404, "image nowhere does not exist in the datastore"),
        (
            "POST",
            "/infer/ccsd?image=demo_t1&output=picture",
            422,
            "query.output: input should be 'image', 'agreement', 'json'",
        ),
        ("POST", "/infer/unet?image=demo_t1", 404, "model is 'unet', expected one of this server's: ccsd"),
        ("POST", "/train/unet", 404, "model is 'unet', expected one of this server's: ccsd"),
        ("POST", "/batch/infer/unet", 404, "model is 'unet', expected one of this server's: ccsd"),
        ("POST", "/activelearning/clever", 404, "strategy is 'clever', expected one of this server's: random"),
        ("POST", "/scoring/magic", 404, "method is 'magic', expected one of this server's: dice, subset_disagreement"),
        ("PUT", "/datastore/label?image=demo_t1", 422, "body.label: field required"),
        ("GET", "/datastore/image?image=nowhere", 404, "Image NOT Found"),
        ("GET", "/datastore/image/info?image=nowhere", 404, "image nowhere does not exist"),
        ("GET", "/datastore/label?label=demo_t1&tag=nowhere", 404, "Label NOT Found"),
        ("DELETE", "/datastore/label?id=demo_t1&tag=nowhere", 404, "has no label with the tag nowhere"),
        ("GET", "/session/nowhere", 404, "session nowhere does not exist or has ended"),
        ("POST", "/reload", 404, "Not Found"),
        ("POST", "/scoring/", 405, "Method Not Allowed"),
        ("PUT", "/model/ccsd", 404, "Not Found"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    server: Server, method: str, path: str, status: int, sentence: str
) -> None:
    answer = requests.request(method, server.url + path, timeout=60)
    assert answer.status_code == status, answer.text
    assert sentence in answer.json()["detail"]
    assert "\n" not in answer.json()["detail"]


def test_the_labelled_studies_come_as_one_archive(server: Server) -> None:
    server.delete("/datastore/label?id=demo_flair&tag=final")
    assert server.get("/datastore/dataset").status_code == 404
    label = (server.studies / "demo" / "demo_seg.nii.gz").read_bytes()
    saved = server.put("/datastore/label?image=demo_t2&tag=final", files={"label": ("x.nii.gz", label)})
    assert saved.status_code == 200, saved.text
    archive = zipfile.ZipFile(BytesIO(server.get("/datastore/dataset").content))
    images = {f"demo/demo_{m}.nii.gz" for m in ("t1", "t1ce", "t2", "flair")}
    assert set(archive.namelist()) == images | {"demo/demo_t2_label.nii.gz"}
    assert not json.loads(server.get("/datastore/?output=train").text)[0]["label"].endswith("demo_seg.nii.gz")


def test_a_label_is_removed_from_whichever_image_of_its_study(server: Server, tmp_path: Path) -> None:
    label = (server.studies / "demo" / "demo_seg.nii.gz").read_bytes()
    server.put("/datastore/label?image=demo_t2&tag=check", files={"label": ("x.nii.gz", label)})
    assert server.delete("/datastore/label?id=demo_flair&tag=check").status_code == 200
    assert "check" not in server.get("/datastore/").json()["label_tags"]


def test_the_map_of_agreement_is_sent_as_a_file_and_refused_for_one_modality(server: Server) -> None:
    answer = server.post("/infer/ccsd", params={"image": "demo_flair", "output": "agreement"})
    assert answer.status_code == 200, answer.text
    agreed = nib.nifti1.Nifti1Image.from_bytes(gzip.decompress(answer.content))
    image = nib.loadsave.load(server.studies / "demo" / "demo_flair.nii.gz")
    assert agreed.shape == image.shape
    assert np.allclose(agreed.affine, image.affine)
    assert 0 <= np.asarray(agreed.dataobj).min() < 1
    one = {"params": '{"modalities": "flair"}'}
    refused = server.post("/infer/ccsd", params={"image": "demo_flair", "output": "agreement"}, data=one)
    assert refused.status_code == 400
    assert "one modality" in refused.json()["detail"]
    told = server.post("/infer/ccsd", params={"image": "demo_flair", "output": "json"}, data=SURE).json()
    assert set(told["ccsd"]["confidence"]["regions"]) == {"WT", "TC", "ET"}
