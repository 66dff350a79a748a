"""A training's end in words."""

from __future__ import annotations

from ccsd.models.card import Card
from ccsd.models.versions import Version
from ccsd.server.page.outcome import in_words

NEW = Card("ccsd-2", validation=("a", "b", "c"), training=("d",), score=0.7123)
STATS = {"version": "ccsd-2", "history": [{"score": 0.6831}, {"score": 0.7123}]}


def test_published_weights_say_how_good_they_are_and_were_on_how_many_studies() -> None:
    said = in_words("published ccsd-2: mean validation Dice 0.712, 0.683 before", STATS, [Version(NEW, served=True)])
    assert said == "New weights are served: mean Dice on 3 validation studies 0.712, before 0.683."


def test_it_is_said_where_the_validation_studies_were_trained_on_and_where_there_was_nothing_before() -> None:
    own = Card("ccsd-2", validation=("a",), training=("a",), score=0.5)
    stats = {"version": "ccsd-2", "history": [{"score": None}]}
    said = in_words("published ccsd-2: first", stats, [Version(own, served=True)])
    assert said == (
        "New weights are served: mean Dice on 1 study 0.500, they are the first. "
        "They were trained on these, too: too few are labelled to hold one out."
    )


def test_a_pinned_version_stays_served() -> None:
    versions = [Version(NEW, served=False), Version(Card("ccsd-1"), served=True, pinned=True)]
    said = in_words("published ccsd-2: better; ccsd-1 is pinned and stays served", STATS, versions)
    assert said is not None
    assert said.startswith("New weights are published, but ccsd-1 is pinned and stays served: mean Dice on 3")


def test_weights_that_are_kept_back_say_why() -> None:
    candidate = Card("ccsd-3", kept_back="mean validation Dice fell from 0.700 to 0.600, at most 0.01 is allowed")
    stats = {"version": None, "history": [{"score": 0.7}]}
    said = in_words(
        "kept back as candidate ccsd-3: mean validation Dice fell", stats, [Version(candidate, served=False)]
    )
    assert said == (
        "The old weights stay served, because mean validation Dice fell from 0.700 to 0.600, at most 0.01 is allowed. "
        "The new ones are kept as candidate ccsd-3."
    )


def test_a_training_that_failed_after_another_one_published_tells_of_its_own_end() -> None:
    said = in_words("stopped; what was published stays", STATS, [Version(NEW, served=True)])
    assert said == "Stopped; what was published stays."
    assert in_words(None, STATS, []) is None
