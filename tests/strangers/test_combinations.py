"""Formats, contents, places, packing, arrangements, labels and damage combined: what is read of a study, and what the
network gets, is what the plain form of the same study gives, or one sentence names the file. Never another exception,
never another volume.

`CCSD_COMBINATIONS=2000 pytest tests/strangers/test_combinations.py` tries as many, other ones each time.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ccsd.common.errors import InputError
from ccsd.imaging.volumes import Volume, read_sources
from ccsd.method.task import BRATS
from ccsd.preprocessing.common_space import to_common_space
from ccsd.preprocessing.prepare import NetworkInput, prepare
from ccsd.studies.archives import unpacked
from ccsd.studies.labels import read_label
from ccsd.studies.study import Study, study_of
from tests.strangers.archives import MADE
from tests.strangers.formats import FORMS, nifti, packed, put
from tests.strangers.placements import PLACEMENTS, Placement, turned

MANY = int(os.environ.get("CCSD_COMBINATIONS", "0"))
WANTED = settings(
    max_examples=MANY or 60, deadline=None, derandomize=not MANY, database=None, suppress_health_check=list(HealthCheck)
)
SHAPE = (14, 12, 13)


def ball(number: int) -> NDArray[np.float64]:
    """Tissue of 1 to 250 in zeros, another one for each number."""
    inside = np.linalg.norm((np.indices(SHAPE).T - (np.array(SHAPE) - 1) / 2) / (np.array(SHAPE) / 2), axis=-1).T < 0.9
    return np.where(inside, np.random.default_rng(number).integers(1, 250, SHAPE), 0).astype(np.float64)


IMAGES = {modality: ball(number) for number, modality in enumerate(BRATS.modalities)}
LABEL = (ball(9) % 4).astype(np.uint8)

# --- what a voxel is -------------------------------------------------------------------------------------------------
TYPES = ("uint8", "int16", "uint16", "int32", "float32", "float64")


def scaled(stem: Path, data: NDArray[np.generic], affine: NDArray[np.float64]) -> Path:
    """Stored halved and shifted, with the slope and intercept that undo it."""
    image = nib.nifti1.Nifti1Image(data.astype(np.float64), affine)
    image.header.set_data_dtype(np.int16)
    image.header.set_slope_inter(0.5, 10)
    stored = nib.nifti1.Nifti1Image(np.zeros(SHAPE, np.int16), affine, image.header).to_bytes()
    voxels = ((data.astype(np.float64) - 10) * 2).astype("<i2").tobytes(order="F")
    content = bytearray(stored[:352] + voxels)
    content[112:120] = np.array([0.5, 10], "<f4").tobytes()
    return put(stem, ".nii.gz", packed(bytes(content)))


def with_a_fourth_axis(stem: Path, data: NDArray[np.generic], affine: NDArray[np.float64]) -> Path:
    return put(stem, ".nii.gz", packed(nifti(data[..., None], affine)))


CONTENTS = {**FORMS, "scaled": scaled, "a fourth axis of one": with_a_fourth_axis}

# --- how a study is named and laid out -------------------------------------------------------------------------------
NAMES: dict[str, Callable[[str], str]] = {
    "BraTS 2020": lambda m: f"BraTS20_Training_001_{m}",
    "BraTS 2023": lambda m: f"BraTS-GLI-00001-000-{ {'t1': 't1n', 't1ce': 't1c', 't2': 't2w', 'flair': 't2f'}[m] }",
    "of another alphabet": lambda m: f"Müller 王_{m.upper()}",
    "dots": lambda m: f"case.v2.{m}",
    "modality alone": lambda m: m,
}
FOLDERS = ("", "a b/ü")

# --- what happens on the way -----------------------------------------------------------------------------------------
DAMAGE: dict[str, Callable[[bytes, int], bytes]] = {
    "cut": lambda content, place: content[: place % len(content)],
    "cut at its end": lambda content, place: content[: -1 - place % 20],
    "changed to text": lambda content, place: b"<html>404 not found</html>",
    "zeros": lambda content, place: bytes(len(content)),
    "header of zeros": lambda content, place: bytes(348) + content[348:],
}
OF_HEADERS = ("zeros", "header of zeros")
VOXELS_ALONE = (".raw", ".img")
IS_CHECKED = ("nii.gz", "nii, packed", "nii.gz, packed twice", "big-endian", "mha, compressed", "mhd and zraw", "mgz")


def _flipped(content: bytes, place: int) -> bytes:
    spoiled = bytearray(content)
    spoiled[place % len(content)] ^= 0x55
    return bytes(spoiled)


@dataclass(frozen=True)
class Combination:
    """A study as a stranger sends it: a form for each modality on `affine`, or plain NIfTI of one `placement`."""

    forms: dict[str, str]
    dtype: str
    affine: NDArray[np.float64]
    placement: Placement | None
    naming: str
    folder: str
    archive: str | None
    label: str | None
    damage: str | None
    place: int

    def write(self, root: Path) -> Path:
        """The study on disk; returns what is asked for."""
        folder = root / "study" / self.folder
        folder.mkdir(parents=True)
        for modality, form in self.forms.items():
            data = IMAGES[modality].astype(self.dtype)
            stem = folder / NAMES[self.naming](modality)
            if self.placement is not None:
                self.placement.write(stem.with_name(f"{stem.name}.nii.gz"), data)
            else:
                CONTENTS[form](stem, data, self.affine)
        if self.label is not None:
            stem = folder / NAMES[self.naming]("t1")
            FORMS[self.label](stem.with_name(_of_label(self.naming)), LABEL, self.own_affine())
        if self.damage is not None:
            self._spoil(folder)
        return self._packed(root)

    def plain(self, root: Path) -> Path:
        """The same study as BraTS has it: `.nii.gz`, int16 or the like, one file an image, undamaged."""
        folder = root / "plain"
        folder.mkdir()
        for modality in self.forms:
            data = IMAGES[modality].astype(np.float32)
            stem = folder / f"p7_{modality}"
            if self.placement is not None:
                self.placement.write(stem.with_name(f"{stem.name}.nii.gz"), data)
            else:
                FORMS["nii.gz"](stem, data, self.affine)
        return folder

    def own_affine(self) -> NDArray[np.float64]:
        if self.placement is None:
            return self.affine
        with tempfile.TemporaryDirectory() as folder:
            written = self.placement.write(Path(folder, "x.nii"), LABEL)
            return np.asarray(nib.loadsave.load(written).affine)

    def _spoil(self, folder: Path) -> None:
        files = sorted(p for p in folder.iterdir() if p.is_file())
        file = files[self.place % len(files)]
        if self.damage == "a part is missing":
            file.unlink()
        elif self.damage == "a bit flipped":
            file.write_bytes(_flipped(file.read_bytes(), self.place))
        elif self.damage in OF_HEADERS and file.suffix in VOXELS_ALONE:  # other voxels, which nobody could notice
            file.write_bytes(DAMAGE["cut"](file.read_bytes(), self.place))
        elif self.damage is not None:
            file.write_bytes(DAMAGE[self.damage](file.read_bytes(), self.place))

    def _packed(self, root: Path) -> Path:
        if self.archive is None:
            return root / "study"
        content = {
            str(p.relative_to(root / "study")): p.read_bytes() for p in (root / "study").rglob("*") if p.is_file()
        }
        shutil.rmtree(root / "study")
        return MADE[self.archive](root, content)


def _of_label(naming: str) -> str:
    return NAMES[naming]("t1")[: -len("t1n" if naming == "BraTS 2023" else "t1")] + "seg"


AFFINES = st.builds(
    turned,
    st.tuples(*[st.sampled_from([0.0, 0.0, 90.0, 7.0, -31.0])] * 3),
    st.tuples(*[st.sampled_from([1.0, 1.0, 0.9, 3.0])] * 3),
    st.tuples(*[st.sampled_from([1.0, -1.0])] * 3),
)
DAMAGES = st.none() | st.none() | st.sampled_from([*DAMAGE, "a part is missing", "a bit flipped"])


@st.composite
def combinations(draw: st.DrawFn) -> Combination:
    modalities = draw(st.lists(st.sampled_from(BRATS.modalities), min_size=1, max_size=4, unique=True))
    damage = draw(DAMAGES)
    known = [f for f in CONTENTS if f in IS_CHECKED] if damage == "a bit flipped" else list(CONTENTS)
    return Combination(
        forms={m: draw(st.sampled_from(known)) for m in modalities},
        dtype=draw(st.sampled_from(TYPES)),
        affine=draw(AFFINES),
        placement=draw(st.none() | st.none() | PLACEMENTS),
        naming=draw(st.sampled_from(list(NAMES))),
        folder=draw(st.sampled_from(FOLDERS)),
        archive=draw(st.none() | st.sampled_from(list(MADE))),
        label=draw(st.none() | st.sampled_from(known if damage == "a bit flipped" else list(FORMS))),
        damage=damage,
        place=draw(st.integers(0, 5000)),
    )


@dataclass(frozen=True)
class Outcome:
    """What the network would be given, and what it was made from."""

    study: Study
    volumes: dict[str, Volume]
    prepared: NetworkInput
    label: NDArray[np.uint8] | None


def outcome(asked: Path) -> Outcome:
    with unpacked(asked) as folder:
        study = study_of(folder)
        volumes = read_sources(study.sources)
        common = to_common_space(volumes, target=next(iter(volumes)), mode="off")
        label = None
        if study.label is not None:
            label = read_label(study.label, known=3, aliases=BRATS.aliases)[0]
        return Outcome(study, volumes, prepare(common.volumes, BRATS.modalities, spacing=BRATS.spacing), label)


def names_a_file(sentence: str, combination: Combination) -> bool:
    stems = [NAMES[combination.naming](m) for m in combination.forms] + [_of_label(combination.naming)]
    return any(stem in sentence for stem in [*stems, "study", "s.", "folder"])


def is_told(study: Study, stem: str) -> bool:
    """Whether the answer says of the file that it is left out, and why."""
    return any(o.name.startswith(f"{stem}.") and o.reason for o in (*study.refused, *study.unknown))


@WANTED
@given(combinations())
def test_a_combination_gives_what_its_plain_form_gives_or_one_sentence_that_names_a_file(
    tmp_path_factory: pytest.TempPathFactory, combination: Combination
) -> None:
    root = tmp_path_factory.mktemp("c", numbered=True)
    try:
        _compare(combination, root)
    finally:
        shutil.rmtree(root)


def _compare(combination: Combination, root: Path) -> None:
    plain = outcome(combination.plain(root))
    asked = combination.write(root)
    found = outcome_or_sentence(asked)
    if isinstance(found, str):
        assert combination.damage is not None, found
        assert len(found.splitlines()) == 1
        assert names_a_file(found, combination), found
        return
    gone = combination.damage == "a part is missing"
    missing = set(plain.volumes) - set(found.volumes)
    assert set(found.volumes) <= set(plain.volumes)
    assert gone or all(is_told(found.study, NAMES[combination.naming](m)) for m in missing)
    for modality, volume in found.volumes.items():
        assert np.array_equal(volume.data, plain.volumes[modality].data)
        assert np.allclose(volume.grid.affine, plain.volumes[modality].grid.affine, atol=1e-3)
    if not missing:
        assert np.allclose(found.prepared.volumes, plain.prepared.volumes, atol=1e-4)
    assert found.label is None or np.array_equal(found.label, LABEL)
    assert found.label is not None or combination.label is None or gone


def outcome_or_sentence(asked: Path) -> Outcome | str:
    """Or the sentence that refuses the study."""
    try:
        return outcome(asked)
    except InputError as error:
        return str(error)
