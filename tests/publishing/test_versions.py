from __future__ import annotations

from pathlib import Path

import pytest

from lib.ccsd.network import PRESETS
from lib.ccsd.task import BRATS
from lib.errors import InputError, NotFoundError
from lib.publishing import checkpoint
from lib.publishing.served import ServedModel
from lib.publishing.versions import Versions
from tests.publishing.test_checkpoint import tiny


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    model = ServedModel(tmp_path / "ccsd.pt", tmp_path / "pretrained.pt", BRATS, PRESETS["tiny"])
    checkpoint.save(model.shipped, tiny(), name="shipped", notes={})
    return Versions(model, kept=3)


def names(versions: Versions) -> list[str]:
    return [v.version for v in versions.known()]


def test_a_published_model_is_served_and_listed_with_its_notes(versions: Versions) -> None:
    shipped = versions.model.current().version
    new = versions.publish(tiny(1), name="ccsd", notes={"parent": shipped})
    assert versions.model.current().version == new
    first, second = versions.known()
    assert (first.version, first.served, first.notes["parent"]) == (new, True, shipped)
    assert "published" in first.notes
    assert (second.version, second.served) == (shipped, False)


def test_rolling_back_serves_the_earlier_weights_and_keeps_the_later(versions: Versions) -> None:
    shipped = versions.model.current().version
    first = versions.publish(tiny(1), name="ccsd", notes={})
    second = versions.publish(tiny(2), name="ccsd", notes={})
    for wanted in (first, shipped, second):
        versions.serve(wanted)
        assert versions.model.current().version == wanted
        assert [v.version for v in versions.known() if v.served] == [wanted]
    assert names(versions) == [second, first, shipped]


def test_the_oldest_are_removed_but_never_the_served_one(versions: Versions) -> None:
    first = versions.publish(tiny(1), name="ccsd", notes={})
    later = [versions.publish(tiny(seed), name="ccsd", notes={}) for seed in (2, 3)]
    versions.serve(first)
    later.append(versions.publish(tiny(4), name="ccsd", notes={}))
    assert first not in names(versions)
    assert names(versions)[:3] == later[::-1]
    versions.serve(later[0])
    versions.publish(tiny(5), name="ccsd", notes={})
    assert versions.model.current().version == names(versions)[0]


def test_a_better_epoch_of_one_training_takes_the_place_of_the_last(versions: Versions) -> None:
    first = versions.publish(tiny(1), name="ccsd", notes={})
    second = versions.publish(tiny(2), name="ccsd", notes={}, replaces=first)
    assert names(versions)[0] == second
    assert first not in names(versions)


def test_weights_of_an_app_that_kept_no_versions_are_listed(versions: Versions) -> None:
    old = checkpoint.save(versions.model.published, tiny(7), name="ccsd", notes={})
    assert names(versions)[0] == old


@pytest.mark.parametrize("wrong", ["ccsd-0", "../pretrained", ""])
def test_a_version_that_is_not_kept_is_refused_with_those_that_are(versions: Versions, wrong: str) -> None:
    with pytest.raises(NotFoundError, match="expected one of shipped-"):
        versions.serve(wrong)


def test_a_damaged_file_is_neither_listed_nor_served(versions: Versions) -> None:
    first = versions.publish(tiny(1), name="ccsd", notes={})
    second = versions.publish(tiny(2), name="ccsd", notes={})
    (versions.folder / f"{first}.pt").write_bytes(b"half")
    with pytest.raises(InputError, match=f"{first}.pt cannot be read"):
        versions.serve(first)
    assert versions.model.current().version == second
    assert first not in names(versions)
