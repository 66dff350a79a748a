from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ccsd.common.errors import InputError, NotFoundError
from ccsd.method.network import PRESETS
from ccsd.method.task import BRATS
from ccsd.models import checkpoint
from ccsd.models.card import Card
from ccsd.models.compare import compare
from ccsd.models.served import ServedModel
from ccsd.models.versions import Versions
from tests.models.test_checkpoint import tiny


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    model = ServedModel(tmp_path / "ccsd.pt", tmp_path / "pretrained.pt", BRATS, PRESETS["tiny"])
    checkpoint.save(model.shipped, tiny(), name="shipped")
    return Versions(model, kept=3)


def names(versions: Versions) -> list[str]:
    return [v.version for v in versions.known()]


def test_a_published_model_is_served_and_listed_with_its_card(versions: Versions) -> None:
    shipped = versions.model.current().version
    new = versions.publish(tiny(1), name="ccsd", card=Card(parent=shipped))
    assert versions.model.current().version == new
    first, second = versions.known()
    assert (first.version, first.served, first.card.parent) == (new, True, shipped)
    assert first.card.published
    assert (second.version, second.served) == (shipped, False)


def test_rolling_back_serves_the_earlier_weights_and_keeps_the_later(versions: Versions) -> None:
    shipped = versions.model.current().version
    first = versions.publish(tiny(1), name="ccsd")
    second = versions.publish(tiny(2), name="ccsd")
    for wanted in (first, shipped, second):
        versions.serve(wanted)
        assert versions.model.current().version == wanted
        assert [v.version for v in versions.known() if v.served] == [wanted]
    assert names(versions) == [second, first, shipped]


def test_the_oldest_are_removed_but_never_the_served_one(versions: Versions) -> None:
    first = versions.publish(tiny(1), name="ccsd")
    later = [versions.publish(tiny(seed), name="ccsd") for seed in (2, 3)]
    versions.serve(first)
    later.append(versions.publish(tiny(4), name="ccsd"))
    assert first not in names(versions)
    assert names(versions)[:3] == later[::-1]
    versions.serve(later[0])
    versions.publish(tiny(5), name="ccsd")
    assert versions.model.current().version == names(versions)[0]


def test_a_better_epoch_of_one_training_takes_the_place_of_the_last(versions: Versions) -> None:
    first = versions.publish(tiny(1), name="ccsd")
    second = versions.publish(tiny(2), name="ccsd", replaces=first)
    assert names(versions)[0] == second
    assert first not in names(versions)


def test_weights_of_an_app_that_kept_no_versions_are_listed(versions: Versions) -> None:
    old = checkpoint.save(versions.model.published, tiny(7), name="ccsd")
    assert names(versions)[0] == old


@pytest.mark.parametrize("wrong", ["ccsd-0", "../pretrained", ""])
def test_a_version_that_is_not_kept_is_refused_with_those_that_are(versions: Versions, wrong: str) -> None:
    with pytest.raises(NotFoundError, match="expected one of shipped-"):
        versions.serve(wrong)


def test_a_damaged_file_is_neither_listed_nor_served(versions: Versions) -> None:
    first = versions.publish(tiny(1), name="ccsd")
    second = versions.publish(tiny(2), name="ccsd")
    (versions.folder / f"{first}.pt").write_bytes(b"half")
    with pytest.raises(InputError, match=f"{first}.pt cannot be read"):
        versions.serve(first)
    assert versions.model.current().version == second
    assert first not in names(versions)


def test_a_pinned_version_stays_served_whatever_is_published(versions: Versions) -> None:
    first = versions.publish(tiny(1), name="ccsd")
    versions.pin(first)
    later = [versions.publish(tiny(seed), name="ccsd") for seed in range(2, 7)]
    assert versions.model.current().version == first
    assert [v.version for v in versions.known() if v.pinned] == [first]  # kept, though more than three came after
    with pytest.raises(InputError, match=f"version {first} is pinned, expected it to be unpinned"):
        versions.serve(later[-1])
    versions.unpin()
    versions.serve(later[-1])
    assert versions.model.current().version == later[-1]


def test_weights_made_elsewhere_are_served_under_their_own_version(versions: Versions, tmp_path: Path) -> None:
    made = checkpoint.save(tmp_path / "made.pt", tiny(7), name="base", card=Card(made_by="elsewhere"), half=True)
    assert versions.add(tmp_path / "made.pt") == made
    assert versions.model.current().version == made
    assert versions.find(made).card.made_by == "elsewhere"


def test_a_file_that_is_no_weights_or_names_a_path_is_not_added(versions: Versions, tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(b"no weights")
    with pytest.raises(InputError, match=r"w\.pt cannot be read"):
        versions.add(tmp_path / "w.pt")
    checkpoint.save(tmp_path / "w.pt", tiny(7), name="../../outside")
    with pytest.raises(InputError, match="a name without slashes"):
        versions.add(tmp_path / "w.pt")
    assert not [v for v in versions.known() if v.version.startswith("..")]


def test_a_candidate_is_listed_with_its_reason_and_not_served(versions: Versions) -> None:
    first = versions.publish(tiny(1), name="ccsd")
    candidates = [versions.keep_back(tiny(s), name="ccsd", reason=f"worse {s}") for s in range(2, 7)]
    assert versions.model.current().version == first
    known = {v.version: v for v in versions.known()}
    assert known[candidates[-1]].card.kept_back == "worse 6"
    assert known[first].card.kept_back is None
    assert [c for c in candidates if c in known] == candidates[-3:]
    assert first in known


def test_two_versions_are_compared_by_dice_data_and_settings(versions: Versions) -> None:
    row = {"modalities": ["t1", "flair"], "WT": 0.5, "TC": 0.4, "ET": 0.3}
    old = Card(
        dice=(row,),
        training=("a", "b"),
        digests={"a": "1", "b": "1", "v": "1"},
        settings={"seed": 0, "losses": {"tau": 2}},
    )
    new = Card(
        dice=({**row, "WT": 0.7}, {**row, "modalities": ["t1"]}),
        training=("b", "c"),
        digests={"b": "2", "c": "1"},
        settings={"seed": 0, "losses": {"tau": 4}},
    )
    first = versions.find(versions.publish(tiny(1), name="ccsd", card=old))
    second = versions.find(versions.publish(tiny(2), name="ccsd", card=new))
    found = compare(first, second, BRATS)
    assert found["dice"] == [{"modalities": ["t1", "flair"], "WT": [0.5, 0.7], "TC": [0.4, 0.4], "ET": [0.3, 0.3]}]
    assert found["only"] == [["a"], ["c"]]
    assert found["changed"] == ["b"]
    assert found["settings"] == {"losses.tau": [2, 4]}


@pytest.mark.parametrize(
    ("first", "second", "comparable"),
    [
        (Card(validation=("a", "b")), Card(validation=("b", "a")), True),
        (Card(validation=("a", "b")), Card(validation=("a",)), False),
        (Card(), Card(), False),  # nobody knows on what
        (Card(validation=("a",), digests={"a": "1"}), Card(validation=("a",), digests={"a": "2"}), False),
        (Card(validation=("a",), digests={"b": "1"}), Card(validation=("a",), digests={"b": "2"}), True),
    ],
)
def test_dice_is_comparable_on_the_same_studies_with_the_same_labels(
    versions: Versions, first: Card, second: Card, comparable: bool
) -> None:
    both = [versions.find(versions.publish(tiny(i), name="ccsd", card=c)) for i, c in enumerate((first, second))]
    assert compare(*both, BRATS)["comparable"] is comparable


def test_the_command_lists_compares_rolls_back_and_pins(
    versions: Versions, tmp_path: Path, ccsd: Callable[..., str]
) -> None:
    versions.model.shipped.rename(tmp_path / "pretrained_ccsd.pt")  # as the app names it
    first = versions.publish(tiny(1), name="ccsd")
    second = versions.publish(tiny(2), name="ccsd")

    def command(*arguments: str) -> str:
        return ccsd("versions", *arguments, "--model", str(tmp_path))

    listed = command("list").splitlines()
    assert [text.split()[0] for text in listed[:2]] == [second, first]
    assert listed[0].endswith("served")
    assert f"{first} -> {second}" in command("compare", first, second)
    (pinned,) = [text for text in command("pin", first).splitlines() if text.endswith("served pinned")]
    assert pinned.startswith(first)
    with pytest.raises(SystemExit, match=f"^error: version {first} is pinned"):
        command("serve", second)
    command("unpin")
    command("serve", second)
    assert versions.model.current().version == second
