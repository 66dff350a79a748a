"""Prepared studies in small files, and training from them."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from ccsd.common.errors import InputError
from ccsd.common.settings import read_task
from ccsd.method.task import BRATS
from ccsd.training.cases import Case
from ccsd.training.packed import PackedStudy, pack, packed, packed_studies, read_packed

NO_DIGESTS = dict.fromkeys(["a", "bb", "ccc", "dddd", "eeeee", "big"], "")


def case_of(name: str, edge: int = 12) -> Case:
    generator = torch.Generator().manual_seed(len(name))
    volumes = torch.randn((4, edge, edge, edge), generator=generator)
    volumes[:, :3] = 0
    label = torch.zeros((edge, edge, edge), dtype=torch.uint8)
    label[4:6, 4:6, 4:6] = 2
    known = torch.tensor([True, False, False])
    return Case(name, volumes.half(), label, 0b1111, torch.nonzero(label).short(), known)


def repacked(case: Case, folder: Path) -> tuple[Case, str]:
    pack([case], BRATS, folder, digests={case.id: f"of {case.id}"}, part_bytes=10**6)
    (study,) = packed_studies(folder)
    return read_packed(study, BRATS)


def test_a_packed_study_is_the_study_up_to_a_step_of_its_range(tmp_path: Path) -> None:
    case = case_of("a")
    back, digest = repacked(case, tmp_path)
    assert digest == "of a"
    assert back.id == case.id
    for name in {f.name for f in fields(Case)} - {"id", "volumes"}:
        assert torch.equal(torch.as_tensor(getattr(back, name)), torch.as_tensor(getattr(case, name))), name
    assert torch.equal(back.volumes == 0, case.volumes == 0)
    ranges = case.volumes.float().amax((1, 2, 3)) - case.volumes.float().amin((1, 2, 3))
    error = (back.volumes.float() - case.volumes.float()).abs().amax((1, 2, 3))
    assert bool((error <= 0.51 * ranges / 254 + 2e-3).all())  # half a step, and half precision


def test_a_modality_that_is_missing_stays_zero(tmp_path: Path) -> None:
    case = case_of("a")
    without = replace(
        case, volumes=case.volumes * torch.tensor([1, 0, 0, 0]).half()[:, None, None, None], available=0b01
    )
    back, _ = repacked(without, tmp_path)
    assert back.available == 0b01
    assert not back.volumes[1:].any()


def test_no_part_is_larger_than_was_asked(tmp_path: Path) -> None:
    cases = [case_of(name) for name in ("a", "bb", "ccc", "dddd", "eeeee")]
    size = max(len(packed(case, BRATS, "")) for case in cases)
    parts = pack(cases, BRATS, tmp_path, digests=NO_DIGESTS, part_bytes=2 * size)
    assert [part.name for part in parts] == ["part-01", "part-02", "part-03"]
    assert all(sum(f.stat().st_size for f in part.iterdir()) <= 2 * size for part in parts)
    assert [study.id for study in packed_studies(tmp_path)] == [case.id for case in cases]


def test_a_study_larger_than_a_part_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"big takes \d+ bytes, expected at most 10"):
        pack([case_of("big")], BRATS, tmp_path, digests=NO_DIGESTS, part_bytes=10)


def test_a_file_that_is_no_packed_study_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.case").write_bytes(b"no")
    with pytest.raises(InputError, match=r"x\.case is no packed study"):
        read_packed(PackedStudy(tmp_path / "x.case"), BRATS)


def test_a_study_that_was_packed_for_another_task_is_refused(tmp_path: Path) -> None:
    pack([case_of("a")], BRATS, tmp_path, digests=NO_DIGESTS, part_bytes=10**6)
    prostate = read_task(Path(__file__).parents[2] / "configs" / "tasks" / "prostate.toml")
    with pytest.raises(InputError, match=r"a\.case was packed for .*t1ce.*, expected .*adc"):
        read_packed(*packed_studies(tmp_path), prostate)


def test_a_case_on_another_device_is_the_same_case() -> None:
    case = case_of("a")
    assert case.to_device(torch.device("meta")).volumes.device.type == "meta"
    assert torch.equal(case.to_device(torch.device("cpu")).volumes, case.volumes)
