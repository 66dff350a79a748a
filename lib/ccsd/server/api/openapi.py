"""The OpenAPI page (/): every route with its errors, and an example that works with the demo study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

TITLE = "CCSD brain tumour segmentation: MONAI Label server"


class Problem(BaseModel):
    """What every error says: one sentence with what was found and what was expected."""

    detail: str


ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "A parameter, file or study cannot be used"},
    404: {"model": Problem, "description": "No such image, label, model, session or task"},
    422: {"model": Problem, "description": "A field of the request is missing or of the wrong type"},
    502: {"model": Problem, "description": "The DICOMweb server does not answer"},
    507: {"model": Problem, "description": "The disk is full; nothing of the request was kept"},
}
BUSY: dict[int | str, dict[str, Any]] = {
    429: {
        "model": Problem,
        "description": "Too many inferences wait, or a task is running; Retry-After: try again after so many seconds",
    }
}

# Values of parameters and bodies, by method and path: with the study `demo` of scripts/serve.sh each is a request that
# works.
EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "POST /infer/{model}": {
        "model": "ccsd",
        "image": "demo_flair",
        "output": "json",
        "params": '{"modalities": "flair"}',
    },
    "POST /batch/infer/{model}": {"model": "ccsd", "images": "all", "body": {"label_tag": "original"}},
    "PUT /session/": {},
    "POST /activelearning/{strategy}": {"strategy": "random", "body": {}},
    "GET /datastore/": {"output": "all"},
    "GET /datastore/image": {"image": "demo_flair"},
    "GET /datastore/image/info": {"image": "demo_flair"},
    "PUT /datastore/label": {"image": "demo_flair", "tag": "final", "params": '{"label_info": []}'},
    "GET /datastore/label": {"label": "demo_flair", "tag": "final"},
    "GET /datastore/label/info": {"label": "demo_flair", "tag": "final"},
    "POST /train/{model}": {"model": "ccsd", "body": {"max_minutes": 5}},
    "GET /train/": {"all": False},
    "GET /logs/": {"lines": 20, "html": False},
}


class DescribedApp(FastAPI):
    """Its OpenAPI document has the examples."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            for name, values in EXAMPLES.items():
                method, path = name.split(" ")
                _put_examples(document, document["paths"][path][method.lower()], values)
        return super().openapi()


def _put_examples(document: Mapping[str, Any], operation: dict[str, Any], values: Mapping[str, Any]) -> None:
    for parameter in operation.get("parameters", []):
        if parameter["name"] in values:
            parameter["example"] = values[parameter["name"]]
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        if kind == "application/json":
            content["example"] = values.get("body", {})
            continue
        schema = document["components"]["schemas"][content["schema"]["$ref"].rsplit("/", 1)[1]]
        for field, described in schema["properties"].items():
            if field in values:
                described["example"] = values[field]
