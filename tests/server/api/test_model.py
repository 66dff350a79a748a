from __future__ import annotations

from ccsd.method import subsets
from ccsd.method.task import BRATS
from ccsd.models.card import Card
from ccsd.models.versions import Version
from ccsd.server.page.model import by_size, listed, served

ROWS = [
    {"modalities": list(subsets.names(s, BRATS.modalities)), "WT": subsets.size(s) / 5, "TC": 0.5, "ET": 0.1}
    for s in subsets.lattice(0b1111)
]
CARD = Card("small-1", dice=tuple(ROWS), validation=("a", "b"), training=("c",), parent="untrained")


def test_the_curve_goes_from_all_modalities_to_one() -> None:
    sizes = by_size(ROWS, BRATS)
    assert list(sizes) == [4, 3, 2, 1]
    assert [round(s["WT"], 6) for s in sizes.values()] == [0.8, 0.6, 0.4, 0.2]


def test_the_served_model_has_its_table_and_the_area_under_its_curve() -> None:
    found = served(CARD, BRATS)
    assert len(found["dice"]) == 15
    assert found["aurc"] == {"WT": 0.5, "TC": 0.5, "ET": 0.1}
    assert found["training"] == ["c"]
    assert [label["colour"] for label in found["labels"]] == ["#d55e00", "#56b4e9", "#f0e442"]
    assert found["regions"]["TC"] == ["necrotic and non-enhancing core", "enhancing tumour"]


def test_weights_without_an_evaluation_show_no_figures() -> None:
    found = served(Card(), BRATS)
    assert (found["dice"], found["sizes"], found["aurc"], found["average"]) == ([], {}, None, None)
    (one,) = listed([Version(Card(), served=True)], BRATS)
    assert one["mean"] is None


def test_versions_have_the_mean_of_their_table() -> None:
    (one,) = listed([Version(CARD, served=True)], BRATS)
    assert round(one["mean"], 4) == round(sum(r["WT"] + 0.6 for r in ROWS) / 45, 4)
    assert one["served"] is True
