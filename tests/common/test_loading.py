"""Modules load without a search for garbage; afterwards there is one again, among what is new."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from ccsd.common.loading import without_garbage_collection


@pytest.fixture(autouse=True)
def nothing_stays_frozen() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_garbage_is_collected_again_after_the_imports_and_what_they_made_is_passed_over() -> None:
    with without_garbage_collection():
        assert not gc.isenabled()
        made = [object()]
    assert gc.isenabled()
    assert not any(known is made for known in gc.get_objects())


def test_an_import_that_fails_leaves_the_collecting_as_it_was() -> None:
    with pytest.raises(ImportError), without_garbage_collection():
        raise ImportError
    assert gc.isenabled()
