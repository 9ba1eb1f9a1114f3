"""Exact W2 between any masses: against linear programmes, rational arithmetic, closed forms and laws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import ot
import pytest
from hypothesis import assume, given, settings, strategies as st
from scipy.optimize import linprog

import otanalysis as ota
from otanalysis.errors import ConvergenceError, InputError
from otanalysis.transport import ExactTransport
from otanalysis.transport.verification import verify_transport

Cloud = Callable[[str, int, int], np.ndarray]

# HiGHS stops at primal and dual feasibilities of 1e-7, relative to costs of about one.
PROGRAMME = 1e-7
# Two orders of summation of some hundred float64 terms.
ROUNDING = 1e-12
# Squared distances are right to this share, and the optimum over them with them.
COSTS = 1e-9
M, KEPT = 12, [7, 0, 4, 10]


def costs(tokens: np.ndarray, kept: list[int] | np.ndarray) -> np.ndarray:
    """Return the squared distances [m, k]."""
    return np.asarray(np.sum((tokens[:, None] - tokens[None, kept]) ** 2, axis=2))


def by_programme(cost: np.ndarray, rows: np.ndarray, columns: np.ndarray | None) -> tuple[float, float]:
    """Return the values of the primal and of the dual programme; without columns their masses are free."""
    (m, k), scale = cost.shape, cost.max() or 1.0
    of_rows, of_columns = np.kron(np.eye(m), np.ones(k)), np.kron(np.ones(m), np.eye(k))
    equal = of_rows if columns is None else np.vstack([of_rows, of_columns])
    masses = rows if columns is None else np.concatenate([rows, columns])
    primal = linprog((cost / scale).ravel(), A_eq=equal, b_eq=masses, method="highs")
    dual = linprog(-masses, A_ub=equal.T, b_ub=(cost / scale).ravel(), bounds=(None, None), method="highs")
    assert primal.status == dual.status == 0
    return float(scale * primal.fun), float(-scale * dual.fun)


def by_knapsack(cost: list[list[Fraction]], rows: list[Fraction], columns: list[Fraction]) -> Fraction:
    """Return the exact optimum for two kept tokens: the first takes what it is cheaper for, first of all."""
    room, total = columns[0], Fraction(0)
    for i in sorted(range(len(rows)), key=lambda i: cost[i][0] - cost[i][1]):
        taken = min(rows[i], room)
        room -= taken
        total += taken * cost[i][0] + (rows[i] - taken) * cost[i][1]
    return total


def shares(masses: np.ndarray) -> list[Fraction]:
    """Return masses over their sum, exactly."""
    exact = [Fraction(float(one)) for one in masses]
    return [one / sum(exact) for one in exact]


def drawn_weights(kind: str, seed: int, m: int) -> np.ndarray:
    """Return weights of a kind that a caller may have, none of them all zero."""
    generator = np.random.default_rng([seed, m])
    weights = generator.exponential(size=m)
    match kind:
        case "zeros":
            return np.where(np.arange(m) % 3 == 1, 0.0, weights)
        case "tiny":
            return np.where(np.arange(m) % 2 == 1, 1e-12, weights + 0.1)
        case "whole":
            return 1.0 + generator.integers(0, 4, m)
        case "one has all":
            return (np.arange(m) == m - 1) * 1.0
        case "any unit":
            return 1e200 * weights
    return weights


KINDS = ("exponential", "zeros", "tiny", "whole", "one has all", "any unit")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kept_kind", ["uniform", "exponential", "zeros", "tiny"])
def test_agrees_with_both_linear_programmes_on_every_kind_of_cloud(
    small_cloud: Cloud, law: str, kind: str, kept_kind: str
) -> None:
    tokens = small_cloud(law, 0, M)
    weights = drawn_weights(kind, 1, M)
    kept_weights: Any = "uniform" if kept_kind == "uniform" else drawn_weights(kept_kind, 2, len(KEPT))
    cost = costs(tokens, KEPT)

    found = ota.wasserstein2(tokens, KEPT, weights=weights, kept_weights=kept_weights)
    primal, dual = by_programme(cost, found.weights, found.kept_weights)

    tolerance = PROGRAMME * cost.max()
    assert found.squared_distance == pytest.approx(primal, abs=tolerance)
    assert found.squared_distance == pytest.approx(dual, abs=tolerance)
    np.testing.assert_allclose(found.weights, weights / weights.max() / (weights / weights.max()).sum())
    check_proof(tokens, found)


def check_proof(tokens: np.ndarray, found: ExactTransport) -> None:
    """Plan, masses, potentials and gap as they are documented, from the definitions."""
    cost, (u, v) = costs(tokens, found.indices), found.potentials
    assert found.plan.min() >= 0.0
    np.testing.assert_allclose(found.plan.sum(1), found.weights, rtol=ROUNDING, atol=1e-15)
    np.testing.assert_allclose(found.plan.sum(0), found.kept_weights, rtol=ROUNDING, atol=1e-15)
    assert found.weights.sum() == pytest.approx(1.0, rel=1e-15)
    assert found.kept_weights.sum() == pytest.approx(1.0, rel=1e-15)
    assert found.kept_weights @ v == pytest.approx(0.0, abs=ROUNDING * cost.max())
    assert found.infeasibility <= ROUNDING * cost.max()
    assert abs(found.duality_gap) <= 1e-10 * found.squared_distance
    assert float(found.weights @ u) == pytest.approx(found.squared_distance, abs=ROUNDING * cost.max())
    checked = verify_transport(tokens, found)
    assert checked.sound
    assert checked.lower <= checked.upper * (1 + COSTS)


@pytest.mark.parametrize("exponent", [0, -6, -12, -40])
@pytest.mark.parametrize("seed", range(10))
def test_masses_of_any_size_agree_with_rational_arithmetic(seed: int, exponent: int) -> None:
    generator = np.random.default_rng(seed)
    m = int(generator.integers(3, 30))
    tokens = generator.standard_normal((m, 2))
    weights = 10.0 ** generator.uniform(exponent, 0, m)
    kept, kept_weights = [2, 0], 10.0 ** generator.uniform(exponent, 0, 2)
    cost = [[Fraction(float(one)) for one in row] for row in ota.squared_distances(tokens)[:, kept]]

    found = ota.wasserstein2(tokens, kept, weights=weights, kept_weights=kept_weights)

    truth = by_knapsack(cost, shares(weights), shares(kept_weights))
    assert abs(Fraction(found.squared_distance) - truth) <= Fraction(1e-10) * truth


@settings(max_examples=60)
@given(data=st.data(), m=st.integers(2, 7))
def test_whole_weights_are_so_many_copies_of_a_token(data: st.DataObject, m: int) -> None:
    rows = st.lists(st.integers(-3, 3), min_size=2, max_size=2)
    tokens = np.array(data.draw(st.lists(rows, min_size=m, max_size=m)), dtype=float)
    kept = data.draw(st.lists(st.integers(0, m - 1), min_size=1, max_size=m, unique=True))
    copies = data.draw(st.lists(st.integers(1, 3), min_size=m, max_size=m))
    many = np.repeat(tokens, copies, axis=0)
    places = (np.cumsum(copies) - 1)[kept]

    repeated = ota.wasserstein2(many, places)
    # Where duplicates leave nothing to move but the rounding of the masses, the distance is refused.
    assume(repeated.squared_distance > 0.0)
    found = ota.wasserstein2(tokens, kept, weights=copies)

    assert found.squared_distance == pytest.approx(repeated.squared_distance, rel=1e-9, abs=1e-14)
    assert ota.quantisation_error(tokens, kept, weights=copies) == pytest.approx(
        ota.quantisation_error(many, places), rel=1e-9, abs=1e-14
    )


def test_equal_weights_are_no_weights_and_the_unit_does_not_matter() -> None:
    tokens = np.random.default_rng(0).standard_normal((40, 3))
    plain = ota.wasserstein2(tokens, KEPT)
    weights = drawn_weights("exponential", 3, 40)
    weighted = ota.wasserstein2(tokens, KEPT, weights=weights, kept_weights=[1, 2, 3, 4])

    for equal in (np.ones(40), np.full(40, 1e-300), [7] * 40):
        found = ota.wasserstein2(tokens, KEPT, weights=equal, kept_weights=[0.1] * 4)
        assert found.squared_distance == plain.squared_distance
        np.testing.assert_array_equal(found.plan, plan := plain.plan)
        assert plan.shape == (40, 4)
    for factor in (1e-200, 3.0, 1e200):
        found = ota.wasserstein2(
            tokens, KEPT, weights=factor * weights, kept_weights=factor * np.arange(1, 5)
        )
        assert found.squared_distance == pytest.approx(weighted.squared_distance, rel=ROUNDING)
    assert abs(weighted.squared_distance / plain.squared_distance - 1) > 0.01


def test_masses_that_are_nearly_uniform_give_nearly_the_uniform_distance() -> None:
    tokens = np.random.default_rng(1).standard_normal((40, 3))
    nearly = 1.0 + 1e-14 * np.arange(40)

    found = ota.wasserstein2(tokens, KEPT, weights=nearly)

    assert found.squared_distance == pytest.approx(
        ota.wasserstein2(tokens, KEPT).squared_distance, rel=ROUNDING
    )
    assert verify_transport(tokens, found).sound


def test_laws_of_order_translation_and_scale() -> None:
    tokens = np.random.default_rng(2).standard_normal((M, 3))
    weights, kept_weights = drawn_weights("zeros", 4, M), np.array([1.0, 0.0, 2.0, 5.0])
    base = ota.wasserstein2(tokens, KEPT, weights=weights, kept_weights=kept_weights)
    order = np.random.default_rng(5).permutation(M)
    places = np.argsort(order)[KEPT]

    moved = [
        ota.wasserstein2(tokens[order], places, weights=weights[order], kept_weights=kept_weights),
        ota.wasserstein2(tokens, KEPT[::-1], weights=weights, kept_weights=kept_weights[::-1]),
        ota.wasserstein2(tokens + 7.0, KEPT, weights=weights, kept_weights=kept_weights),
        ota.wasserstein2(ota.Image(tokens, weights=weights), KEPT, kept_weights=kept_weights),
    ]
    large = ota.wasserstein2(1e150 * tokens, KEPT, weights=weights, kept_weights=kept_weights)

    for one in moved:
        assert one.squared_distance == pytest.approx(base.squared_distance, rel=1e-9)
    assert large.distance == pytest.approx(1e150 * base.distance, rel=1e-9)
    other = ota.wasserstein2(tokens, KEPT, weights=weights, kept_weights=kept_weights[::-1])
    assert abs(other.squared_distance / base.squared_distance - 1) > 0.01  # kept weights go with the order


def test_a_token_without_weight_is_not_there_but_can_be_kept() -> None:
    tokens = np.random.default_rng(3).standard_normal((M, 3))
    weights = drawn_weights("zeros", 6, M)  # that of tokens 7, 4 and 10 is zero
    there = np.flatnonzero(weights)
    kept = [0, 2, 5]

    whole = ota.wasserstein2(tokens, kept, weights=weights)
    without = ota.wasserstein2(tokens[there], np.searchsorted(there, kept), weights=weights[there])

    assert whole.squared_distance == pytest.approx(without.squared_distance, rel=ROUNDING)
    assert not ota.wasserstein2(tokens, KEPT, weights=weights).plan[np.setdiff1d(range(M), there)].any()


@pytest.mark.parametrize("kind", KINDS)
def test_free_masses_are_the_best_of_all_and_proved_so(small_cloud: Cloud, law: str, kind: str) -> None:
    tokens, weights = small_cloud(law, 7, M), drawn_weights(kind, 8, M)
    cost = costs(tokens, KEPT)

    found = ota.wasserstein2(tokens, KEPT, weights=weights, kept_weights="optimal")
    primal, dual = by_programme(cost, found.weights, None)

    assert found.squared_distance == pytest.approx(primal, abs=PROGRAMME * cost.max())
    assert found.squared_distance == pytest.approx(dual, abs=PROGRAMME * cost.max())
    assert found.squared_distance == ota.quantisation_error(tokens, KEPT, weights=weights)
    assert found.duality_gap == 0.0
    assert not found.potentials[1].any()
    check_proof(tokens, found)


def test_free_masses_of_uniform_tokens_beat_uniform_and_random_ones() -> None:
    tokens = np.random.default_rng(9).standard_normal((M, 3))
    free = ota.wasserstein2(tokens, KEPT, kept_weights="optimal")
    others = np.random.default_rng(10).exponential(size=(20, 4))

    assert free.squared_distance == ota.quantisation_error(tokens, KEPT)
    again = ota.wasserstein2(tokens, KEPT, kept_weights=free.kept_weights)
    assert again.squared_distance == pytest.approx(free.squared_distance, rel=ROUNDING)
    for kept_weights in ("uniform", *others):
        other = ota.wasserstein2(tokens, KEPT, kept_weights=kept_weights)
        assert free.squared_distance < other.squared_distance


def _dearer(found: ExactTransport) -> ExactTransport:
    plan = np.outer(found.weights, found.kept_weights)
    return replace(found, plan=plan)


def _other_masses(found: ExactTransport) -> ExactTransport:
    return replace(found, weights=found.weights[::-1])


def _other_kept_masses(found: ExactTransport) -> ExactTransport:
    return replace(found, kept_weights=found.kept_weights[::-1])


def _lower_potentials(found: ExactTransport) -> ExactTransport:
    return replace(found, potentials=(found.potentials[0] - 0.01, found.potentials[1]))


def _claimed_free(found: ExactTransport) -> ExactTransport:
    return replace(found, free=True)


@pytest.mark.parametrize(
    "damage", [_dearer, _other_masses, _other_kept_masses, _lower_potentials, _claimed_free]
)
def test_what_was_tampered_with_is_seen(damage: Callable[[ExactTransport], ExactTransport]) -> None:
    tokens = np.random.default_rng(11).standard_normal((M, 3))
    weights = drawn_weights("exponential", 12, M)
    given = ota.wasserstein2(tokens, KEPT, weights=weights, kept_weights=[1, 2, 3, 4])
    free = ota.wasserstein2(tokens, KEPT, weights=weights, kept_weights="optimal")

    assert verify_transport(tokens, given).sound
    assert not verify_transport(tokens, damage(given)).sound
    if damage is not _claimed_free:
        assert verify_transport(tokens, free).sound
        assert not verify_transport(tokens, damage(free)).sound


def test_masses_that_no_weights_have_are_refused_by_the_second_look() -> None:
    tokens = np.random.default_rng(11).standard_normal((M, 3))
    found = ota.wasserstein2(tokens, KEPT)
    with pytest.raises(InputError, match="kept_weights must be finite, not negative"):
        verify_transport(tokens, replace(found, kept_weights=np.array([1.0, -1.0, 0.5, 0.5])))


def test_a_wrong_answer_of_the_solver_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens, weights = np.random.default_rng(13).standard_normal((M, 3)), drawn_weights("tiny", 14, M)
    solve = ot.emd

    def independent(*args: Any, **options: Any) -> Any:
        _, log = solve(*args, **options)
        return np.outer(args[0], args[1]) / np.sum(args[1]), log

    monkeypatch.setattr(ot, "emd", independent)
    with pytest.raises(ConvergenceError, match="leave those out or give them zero"):
        ota.wasserstein2(tokens, KEPT, weights=weights)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": np.ones(3)}, r"weights must be 12 numbers, one a token; got shape \(3,\)"),
        ({"weights": np.ones((12, 1))}, r"weights must be 12 numbers"),
        ({"weights": -np.ones(12)}, "not negative and not all zero; got -1 to -1"),
        ({"weights": np.zeros(12)}, "not all zero"),
        ({"weights": np.full(12, np.nan)}, "must be finite"),
        ({"weights": [np.inf] + [1.0] * 11}, "must be finite"),
        ({"weights": ["a"] * 12}, "weights must hold real numbers"),
        ({"kept_weights": np.ones(12)}, "kept_weights must be 4 numbers"),
        (
            {"kept_weights": "best"},
            "kept_weights must be one of",
        ),
    ],
)
def test_weights_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    tokens = np.random.default_rng(15).standard_normal((M, 3))
    with pytest.raises(InputError, match=message):
        ota.wasserstein2(tokens, KEPT, **options)


def test_torch_weights_give_the_same_answer() -> None:
    torch = pytest.importorskip("torch")
    tokens, weights = np.random.default_rng(16).standard_normal((M, 3)), drawn_weights("exponential", 17, M)

    found = ota.wasserstein2(torch.tensor(tokens), KEPT, weights=torch.tensor(weights))

    assert found.squared_distance == ota.wasserstein2(tokens, KEPT, weights=weights).squared_distance


def test_weights_a_subnormal_share_of_the_largest_bring_no_warning() -> None:
    # One over the least mass is beyond float64. Warnings are errors here.
    tokens = [[0.83], [-1.76], [-0.37], [-0.71], [-0.69], [2.84]]
    weights = [1.4e-170, 1.4e20, 2.2e-173, 4.7e51, 1.8e-27, 1.5e28]
    kept_weights = [7.9e114, 1.2e-169, 4.2e-174, 5.5e139]
    with pytest.raises(ConvergenceError, match="leave those out or give them zero"):
        ota.wasserstein2(tokens, [5, 0, 1, 3], weights=weights, kept_weights=kept_weights)
