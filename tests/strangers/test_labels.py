"""Labels that people sent to other tools and reported: `.seg.nrrd` whose values and names are in another order (of
slicerio and MONAI Label), cropped to their segments and in layers (Slicer, dcmqi, MONAI Label), on RAS instead of LPS
(nnU-Net, ITK-SNAP), of BraTS 2013 to 2015, empty, of one segment. Each is stored right or refused with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ccsd.common.errors import GridMismatchError, InputError
from ccsd.demo.phantom import Phantom, write_phantom
from ccsd.imaging.grid import Grid
from ccsd.imaging.segment_names import value_of_name
from ccsd.imaging.volumes import read_volume
from ccsd.method.task import BRATS, ENHANCING, NECROTIC, OEDEMA
from ccsd.server.datastores.folder import open_folder
from ccsd.studies.labels import EMPTY
from ccsd.studies.study import find_studies
from ccsd.training.cases import load_case
from tests.strangers.labels import (
    GRID,
    TURNS,
    cropped,
    extent,
    info,
    nifti,
    read,
    seg_nrrd,
    tumour,
    turned,
)

CORE, OEDEMA_NAME, ENHANCING_NAME = BRATS.labels
TRUE = tumour()
PARTS = {NECROTIC: CORE, OEDEMA: OEDEMA_NAME, ENHANCING: ENHANCING_NAME}


def renumbered(numbers: dict[int, int]) -> NDArray[np.uint8]:
    """The tumour with other values: task value -> value in the file."""
    return np.asarray(np.select([own == TRUE for own in numbers], list(numbers.values()), 0), np.uint8)


def test_the_headers_names_decide_whatever_their_order(tmp_path: Path) -> None:
    path = seg_nrrd(
        tmp_path / "x.seg.nrrd",
        renumbered({2: 1, 1: 2, 3: 3}),
        GRID,
        [(OEDEMA_NAME, 1), (CORE, 2), (ENHANCING_NAME, 3)],
    )
    assert np.array_equal(read(path).values, TRUE)
    of_slicer = info((OEDEMA_NAME, 3), (CORE, 4), (ENHANCING_NAME, 5))  # two scribbles before them in its list
    assert np.array_equal(read(path, of_slicer).values, TRUE)


@pytest.mark.parametrize(
    ("name", "value", "regions"),
    [
        ("enhancing tumour", ENHANCING, ("ET",)),
        ("Tumor", OEDEMA, ("WT",)),
        ("lesion", OEDEMA, ("WT",)),
        ("GTV", OEDEMA, ("WT",)),
        ("whole tumour", OEDEMA, ("WT",)),
        ("TC", NECROTIC, ("TC",)),
    ],
)
def test_one_segment_is_what_it_is_called_and_of_the_rest_nothing_is_known(
    name: str, value: int, regions: tuple[str, ...], tmp_path: Path
) -> None:
    path = seg_nrrd(tmp_path / "x.seg.nrrd", (TRUE > 0).astype(np.uint8), GRID, [(name, 1)])
    drawn = read(path)
    assert set(np.unique(drawn.values)) == {0, value}
    assert np.array_equal(drawn.values > 0, TRUE > 0)
    assert BRATS.annotated(drawn.listed) == regions


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GD-enhancing tumor", ENHANCING),
        ("Contrast_Enhancing_Lesion", ENHANCING),
        ("ET tumor", ENHANCING),
        ("enhancing tumor core", ENHANCING),
        ("tumeur rehaussée", ENHANCING),
        ("NCR/NET", NECROTIC),
        ("necrotic and non-enhancing tumor core", NECROTIC),
        ("non contrast enhancing", NECROTIC),
        ("Nekrose", NECROTIC),
        ("Tumorkern", NECROTIC),
        ("peritumoral edema", OEDEMA),
        ("Ödem", OEDEMA),
        ("Œdème péritumoral", OEDEMA),
        ("SNFH", OEDEMA),
        ("Lesion 2", OEDEMA),
        ("Gross tumor volume", OEDEMA),
        ("lesión", OEDEMA),
        *[(name, None) for name in ("CTV", "PTV", "Segment_1", "label 1", "core", "cavity", "brain", "T1", "", "3")],
        *[(name, None) for name in ("tumor and edema", "no tumor", "enhancing and non-enhancing tumor", "contrast")],
    ],
)
def test_a_name_is_understood_by_all_its_words_or_not_at_all(name: str, value: int | None) -> None:
    assert value_of_name(name, BRATS.segment_names) == value


def test_a_name_of_another_task_is_taken_as_that_task_spells_it() -> None:
    assert value_of_name("Zone 2", {"zone 1": 1, "zone 2": 2}) == 2
    assert value_of_name("oedema", {"gland": 1, "lesion": 2}) is None
    assert value_of_name("Lesion", {"gland": 1, "lesion": 2}) == 2


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (
            [("Segment_1", 1), ("oedema", 2), ("ET", 3)],
            r"has the segment 'Segment_1', expected names from necrotic .* WT",
        ),
        ([("oedema", 2), ("ET", 3)], r"has the values \[1, 2, 3\], but its header names 2 'oedema', 3 'ET', expected"),
        ([("oedema", 1), ("ET", 1), ("NCR", 2), ("CTV", 3)], "has one value, 1, for 'oedema' and 'ET'"),
    ],
)
def test_a_header_that_does_not_tell_every_value_is_refused(
    told: list[tuple[str, int]], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=sentence):
        read(seg_nrrd(tmp_path / "x.seg.nrrd", TRUE, GRID, told))


def test_a_client_that_contradicts_the_header_is_refused(tmp_path: Path) -> None:
    path = seg_nrrd(tmp_path / "x.seg.nrrd", (TRUE > 0).astype(np.uint8), GRID, [("oedema", 1)])
    with pytest.raises(InputError, match="label_info names 1 'ET', but its header 1 'oedema', expected the same"):
        read(path, info(("ET", 1)))


@pytest.mark.parametrize(("first", "drawn"), [(2, (2, 3)), (3, (3,))])
def test_slicers_export_is_read_where_it_can_be_told_and_refused_where_not(
    first: int, drawn: tuple[int, ...], tmp_path: Path
) -> None:
    """The module exports its segments as 1, 2, ... and counts in idx those that it leaves out, before them."""
    said = info((CORE, first), (OEDEMA_NAME, first + 1), (ENHANCING_NAME, first + 2))
    assert np.array_equal(read(nifti(tmp_path / "all.nii.gz", TRUE, GRID), said).values, TRUE)
    some = np.where(np.isin(TRUE, drawn), TRUE, 0).astype(np.uint8)
    with pytest.raises(InputError, match=r"value \d may be 'necrotic .* by its idx or '.*' by its place"):
        read(nifti(tmp_path / "some.nii.gz", some, GRID), said)
    said = info((CORE, 1), (OEDEMA_NAME, 2), (ENHANCING_NAME, 3))
    assert np.array_equal(read(tmp_path / "some.nii.gz", said).values, some)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({2: 2, 3: 4}, [(OEDEMA_NAME, 2), (CORE, 3), (ENHANCING_NAME, 4)]),  # by idx: there is no fourth in the list
        ({2: 7, 3: 9}, [(OEDEMA_NAME, 7), (ENHANCING_NAME, 9)]),
        ({2: 3, 3: 1, 1: 2}, [("background", 0), (ENHANCING_NAME, 1), (CORE, 2), (OEDEMA_NAME, 3)]),
        ({2: 2}, [("foreground_scribbles", 1), ("WT", 2)]),
    ],
)
def test_values_are_the_idx_that_the_client_gives(
    numbers: dict[int, int], said: list[tuple[str, int]], tmp_path: Path
) -> None:
    drawn = read(nifti(tmp_path / "x.nii.gz", renumbered(numbers), GRID), info(*said))
    assert np.array_equal(drawn.values, np.where(np.isin(TRUE, list(numbers)), TRUE, 0))


@pytest.mark.parametrize("said", [[("oedema", 1), ("ET", 1)], [("oedema", 1.5)]])
def test_an_idx_that_cannot_be_one_is_refused(said: list[tuple[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="label_info"):
        read(nifti(tmp_path / "x.nii.gz", (TRUE > 0).astype(np.uint8), GRID), info(*said))


def test_overlapping_segments_in_layers_are_regions_the_innermost_on_top(tmp_path: Path) -> None:
    whole, core, enhancing = (TRUE > 0), np.isin(TRUE, (1, 3)), TRUE == 3
    layers = [np.where(enhancing, 2, np.where(core & ~enhancing, 0, 0)), core, whole]
    path = seg_nrrd(
        tmp_path / "x.seg.nrrd",
        [layer.astype(np.uint8) for layer in layers],
        GRID,
        [("whole tumor", 1, 2), ("ET", 2, 0), ("TC", 1, 1), ("background_scribbles", 7, 0)],
    )
    drawn = read(path)
    assert np.array_equal(drawn.values, TRUE)
    assert BRATS.annotated(drawn.listed) == ("WT", "TC", "ET")


def test_scribbles_in_a_layer_of_their_own_are_background(tmp_path: Path) -> None:
    told = [("background_scribbles", 1, 0), (CORE, 1, 1), (OEDEMA_NAME, 2, 1), (ENHANCING_NAME, 3, 1)]
    path = seg_nrrd(tmp_path / "x.seg.nrrd", [np.ones_like(TRUE), TRUE], GRID, told)
    assert np.array_equal(read(path).values, TRUE)


def test_a_file_of_slicer_4_has_a_layer_a_segment_and_says_no_values(tmp_path: Path) -> None:
    path = seg_nrrd(
        tmp_path / "x.seg.nrrd",
        [(v == TRUE).astype(np.uint8) for v in PARTS],
        GRID,
        [(name, 1) for name in PARTS.values()],
    )
    content = path.read_bytes()
    head, voxels = content.split(b"\n\n", 1)
    lines = [line for line in head.split(b"\n") if b"_LabelValue" not in line and b"_Layer" not in line]
    path.write_bytes(b"\n".join(lines) + b"\n\n" + voxels)
    assert np.array_equal(read(path).values, TRUE)


def test_layers_that_nothing_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a 3D image"):
        read(seg_nrrd(tmp_path / "x.seg.nrrd", [TRUE, TRUE], GRID, []))


def test_a_label_of_one_slice_cropped_to_it_is_taken(tmp_path: Path) -> None:
    one = np.zeros_like(TRUE)
    one[:, :, 5] = TRUE[:, :, 5]
    path = seg_nrrd(tmp_path / "x.seg.nrrd", *cropped(one, GRID, extent(one)), [(n, v) for v, n in PARTS.items()])
    assert np.array_equal(read(path).values, one)


def test_a_label_with_empty_margins_around_its_image_is_taken_but_not_one_that_reaches_out(tmp_path: Path) -> None:
    part, image = cropped(TRUE, GRID, extent(TRUE))
    assert np.array_equal(read(nifti(tmp_path / "x.nii.gz", TRUE, GRID), image=image).values, part)
    _, smaller = cropped(TRUE, GRID, [slice(4, 9), slice(0, 14), slice(0, 10)])
    with pytest.raises(GridMismatchError, match="reaches out of its image: its shape is 12x14x10, expected 5x14x10"):
        read(tmp_path / "x.nii.gz", image=smaller)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ([0, 0, 5.0], r"its origin is \(90.00, 126.00, -67.00\) mm, expected \(90.00, 126.00, -72.00\) mm"),
        ([0, 0, 0.5], r"its origin is \(90.00, 126.00, -71.50\) mm, expected"),
        ([2.0, 0, 0], r"its origin is \(92.00, 126.00, -72.00\) mm, expected \(90.00, 126.00, -72.00\) mm"),
    ],
)
def test_a_grid_elsewhere_is_told_by_what_differs(change: list[float], sentence: str, tmp_path: Path) -> None:
    affine = GRID.affine.copy()
    affine[:3, 3] += change
    with pytest.raises(GridMismatchError, match=sentence):
        read(nifti(tmp_path / "x.nii.gz", TRUE, Grid(GRID.shape, affine)))


def test_two_grids_are_never_told_apart_by_the_same_numbers() -> None:
    for scale in (1.3, 1.003, 1.0003):
        other = Grid(GRID.shape, GRID.affine @ np.diag([scale, 1, 1, 1]))
        (told,) = other.differences(GRID).split("; ")
        found, expected = told.removeprefix("its spacing is ").split(", expected ")
        assert found != expected
    angle = np.eye(4)
    angle[:2, :2] = [[np.cos(0.02), -np.sin(0.02)], [np.sin(0.02), np.cos(0.02)]]
    assert "its axes are LPS along (" in Grid(GRID.shape, angle @ GRID.affine).differences(GRID)
    assert "its axes are RAS, expected LPS" in Grid(GRID.shape, np.eye(4)).differences(GRID)


def test_values_that_are_whole_but_for_rounding_are_whole(tmp_path: Path) -> None:
    path = nifti(tmp_path / "x.nii.gz", TRUE.astype(np.float32) + np.float32(0.0009), GRID)
    assert np.array_equal(read(path).values, TRUE)
    nifti(path, TRUE.astype(np.float32) * np.float32(1.01), GRID)
    with pytest.raises(InputError, match=r"fractional values \(3.03\), expected whole numbers 0 to 3"):
        read(path)


@pytest.mark.parametrize("name", ["VSD.Brain_3more.XX.O.OT.54517.nii.gz", "patient7.OT.nii.gz"])
def test_the_values_of_old_brats_are_known_by_its_names(name: str, tmp_path: Path) -> None:
    old = renumbered({1: 1, 2: 2, 3: 4})
    old[4, 5, 3] = 3  # core that does not enhance
    drawn = read(nifti(tmp_path / name, old, GRID))
    assert np.array_equal(drawn.values, TRUE)
    assert "BraTS 2012 to 2015" in drawn.warnings[0]


def test_the_values_of_old_brats_under_another_name_are_refused_with_what_to_do(tmp_path: Path) -> None:
    old = renumbered({1: 3, 2: 2, 3: 4})
    with pytest.raises(InputError, match=r"has both 3 and 4, .* as in BraTS 2013 to 2015, write it as 1, or say"):
        read(nifti(tmp_path / "seg.nii.gz", old, GRID))
    said = info(("necrosis", 1), ("edema", 2), ("non-enhancing", 3), ("enhancing", 4))
    assert np.array_equal(read(tmp_path / "seg.nii.gz", said).values, TRUE)


def test_what_is_kept_says_what_it_knows_and_that_it_is_empty(phantom: Phantom, tmp_path: Path) -> None:
    write_phantom(phantom, tmp_path / "a", "a", modalities=["flair"], label=False)
    store = open_folder(tmp_path, BRATS)
    nothing = seg_nrrd(tmp_path / ".x.seg.nrrd", np.zeros_like(phantom.label), phantom.grid, [("Tumor", 1)])
    store.save_label("a_flair", str(nothing), "final", {})
    assert store.get_label_info("a_flair", "final")["warnings"] == [
        EMPTY,
        "the label knows WT alone: no segment stands for TC, ET",
    ]
    assert store.datalist()[0]["regions"] == ["WT"]
    whole = nifti(tmp_path / ".y.nii.gz", phantom.label, phantom.grid)
    store.save_label("a_flair", str(whole), "final", {})
    assert "warnings" not in store.get_label_info("a_flair", "final")
    assert np.array_equal(read_volume(Path(store.get_label_uri("a_flair", "final"))).data, phantom.label)


def test_a_label_of_the_whole_tumour_beside_its_images_trains_the_whole_tumour_alone(
    phantom: Phantom, tmp_path: Path
) -> None:
    write_phantom(phantom, tmp_path / "a", "a", modalities=["flair"], label=False)
    label = (phantom.label > 0).astype(np.uint8)
    seg_nrrd(tmp_path / "a" / "a_seg.nrrd", *cropped(label, phantom.grid, extent(label)), [("Tumor", 1)])
    (study,) = find_studies(tmp_path, BRATS.modalities)
    assert study.label is not None
    case = load_case(study, study.label, BRATS)
    assert case.annotated.tolist() == [True, False, False]
    assert set(case.label.unique().tolist()) == {0, OEDEMA}


@given(data=st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_order_of_names_layers_crop_direction_and_type_change_nothing(tmp_path: Path, data: st.DataObject) -> None:
    values = data.draw(st.permutations([1, 2, 3, 5]), label="values")[:3]
    numbers = dict(zip(PARTS, values, strict=True))
    layered = data.draw(st.booleans(), label="layers")
    kind = data.draw(st.sampled_from([np.uint8, np.int16, np.uint16, np.float32, np.float64]), label="type")
    turn = data.draw(st.sampled_from(TURNS), label="turn")
    as_nifti = data.draw(st.booleans(), label="NIfTI with label_info") and not layered
    here, grid = turned(renumbered(numbers).astype(kind), GRID, turn)
    if data.draw(st.booleans(), label="cropped"):
        here, grid = cropped(here, grid, extent(here))
    if as_nifti:
        told = info(*((PARTS[own], value) for own, value in numbers.items()), ("left out", 4))
        drawn = read(nifti(tmp_path / "x.nii", here, grid), told)
    else:
        of_layer = {own: data.draw(st.integers(0, 1)) if layered else 0 for own in PARTS}
        layers = [np.where(np.isin(here, [numbers[o] for o in PARTS if of_layer[o] == n]), here, 0) for n in (0, 1)]
        segments = data.draw(st.permutations([(PARTS[o], numbers[o], of_layer[o]) for o in PARTS]), label="header")
        drawn = read(seg_nrrd(tmp_path / "x.seg.nrrd", layers if layered else here, grid, segments))
    assert np.array_equal(drawn.values, TRUE)
    assert drawn.grid.matches(GRID)
