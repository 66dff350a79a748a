"""Values that lead a made-up request past the first check: ids that exist, keys that are read, files of all kinds."""

from __future__ import annotations

import gzip
import json
from typing import Any

import nibabel as nib
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ccsd.demo.phantom import PhantomConfig, make_phantom
from ccsd.server.trainers.train_request import DEFAULTS
from tests.faults.bad_images import BAD, GOOD

STUDY = "case"
PHANTOM = PhantomConfig(seed=1, shape=(48, 48, 48))
SHORT = {"max_epochs": 1, "steps": 1, "patch": 32, "threads": 1}  # a training of seconds

ANY = st.characters(exclude_categories=())  # half a surrogate pair too, which is no character
TEXT = st.text(ANY, max_size=20) | st.sampled_from(["", " ", "a\nb", "../x", "/", "\0", "x" * 5000, "/" + "y" * 5000])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from([10**400, -1, 0, 1]) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=4,
)
_IMAGES = st.sampled_from([f"{STUDY}_{m}" for m in ("t1", "t1ce", "t2", "flair")])
_TAGS = st.sampled_from(["final", "original", "check"])

# Name of a parameter of a path or a query -> values worth asking for.
LIKELY: dict[str, SearchStrategy[Any]] = {
    "model": st.just("ccsd"),
    "image": _IMAGES,
    "id": _IMAGES,
    "label": _IMAGES,
    "tag": _TAGS,
    "strategy": st.sampled_from(["random", "subset_disagreement", "expected_gain"]),
    "method": st.sampled_from(["dice", "subset_disagreement"]),
    "modality": st.sampled_from(["t1", "t2", "flair"]),
    "mask": st.just(f"final {STUDY}_flair"),
    "plane": st.sampled_from(["axial", "coronal", "sagittal"]),
    "index": st.integers(0, 47),
    "version": st.sampled_from(["untrained", "pin"]),
    "check_sum": st.sampled_from(["SHA256:0", "MD5:", ":", "crc:1", "0"]),
    "lines": st.sampled_from([0, 1, -1, 2**70]),
    "limit_cases": st.sampled_from([0, 1, -1, 2**70]),
    "search": st.just(STUDY),
    "page": st.just(1),
}


def _object(*keys: str, **likely: Any) -> SearchStrategy[dict[str, Any]]:
    """A JSON object of some of the keys, each with anything or a value that is `likely`."""
    values = {k: st.just(v) | JSON for k, v in likely.items()} | {k: JSON for k in keys if k not in likely}
    return st.fixed_dictionaries({}, optional=values)


_INFER = _object(
    "device", "window", "specks", "image", "model", "label_info", "result_compress", "result_dtype", "cache", "session",
    modalities="flair", preprocess="off", overlap=0.1, enhancing_value=4, result_extension=".nrrd",
    confidence=True,
)  # fmt: skip
_SHORT_OR_NOT = st.sampled_from([SHORT, SHORT, SHORT, {}])
_TRAIN = st.builds(lambda made, short: {**made, **short}, _object(*DEFAULTS, "device", "name"), _SHORT_OR_NOT)
_BATCH = _object("images", "device", "overwrite", "modalities", max_batch_size=1, label_tag="original", logging="INFO")

# Method and path -> JSON bodies worth sending.
BODIES: dict[str, SearchStrategy[Any]] = {
    "POST /train/{model}": _TRAIN,
    "POST /batch/infer/{model}": _BATCH,
    "POST /scoring/{method}": _object("method", "device", "y", "labels", "model"),
    "POST /activelearning/{strategy}": _object("client_id", "label_tag", "labels", "strategy"),
    "POST /ccsd/data/segment": st.fixed_dictionaries({"image": _IMAGES | TEXT, "modalities": st.just(["t1"]) | JSON}),
}

_SEGMENTS = st.sampled_from([[], [{"name": "WT", "idx": 1}], [{"name": "oedema"}], [{"idx": 1}], 5]) | JSON
# Field of a form -> text.
FIELDS: dict[str, SearchStrategy[str]] = {
    "params": st.builds(json.dumps, _INFER | _object("name", "ts", label_info=[]) | JSON)
    | st.builds(lambda segments: json.dumps({"label_info": segments}), _SEGMENTS),
    "info": st.builds(json.dumps, _object("file", "name", "ts", "study", "series", "strategy", "regions") | JSON),
}
_NAMES = st.sampled_from(
    ["a_t1.nii.gz", "a.nii", "b_flair.nrrd", "", "..", ".", "x", "/etc/passwd", "a\\b.zip", "é.nii"]
)


def files() -> SearchStrategy[tuple[str, bytes]]:
    """(name, content): images, labels, archives and what only looks like them."""
    phantom = make_phantom(PHANTOM)
    image = gzip.compress(nib.Nifti1Image(phantom.volumes["flair"], phantom.grid.affine).to_bytes())
    label = gzip.compress(nib.Nifti1Image(phantom.label, phantom.grid.affine).to_bytes())
    contents = [image, label, label, label, *(bad.make() for bad in BAD.values()), *(make() for make in GOOD.values())]
    named = [(bad.name, bad.make()) for bad in BAD.values()]
    # By number: hypothesis writes the values of sampled_from out, megabytes here.
    some = st.integers(0, len(contents) - 1).map(lambda i: contents[i])
    return st.tuples(_NAMES, some | st.binary(max_size=400)) | st.integers(0, len(named) - 1).map(lambda i: named[i])
