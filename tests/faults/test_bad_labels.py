"""Whatever is sent as a label: it is stored whole, or refused with one sentence and the label before it stays."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import requests

from ccsd.demo.phantom import Phantom
from ccsd.studies.labels import EMPTY
from tests.e2e.conftest import Server
from tests.faults.test_bad_images import is_sentence

Maker = Callable[[Phantom], bytes]


def nifti(phantom: Phantom, change: Callable[[np.ndarray], np.ndarray], shift: float = 0.0) -> bytes:
    affine = phantom.grid.affine.copy()
    affine[0, 3] += shift
    return gzip.compress(nib.Nifti1Image(change(phantom.label.copy()), affine).to_bytes())


def with_value(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(label: np.ndarray) -> np.ndarray:
        changed = label.astype(np.float32)
        changed[label == 1] = value
        return changed

    return change


BAD: dict[str, tuple[Maker, str]] = {
    "another shape": (lambda p: nifti(p, lambda y: np.pad(y, 2, constant_values=1)), "reaches out of its image"),
    "another place": (lambda p: nifti(p, lambda y: y, shift=5.0), "expected the same grid"),
    "an unknown value": (lambda p: nifti(p, with_value(7)), "7"),
    "a negative value": (lambda p: nifti(p, with_value(-1)), "-1"),
    "a fraction": (lambda p: nifti(p, with_value(0.5)), "fractional values"),
    "NaN": (lambda p: nifti(p, with_value(np.nan)), "expected"),
    "both 3 and 4": (lambda p: nifti(p, with_value(4)), "4"),
    "truncated": (lambda p: nifti(p, lambda y: y)[:-60], "cannot be read"),
    "text": (lambda _: b"no label", "expected a NIfTI"),
    "nothing": (lambda _: b"", "expected a NIfTI"),
}


def save(server: Server, content: bytes) -> requests.Response:
    files = {"label": ("label.nii.gz", content)}
    return server.put("/datastore/label", params={"image": "case_flair", "tag": "final"}, files=files)


def stored(server: Server) -> dict[Path, bytes]:
    return {f: f.read_bytes() for f in sorted(server.studies.rglob("*")) if f.is_file() and "datastore" not in f.name}


@pytest.mark.parametrize("kind", BAD)
def test_a_label_that_cannot_be_used_changes_nothing(
    server: Server, temporary: Path, phantom: Phantom, kind: str
) -> None:
    assert save(server, nifti(phantom, lambda y: y)).ok
    before, left = stored(server), sorted(temporary.rglob("*"))
    make, says = BAD[kind]
    answer = save(server, make(phantom))
    assert 400 <= answer.status_code < 500, answer.text
    assert is_sentence(answer.json()["detail"])
    assert says in answer.json()["detail"]
    assert stored(server) == before
    assert sorted(temporary.rglob("*")) == left


def test_a_label_without_any_tumour_is_a_label(server: Server, phantom: Phantom) -> None:
    saved = save(server, nifti(phantom, np.zeros_like))
    assert saved.json()["warnings"] == [EMPTY]
    answer = server.get("/datastore/label", params={"label": "case_flair", "tag": "final"})
    assert answer.ok
    assert not np.asarray(nib.Nifti1Image.from_bytes(gzip.decompress(answer.content)).dataobj).any()
