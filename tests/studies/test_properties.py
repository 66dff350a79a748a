"""Whatever names, tags and headers say: an answer or one sentence, the same for any order, and no file twice."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ccsd.common.errors import InputError
from ccsd.imaging import filenames
from ccsd.imaging.grid import Grid
from ccsd.imaging.sources import Source
from ccsd.imaging.tags import Tags
from ccsd.imaging.volumes import read_grid, read_stack_grid, read_volume
from ccsd.studies.candidates import Candidate
from ccsd.studies.choice import choose, name_sources, settle
from ccsd.studies.evidence import BRAIN
from ccsd.studies.grouping import bundle
from ccsd.studies.sidecar import read_sidecar
from ccsd.studies.study import Study, study_of, survey
from ccsd.studies.tags import check_name, evidence_from_tags
from ccsd.studies.vocabulary import REFUSALS
from ccsd.studies.words import case_part, evidence_from_words, protocol_part

ON_DISK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
QUICK = settings(max_examples=80, deadline=None)

PIECES = (
    "t1 T2 FLAIR t1ce T1c post GAD pre ax sag se 3d adc seg SUB -C +C p1 p2 sub-01 001 2 0000 0003 BRATS_001 T1w run-2 "
    "ce-gd ses-1 mask é"
)
WORDS = st.sampled_from(PIECES.split())
STEMS = st.builds(lambda words, by: by.join(words), st.lists(WORDS, min_size=1, max_size=4), st.sampled_from("_- ."))
NUMBERS = st.none() | st.floats() | st.sampled_from([0.0, -1.0, 5.0, 20.0, 100.0, 600.0, 2000.0, 2500.0, 9000.0])
TEXTS = STEMS | st.text(max_size=12)
TAGS = st.builds(
    Tags,
    image_type=st.lists(st.sampled_from(["ORIGINAL", "DERIVED", "PRIMARY", "SECONDARY", "MPR", "M", ""])).map(tuple),
    description=TEXTS,
    protocol=TEXTS,
    scanning_sequence=st.lists(st.sampled_from(["SE", "GR", "IR", "EP"]), max_size=2).map(tuple),
    variant=st.lists(st.sampled_from(["MP", "SS"]), max_size=1).map(tuple),
    acquisition=st.sampled_from(["", "2D", "3D"]),
    repetition_time=NUMBERS,
    echo_time=NUMBERS,
    inversion_time=NUMBERS,
    flip_angle=NUMBERS,
    agent=st.none() | TEXTS,
    dose=NUMBERS,
    b_value=NUMBERS,
    study_text=st.sampled_from(["", "MRI BRAIN W WO CONTRAST", "MRI BRAIN"]),
    acquired=st.none() | st.sampled_from([10.0, 20.0, 30.0, 30.0]),
)
GRIDS = st.builds(
    lambda spacing: Grid((200, 200, 150), np.diag([*spacing, 1.0])), st.tuples(*[st.sampled_from([0.5, 1.0, 5.0])] * 3)
)


def candidate(number: int, tags: Tags, grid: Grid) -> Candidate:
    """As `of_series` makes it."""
    protocol = f"{protocol_part(tags.description)} {tags.acquisition} {tags.echo_time or 0:.0f}"
    source = Source(Path(f"{number}.dcm"), series=(Path(f"{number}.dcm"),), uid=f"1.{number}", title=f"series {number}")
    return Candidate(source, evidence_from_tags(tags), protocol=protocol, tags=tags, grid=grid)


SERIES = st.lists(st.tuples(TAGS, GRIDS), max_size=6).map(lambda made: [candidate(i, *m) for i, m in enumerate(made)])


@QUICK
@given(TAGS, TEXTS)
def test_any_tags_are_read_without_failing(tags: Tags, name: str) -> None:
    assert evidence_from_tags(tags).modality in (None, *BRAIN)
    assert check_name(tags, evidence_from_words(name)).modality in (None, *BRAIN)
    assert tags.times().endswith(" ms")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from([10**400, "", "14:42", "T"]) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
FIELDS = ["ImageType", "SeriesDescription", "ProtocolName", "ScanningSequence", "SequenceVariant", "MRAcquisitionType"]
FIELDS += ["RepetitionTime", "EchoTime", "InversionTime", "FlipAngle", "ContrastBolusIngredient", "AcquisitionTime"]


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON | st.sampled_from([10**400, "SE", 2.5, 0.1]))))
@example({"FlipAngle": 10**400})
@settings(QUICK, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_sidecar_is_a_hint_or_nothing(tmp_path: Path, content: dict[str, object]) -> None:
    (tmp_path / "x.json").write_text(json.dumps(content))
    tags = read_sidecar(tmp_path / "x.json")
    assert tags is None or evidence_from_tags(tags).modality in (None, *BRAIN)


@QUICK
@given(TEXTS, st.sampled_from([word for words in REFUSALS.values() for word in sorted(words)]))
def test_a_word_that_refuses_is_never_outvoted(text: str, word: str) -> None:
    if evidence_from_words(word).refused:
        assert evidence_from_words(f"{text} {word}").modality is None or word in ("pd", "pdw")


@QUICK
@given(STEMS)
@example("脑")
@example("p1_SUB_3d")
def test_a_case_is_the_beginning_of_its_name(stem: str) -> None:
    assert stem.startswith(case_part(stem))
    assert case_part(case_part(stem)) in (case_part(stem), "")


def decided(candidates: Sequence[Candidate]) -> dict[str, str | None]:
    return {c.name: c.evidence.modality for c in candidates}


@QUICK
@given(SERIES, st.randoms(use_true_random=False))
def test_what_an_image_is_does_not_depend_on_the_order_of_the_images(series: list[Candidate], random) -> None:  # type: ignore[no-untyped-def]
    shuffled = random.sample(series, len(series))
    assert decided(settle(shuffled)) == decided(settle(series))


@QUICK
@given(SERIES)
def test_looking_at_all_images_a_second_time_changes_nothing(series: list[Candidate]) -> None:
    once = settle(series)
    assert decided(settle(once)) == decided(once)


def outcome(function: Callable[[], dict[str, str]]) -> dict[str, str] | str:
    """What it gives, or that it refuses."""
    try:
        return function()
    except InputError:
        return "refused"


@QUICK
@given(SERIES, st.randoms(use_true_random=False))
def test_no_image_is_of_two_modalities_and_none_is_lost(series: list[Candidate], random) -> None:  # type: ignore[no-untyped-def]
    choice = choose("s", series, BRAIN)
    left = [o.name for o in (*choice.unknown, *choice.refused, *choice.spare)]
    used = [s.name for s in choice.sources.values()]
    assert sorted([*left, *used]) == sorted(c.name for c in series)
    again = choose("s", random.sample(series, len(series)), BRAIN)
    assert {m: s.name for m, s in again.sources.items()} == {m: s.name for m, s in choice.sources.items()}


@QUICK
@given(SERIES, st.dictionaries(st.sampled_from(BRAIN), st.integers(0, 7).map(lambda i: f"series {i}"), max_size=3))
def test_what_a_request_names_is_of_no_other_modality(series: list[Candidate], named: dict[str, str]) -> None:
    choice = choose("s", series, BRAIN)
    found = outcome(lambda: {m: s.name for m, s in name_sources(choice, series, named, BRAIN).sources.items()})
    if found != "refused" and isinstance(found, dict) and len(set(named.values())) == len(named):
        assert len(set(found.values())) == len(found)


FILES = st.lists(st.tuples(STEMS, st.sampled_from([".nii", ".nii.gz", ".nrrd"])).map("".join), max_size=7, unique=True)


@QUICK
@given(FILES, st.randoms(use_true_random=False))
def test_each_file_belongs_to_one_study_whatever_their_order(files: list[str], random) -> None:  # type: ignore[no-untyped-def]
    paths = [Path("folder", file) for file in files]
    held = bundle(Path("folder"), paths, BRAIN)
    placed = [p for b in held for p in (*b.images, *([b.label] if b.label else []))]
    assert sorted(placed) == sorted(paths)
    assert len({b.id for b in held}) == len(held)
    again = bundle(Path("folder"), random.sample(paths, len(paths)), BRAIN)
    assert [(b.id, set(b.images), b.label) for b in again] == [(b.id, set(b.images), b.label) for b in held]


SMALL = nib.nifti1.Nifti1Image(np.random.default_rng(0).normal(100, 10, (8, 8, 8)).astype(np.float32), np.eye(4))
BYTES = {".nii": SMALL.to_bytes(), ".nii.gz": gzip.compress(SMALL.to_bytes())}


def used(study: Study) -> dict[str, str]:
    return {m: s.name for m, s in study.sources.items()}


@given(
    st.lists(st.tuples(STEMS, st.sampled_from([".nii", ".nii.gz"])).map("".join), min_size=1, max_size=6, unique=True)
)
@ON_DISK
def test_in_a_folder_of_any_names_each_image_is_used_once_or_left_out_with_a_reason(
    tmp_path_factory: pytest.TempPathFactory, files: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("studies")
    for file in files:
        (folder / file).write_bytes(BYTES[file[len(filenames.strip_extension(file)) :]])
    studies = survey(folder)
    left = [(o.name, o.reason) for s in studies for o in (*s.unknown, *s.refused, *s.spare)]
    labels = [s.label.name for s in studies if s.label]
    sources = [name for s in studies for name in used(s).values()]
    assert all(reason for _, reason in left)
    assert sorted([*(n for n, _ in left), *labels, *sources]) == sorted(n for n in files if not n.startswith("."))
    for study in studies:
        for source in study.sources.values():
            assert outcome(lambda s=source: used(study_of(s.path))) in (used(study), "refused")  # type: ignore[misc]


HEADER = 352
FORMS = {"<i2": 2, ">i2": 2, "<i4": 4, "<f4": 4, "u1": 1}
CHANGES = st.lists(
    st.tuples(st.integers(0, HEADER - 1), st.binary(min_size=1, max_size=8))
    | st.tuples(st.sampled_from([0, 40, 42, 44, 46, 48, 70, 72, 108, 112, 116, 252, 254, 344, 348]), st.one_of(
        *(st.sampled_from([0, 1, 2, 4, 16, 32, 64, 128, 255] + ([] if size == 1 else [300, 512, 1792, 2304, 32767]))
          .map(lambda value, form=form: np.array(value).astype(form).tobytes()) for form, size in FORMS.items()),
        st.sampled_from([np.nan, np.inf, -1.0, 1e30, 352.0, 2.0**31, 2.0**62]).map(lambda v: np.float32(v).tobytes()),
    )),
    min_size=1, max_size=4,
)  # fmt: skip


def changed(changes: list[tuple[int, bytes]]) -> bytes:
    content = bytearray(SMALL.to_bytes())
    for start, piece in changes:
        content[start : start + len(piece)] = piece
    return bytes(content)


@given(CHANGES, st.booleans())
@example([(70, b"\0\0")], False)  # no data type
@example([(108, np.float32(np.inf).tobytes())], False)  # voxels begin nowhere
@example([(42, np.array([500, 500, 400], "<i2").tobytes())], True)  # 400 MB declared
@example([(0, b"\0")], False)  # one channel
@settings(ON_DISK, max_examples=150)
def test_any_header_is_read_or_refused_in_one_line_without_memory_for_what_it_declares(
    tmp_path: Path, changes: list[tuple[int, bytes]], packed: bool
) -> None:
    path = tmp_path / ("x.nii.gz" if packed else "x.nii")
    path.write_bytes(gzip.compress(changed(changes), 1) if packed else changed(changes))
    said, peak = read_with(path, read_stack_grid, read_grid, read_volume, lambda p: read_volume(p, 0))
    assert peak < 8 * 2**20
    assert all(sentence.startswith(path.name) and len(sentence.splitlines()) == 1 for sentence in said)


NRRD = (
    b"NRRD0004\ntype: int8\ndimension: 3\nspace: left-posterior-superior\nsizes: 4 4 4\nencoding: raw\n"
    b"space directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\n\n" + bytes(range(64))
)
PUT = st.sampled_from([b"", b"9999999", b"\n", b"nan", b"-", b"gzip", b"hex", b"block", b"none", b"(", b"\xff", b" "])


@given(st.lists(st.tuples(st.integers(0, len(NRRD) - 64), st.integers(0, 8), PUT), min_size=1, max_size=3))
@example([(0, len(NRRD), b"")])
@settings(ON_DISK, max_examples=100)
def test_any_nrrd_header_is_read_or_refused_in_one_line(tmp_path: Path, edits: list[tuple[int, int, bytes]]) -> None:
    content = NRRD
    for start, removed, put in edits:
        content = content[:start] + put + content[start + removed :]
    (tmp_path / "x.nrrd").write_bytes(content)
    said, peak = read_with(tmp_path / "x.nrrd", read_volume)
    assert peak < 8 * 2**20
    assert all(sentence.startswith("x.nrrd") and len(sentence.splitlines()) == 1 for sentence in said)


def read_with(path: Path, *readers: Callable[[Path], object]) -> tuple[list[str], int]:
    """What refuses the file, and the bytes that were taken at most."""
    said = []
    tracemalloc.start()
    for read in readers:
        try:
            read(path)
        except InputError as error:
            said.append(str(error))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return said, peak
