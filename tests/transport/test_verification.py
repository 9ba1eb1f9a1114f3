"""The second look at an exact distance: its bracket always holds, and whatever was tampered with is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

from otanalysis.arrays import Normalisation
from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.transport import ExactTransport, wasserstein2
from otanalysis.transport.verification import verify_transport

Cloud = Callable[[str, int, int], np.ndarray]

# HiGHS solves to 1e-7, relative to costs of about one.
PROGRAMME = 1e-7
# Sums of a few dozen float64 costs of small integers, relative to the largest.
ROUNDING = 1e-13
M, KEPT = 9, [4, 0, 7, 2]


def by_programme(tokens: np.ndarray, kept: list[int]) -> float:
    """Return the squared distance as SciPy's linear programme, on costs of about one."""
    m, k = len(tokens), len(kept)
    cost = np.sum((tokens[:, None] - tokens[None, kept]) ** 2, axis=2)
    scale = cost.max() or 1.0
    rows = np.kron(np.eye(m), np.ones(k))
    columns = np.kron(np.ones(m), np.eye(k))
    masses = np.concatenate([np.full(m, 1 / m), np.full(k, 1 / k)])
    solved = linprog((cost / scale).ravel(), A_eq=np.vstack([rows, columns]), b_eq=masses, method="highs")
    assert solved.status == 0
    return float(scale * solved.fun)


@pytest.fixture(scope="module")
def tokens() -> np.ndarray:
    return np.random.default_rng(5).integers(-4, 5, (M, 3)).astype(float)


@pytest.fixture(scope="module")
def transport(tokens: np.ndarray) -> ExactTransport:
    return wasserstein2(tokens, KEPT)


def test_the_bracket_holds_the_linear_programme_on_every_kind_of_cloud(small_cloud: Cloud, law: str) -> None:
    for seed in range(4):
        cloud = small_cloud(law, seed, M)
        found = verify_transport(cloud, wasserstein2(cloud, KEPT))
        exact = by_programme(cloud, KEPT)
        assert found.sound
        assert found.lower - PROGRAMME * found.largest_cost <= exact
        assert exact <= found.upper + PROGRAMME * found.largest_cost


@pytest.mark.parametrize("kind", ["none", "columns", "rows"])
def test_the_normalisation_of_the_transport_is_applied(tokens: np.ndarray, kind: Normalisation) -> None:
    moved = wasserstein2(tokens, KEPT, normalise=kind)
    assert verify_transport(tokens, moved).sound
    if kind != "none":
        assert not verify_transport(tokens, replace(moved, normalise="none")).sound


def test_random_plans_and_potentials_never_narrow_the_bracket_past_the_distance(
    tokens: np.ndarray, transport: ExactTransport
) -> None:
    generator = np.random.default_rng(0)
    exact = by_programme(tokens, KEPT)
    largest = verify_transport(tokens, transport).largest_cost
    for _ in range(300):
        size = generator.choice([1e-6, 0.01, 1.0])
        u, v = (one + size * largest * generator.standard_normal(one.shape) for one in transport.potentials)
        plan = transport.plan + size * generator.standard_normal(transport.plan.shape) / M
        found = verify_transport(tokens, replace(transport, plan=plan, potentials=(u, v)))
        assert found.lower <= exact + PROGRAMME * largest
        assert found.upper >= exact - PROGRAMME * largest
        assert not found.sound


def test_potentials_that_are_too_high_are_lowered_by_what_they_violate(
    tokens: np.ndarray, transport: ExactTransport
) -> None:
    u, v = transport.potentials
    found = verify_transport(tokens, replace(transport, potentials=(u + 10.0, v)))
    assert found.infeasibility == pytest.approx(10.0, rel=ROUNDING)
    assert found.lower == pytest.approx(transport.squared_distance, rel=ROUNDING)
    one = u.copy()
    one[3] += 10.0
    assert verify_transport(tokens, replace(transport, potentials=(one, v))).lower < found.lower - 5.0
    low = verify_transport(tokens, replace(transport, potentials=(u - 10.0, v)))
    assert low.infeasibility < 1e-9
    assert not low.sound


def test_a_plan_that_moves_too_little_is_charged_for_it(
    tokens: np.ndarray, transport: ExactTransport
) -> None:
    for share in (0.0, 0.5, 1.0 - 1e-6):
        found = verify_transport(tokens, replace(transport, plan=share * transport.plan))
        assert found.marginal_error == pytest.approx(2.0 * (1.0 - share), abs=ROUNDING)
        assert found.upper > transport.squared_distance
        assert not found.sound


def test_negative_entries_cannot_buy_a_lower_cost() -> None:
    # Marginals are right and the optimum is 1/6; the negative entry alone would make the plan cheaper, and
    # charging its mass once at the largest cost would still leave the plan below the optimum.
    tokens = np.array([[0.0], [0.0], [1.0]])
    transport = wasserstein2(tokens, [0, 2])
    sixth, shift = 1.0 / 6.0, 0.05
    stayed = [sixth + shift, sixth - shift]
    plan = np.array([[1.0 / 3.0, 0.0], stayed, [-shift, 1.0 / 3.0 + shift]])
    np.testing.assert_allclose(plan.sum(axis=0), 0.5)
    np.testing.assert_allclose(plan.sum(axis=1), 1.0 / 3.0)
    found = verify_transport(tokens, replace(transport, plan=plan))
    assert found.upper >= sixth
    assert found.marginal_error == pytest.approx(2.0 * shift)


@pytest.mark.parametrize("seed", range(3))
def test_no_signed_plan_with_right_marginals_costs_less_than_the_upper_end_says(seed: int) -> None:
    generator = np.random.default_rng(seed)
    tokens = np.repeat([[0.0], [1.0]], [5, 2], axis=0)
    transport = wasserstein2(tokens, [0, 5])
    for _ in range(200):
        swing = generator.standard_normal(transport.plan.shape) / 7
        swing -= swing.mean(axis=0)
        swing -= swing.mean(axis=1)[:, None]
        found = verify_transport(tokens, replace(transport, plan=transport.plan + swing))
        assert found.upper >= transport.squared_distance - ROUNDING


@pytest.mark.parametrize("factor", [0.0, 0.9, 1.0 + 1e-6, np.nan])
def test_a_claimed_distance_that_the_plan_does_not_have_is_unsound(
    tokens: np.ndarray, transport: ExactTransport, factor: float
) -> None:
    lie = replace(transport, squared_distance=factor * transport.squared_distance)
    found = verify_transport(tokens, lie)
    assert found.upper - found.lower <= ROUNDING * found.largest_cost
    assert not found.sound


def test_a_claim_between_equal_tokens_is_unsound_too() -> None:
    equal = np.full((5, 2), 0.1)
    transport = wasserstein2(equal, [0, 3])
    assert verify_transport(equal, transport).error == 0.0
    assert verify_transport(equal, replace(transport, squared_distance=1e-300)).error == np.inf


@pytest.mark.parametrize("broken", ["plan", "potentials"])
def test_values_that_are_no_numbers_are_unsound(
    tokens: np.ndarray, transport: ExactTransport, broken: str
) -> None:
    hollow = (transport.potentials[0] * np.nan, transport.potentials[1])
    given = {"plan": transport.plan * np.nan, "potentials": hollow}
    assert not verify_transport(tokens, replace(transport, **{broken: given[broken]})).sound


def test_other_tokens_and_other_indices_are_seen(tokens: np.ndarray, transport: ExactTransport) -> None:
    moved = tokens.copy()
    moved[1, 0] += 1e-3
    assert not verify_transport(moved, transport).sound
    assert not verify_transport(tokens[::-1].copy(), transport).sound
    swapped = transport.indices[[1, 0, 2, 3]]
    assert not verify_transport(tokens, replace(transport, indices=swapped)).sound
    assert verify_transport(tokens + 3.0, transport).sound  # a distance does not see a translation
    with pytest.raises(InputError, match=r"of 9 tokens; got 8"):
        verify_transport(tokens[1:], transport)


def test_a_wrong_distance_matrix_is_seen(tokens: np.ndarray) -> None:
    image = Image(tokens)
    image.__dict__["squared_distances"] = (
        image.squared_distances * np.where(np.arange(len(tokens)) > 0, 1.0 + 1e-6, 1.0)[:, None]
    )
    assert not verify_transport(tokens, wasserstein2(image, KEPT)).sound
    assert not verify_transport(image, wasserstein2(image, KEPT)).sound


def test_the_order_of_the_kept_tokens_does_not_matter_and_chunks_agree(
    monkeypatch: pytest.MonkeyPatch, tokens: np.ndarray, transport: ExactTransport
) -> None:
    whole = verify_transport(tokens, transport)
    monkeypatch.setattr("otanalysis.transport.verification._CHUNK_ENTRIES", 1)
    assert verify_transport(tokens, transport) == whole
    turned = verify_transport(tokens, wasserstein2(tokens, KEPT[::-1]))
    assert turned.upper == pytest.approx(whole.upper, rel=ROUNDING)


@pytest.mark.parametrize(
    "field", ["distance", "squared_distance", "duality_gap", "infeasibility", "plan", "potentials"]
)
@pytest.mark.parametrize("value", [-1.0, 1.0, np.nan, np.inf, -np.inf])
def test_a_number_that_was_changed_is_unsound(
    tokens: np.ndarray, transport: ExactTransport, field: str, value: float
) -> None:
    u, v = transport.potentials
    lies = {"plan": np.full_like(transport.plan, value), "potentials": (np.full_like(u, value), v)}
    assert not verify_transport(tokens, replace(transport, **{field: lies.get(field, value)})).sound


def test_the_distance_with_the_other_sign_is_unsound(tokens: np.ndarray, transport: ExactTransport) -> None:
    assert not verify_transport(tokens, replace(transport, distance=-transport.distance)).sound


@pytest.mark.parametrize(
    "lie",
    [
        {"indices": np.array([4, 0])},
        {"indices": None},
        {"plan": [[1.0], [2.0, 3.0]]},
        {"plan": None},
        {"plan": np.ones(M)},
        {"plan": np.ones((M, 4)) * 1j},
        {"weights": None},
        {"kept_weights": None},
        {"weights": np.ones(4), "kept_weights": np.ones(M)},
        {"potentials": None},
        {"potentials": (None, None)},
        {"potentials": (np.ones(4), np.ones(M))},
        {"distance": "far"},
        {"distance": None},
        {"duality_gap": 1j},
        {"normalise": None},
    ],
)
def test_what_is_no_transport_is_refused(
    tokens: np.ndarray, transport: ExactTransport, lie: dict[str, Any]
) -> None:
    with pytest.raises(InputError, match="must"):
        verify_transport(tokens, replace(transport, **lie))
    with pytest.raises(InputError, match="transport must be what wasserstein2 returns; got None"):
        verify_transport(tokens, None)  # type: ignore[arg-type]
