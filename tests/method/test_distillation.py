from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from ccsd.method import distillation, subsets


def column(*channels: float) -> torch.Tensor:
    """One location of a study: (1, C, 1, 1, 1)."""
    return torch.tensor(channels, dtype=torch.float64).reshape(1, -1, 1, 1, 1)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_divergence_equals_a_hand_computed_value() -> None:
    # teacher logits (ln 3, 0) at tau 1 give p = (3/4, 1/4); student (0, 0) gives (1/2, 1/2)
    expected = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert distillation.divergence(column(math.log(3), 0), column(0, 0), 1.0).item() == pytest.approx(expected)


def test_divergence_is_scaled_by_the_square_of_the_temperature() -> None:
    # at tau 2, logits (2 ln 3, 0) give the same p = (3/4, 1/4), and the result is 4 times as large
    expected = 4 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert distillation.divergence(column(2 * math.log(3), 0), column(0, 0), 2.0).item() == pytest.approx(expected)


def test_hmsd_is_the_mean_over_levels_of_the_mean_within_a_level() -> None:
    z = {s: column(float(s), 0.0) for s in subsets.lattice(0b111)}

    def kl(s: int) -> float:
        return distillation.divergence(z[0b111], z[s], 2.0).item()

    singles = (kl(0b001) + kl(0b010) + kl(0b100)) / 3
    pairs = (kl(0b011) + kl(0b101) + kl(0b110)) / 3
    assert distillation.hmsd(z, 0b111, tau=2.0).item() == pytest.approx((singles + pairs) / 2)


def test_drawing_subsets_leaves_the_expectation_of_hmsd_unchanged() -> None:
    random = torch.Generator().manual_seed(0)
    z = {s: torch.randn(1, 3, 1, 1, 1, generator=random, dtype=torch.float64) for s in subsets.lattice(0b1111)}
    exact = distillation.hmsd(z, 0b1111, tau=2.0).item()
    draws = [distillation.hmsd(z, 0b1111, tau=2.0, per_level=1, generator=random).item() for _ in range(4000)]
    mean = sum(draws) / len(draws)
    error = (sum((d - mean) ** 2 for d in draws) / len(draws) ** 2) ** 0.5  # standard error of the mean
    assert abs(mean - exact) < 4 * error
    assert error < 0.02 * exact


def test_drawing_at_least_as_many_subsets_as_there_are_is_exact() -> None:
    z = {s: column(float(s), 0.0) for s in subsets.lattice(0b1111)}
    drawn = distillation.hmsd(z, 0b1111, tau=2.0, per_level=6, generator=generator())
    assert drawn.item() == distillation.hmsd(z, 0b1111, tau=2.0).item()


def test_a_lazy_lattice_makes_only_what_is_looked_up_and_once() -> None:
    made: list[int] = []
    z = distillation.Lazy(lambda s: (made.append(s), column(float(s), 1.0))[1])
    distillation.dmcd(z, 0b111, tau=2.0, generator=generator(), path="random")
    assert sorted(made) == sorted(set(made))
    assert len(made) == 3  # the chain itself: a random path compares nothing


def test_region_divergence_equals_a_hand_computed_value_and_sees_a_shift_of_all_regions() -> None:
    # sigmoid(ln 3) = 3/4 against sigmoid(0) = 1/2, for both regions
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    logits = column(math.log(3), math.log(3))
    assert distillation.region_divergence(logits, column(0, 0), 1.0).item() == pytest.approx(expected)
    assert distillation.divergence(logits, column(0, 0), 1.0).item() == pytest.approx(0)


def hand_made_lattice() -> dict[int, torch.Tensor]:
    """Three modalities; leaving out 1 turns Z most, then, of {0, 2}, leaving out 0."""
    return {
        0b111: column(1, 0),
        0b110: column(1, 0.1),
        0b101: column(0, 1),
        0b011: column(1, 0.5),
        0b001: column(0.1, 1),
        0b100: column(1, 0.2),
        0b010: column(1, 1),
    }


def test_criticality_is_the_negative_cosine_to_the_set_without_the_modality() -> None:
    scores = {m: score.item() for m, score in distillation.criticality(hand_made_lattice(), 0b111).items()}
    assert scores[0] == pytest.approx(-1 / math.sqrt(1.01), abs=1e-6)
    assert scores[1] == pytest.approx(0.0)
    assert scores[2] == pytest.approx(-1 / math.sqrt(1.25), abs=1e-6)


@pytest.mark.parametrize(("path", "order"), [("most", [0b111, 0b101, 0b100]), ("least", [0b111, 0b110, 0b100])])
def test_the_chain_removes_the_modality_of_its_path(path: distillation.Path, order: list[int]) -> None:
    assert distillation.chain(hand_made_lattice(), 0b111, path=path, generator=generator()) == order


def test_a_random_chain_removes_one_modality_at_a_time() -> None:
    order = distillation.chain(hand_made_lattice(), 0b111, path="random", generator=generator())
    assert [subsets.size(s) for s in order] == [3, 2, 1]
    assert all(b & ~a == 0 for a, b in pairwise(order))


def test_dmcd_is_the_mean_divergence_along_the_chain() -> None:
    z = hand_made_lattice()
    steps = [(0b111, 0b101), (0b101, 0b100)]
    expected = sum(distillation.divergence(z[a], z[b], 2.0).item() for a, b in steps) / 2
    assert distillation.dmcd(z, 0b111, tau=2.0, generator=generator()).item() == pytest.approx(expected)


def test_each_study_of_a_batch_has_its_own_chain() -> None:
    first = hand_made_lattice()
    second = {s: column(1, float(s)) for s in first}
    both = {s: torch.cat([first[s], second[s]]) for s in first}
    apart = [distillation.dmcd(z, 0b111, tau=1.0, generator=generator()).item() for z in (first, second)]
    together = distillation.dmcd(both, 0b111, tau=1.0, generator=generator()).item()
    assert together == pytest.approx(sum(apart) / 2)


def test_one_modality_distils_nothing_and_gives_zero() -> None:
    z = {0b010: column(1, 2).requires_grad_()}
    assert distillation.hmsd(z, 0b010, tau=2.0).item() == 0
    assert distillation.dmcd(z, 0b010, tau=2.0, generator=generator()).item() == 0


def test_normalised_features_do_not_see_how_large_a_channel_is() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(1, 3, 4, 4, 4), torch.randn(1, 3, 4, 4, 4)
    scale, shift = torch.tensor([1.0, 100.0, 0.01])[None, :, None, None, None], 5.0
    plain = distillation.normalised_divergence(a, b, 2.0).item()
    assert distillation.normalised_divergence(a * scale + shift, b, 2.0).item() == pytest.approx(plain, rel=1e-3)
    assert distillation.normalised_divergence(a, a * scale, 2.0).item() == pytest.approx(0, abs=1e-5)
    assert plain > 0.01


def test_another_teacher_takes_the_place_of_the_full_set() -> None:
    z = {s: column(float(s), 0.0) for s in subsets.lattice(0b11)}
    teacher = column(0.0, 3.0)
    expected = sum(distillation.divergence(teacher, z[s], 2.0).item() for s in (0b01, 0b10)) / 2
    assert distillation.hmsd(z, 0b11, tau=2.0, teacher=teacher).item() == pytest.approx(expected)


def test_the_teacher_gets_no_gradient() -> None:
    teacher, student = column(1, 2).requires_grad_(), column(3, 1).requires_grad_()
    distillation.divergence(teacher, student, 2.0).backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert student.grad.abs().sum() > 0


def test_gradients_agree_with_finite_differences() -> None:
    torch.manual_seed(0)
    fixed = {s: torch.randn(1, 3, 2, 1, 1, dtype=torch.float64) for s in (0b11, 0b10)}
    student = torch.randn(1, 3, 2, 1, 1, dtype=torch.float64, requires_grad=True)

    def both_terms(x: torch.Tensor) -> torch.Tensor:
        z = {**fixed, 0b01: x}
        return distillation.hmsd(z, 0b11, tau=2.0) + distillation.divergence(fixed[0b11], x, 3.0)

    assert torch.autograd.gradcheck(both_terms, (student,))
