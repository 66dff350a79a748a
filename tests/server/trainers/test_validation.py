from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccsd.server.trainers.validation import choose_validation


def test_the_list_grows_with_the_labels_and_keeps_what_it_has(tmp_path: Path) -> None:
    file = tmp_path / "validation.txt"
    ids = [f"study-{i}" for i in range(20)]
    assert choose_validation(ids[:4], file, share=0.2, trained=[]) == []
    first = choose_validation(ids[:5], file, share=0.2, trained=[])
    assert len(first) == 1
    later = choose_validation(ids, file, share=0.2, trained=[])
    assert later[0] == first[0]
    assert len(later) == 4
    assert file.read_text().split() == later


def test_a_study_that_was_trained_on_never_validates(tmp_path: Path) -> None:
    ids = ["a", "b", "c", "d", "e"]
    assert choose_validation(ids, tmp_path / "v.txt", share=0.4, trained=ids[:4]) == ["e"]


def test_a_list_that_a_person_wrote_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "validation.txt"
    file.write_text("b\nd\nnot labelled yet\n")
    assert choose_validation(["a", "b", "c", "d"], file, share=0, trained=["b"]) == ["b", "d"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.floats(0, 0.9))
def test_whatever_is_labelled_when_no_study_changes_sides(tmp_path: Path, growth: list[int], share: float) -> None:
    file = tmp_path / "validation.txt"
    file.unlink(missing_ok=True)
    count, trained, validated = 0, set[str](), set[str]()
    for more in growth:
        count += more
        ids = [f"s{i}" for i in range(count)]
        chosen = choose_validation(ids, file, share=share, trained=trained)
        assert validated <= set(chosen)
        assert not trained & set(chosen)
        assert len(chosen) <= max(len(validated), int(count * share))
        validated = set(chosen)
        trained |= set(ids) - validated
