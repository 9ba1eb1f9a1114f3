"""The optimum of every rung against the measure of every subset, by each of the ways to find it."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from otanalysis.errors import ConvergenceError
from otanalysis.studies.table2 import optimum as optimum_module
from otanalysis.studies.table2.laws import LAWS
from otanalysis.studies.table2.optimum import FEASIBILITY, Optimum, capacitated_medoids, optimum
from otanalysis.studies.table2.rung_objectives import rung_measure
from otanalysis.surrogate import RUNGS, Ladder
from otanalysis.transport import squared_distances, wasserstein2

EXACT = 1e-8
"""What enumeration (nothing), branch and bound and the integer programme (both 1e-9) leave."""


def brute_force(ladder: Ladder, keep: int) -> dict[str, float]:
    """Best value of every rung by the plain ladder, subset by subset."""
    m = len(ladder.tokens)
    every = [ladder.values(np.array(kept)) for kept in combinations(range(m), keep)]
    return {
        rung.column: (max if rung.maximised else min)(one[rung.column] for one in every) for rung in RUNGS
    }


def found(ladder: Ladder, keep: int) -> dict[str, Optimum]:
    start = np.arange(keep)
    return {
        rung.column: optimum(ladder, keep, rung, [start], rung_measure(ladder, keep, rung)(start[None, :]))
        for rung in RUNGS
    }


@pytest.fixture(params=list(LAWS))
def ladder(request: pytest.FixtureRequest) -> Ladder:
    return Ladder(LAWS[request.param].draw(np.random.default_rng(3), 9, 4))


@pytest.mark.parametrize("keep", [1, 4])
def test_enumeration_finds_the_best_of_every_rung(ladder: Ladder, keep: int) -> None:
    wanted = brute_force(ladder, keep)
    for column, best in found(ladder, keep).items():
        assert best.kind == "enumerated"
        assert best.best_known == best.bound == pytest.approx(wanted[column], rel=EXACT)


@pytest.mark.parametrize("keep", [1, 4])
def test_branching_and_the_integer_programme_find_the_same(
    ladder: Ladder, keep: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optimum_module, "ENUMERATED_UP_TO", 0)
    monkeypatch.setattr(optimum_module, "NODE_LIMITS", (10_000, 10_000))
    wanted = brute_force(ladder, keep)
    for column, best in found(ladder, keep).items():
        assert best.kind == ("milp" if column == RUNGS[0].column else "branch-and-bound")
        assert best.best_known == best.bound == pytest.approx(wanted[column], rel=EXACT)


@pytest.mark.parametrize("keep", [2, 4, 7])
def test_certificates_and_the_best_found_enclose_the_optimum(
    ladder: Ladder, keep: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optimum_module, "ENUMERATED_UP_TO", 0)
    monkeypatch.setattr(optimum_module, "SEARCHED_UP_TO", 0)
    wanted, got = brute_force(ladder, keep), found(ladder, keep)
    for rung in RUNGS:
        best = got[rung.column]
        low, high = sorted((best.best_known, best.bound))
        assert best.kind == ("branch-and-bound" if low == high else "certificate")
        assert low <= wanted[rung.column] * (1 + EXACT)
        assert high >= wanted[rung.column] * (1 - EXACT)
        assert (best.bound == high) == rung.maximised or low == high


def test_a_search_that_is_stopped_early_says_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    ladder = Ladder(LAWS["gaussian"].draw(np.random.default_rng(0), 11, 10))
    monkeypatch.setattr(optimum_module, "ENUMERATED_UP_TO", 0)
    monkeypatch.setattr(optimum_module, "NODE_LIMITS", (2, 2))
    best = found(ladder, 5)["bures_w2_squared"]
    assert best.kind == "certificate"
    assert best.bound < brute_force(ladder, 5)["bures_w2_squared"] <= best.best_known


def test_a_subset_that_is_better_than_the_bound_is_an_error(ladder: Ladder) -> None:
    start = np.arange(4)
    values = rung_measure(ladder, 4, RUNGS[5])(start[None, :])
    with pytest.raises(ConvergenceError, match="on rung 5"):
        optimum(ladder, 4, RUNGS[5], [start], values * 100)


@pytest.mark.parametrize("keep", [1, 3, 4, 7])
@pytest.mark.parametrize("seed", range(4))
def test_the_integer_programme_is_exact_among_ties_and_twins(seed: int, keep: int) -> None:
    generator = np.random.default_rng(seed)
    tokens = generator.integers(0, 3, (8, 2)).astype(float)
    cost = squared_distances(tokens)
    every = [wasserstein2(tokens, kept).squared_distance for kept in combinations(range(8), keep)]
    kept, bound = capacitated_medoids(cost, keep)
    own = wasserstein2(tokens, kept).squared_distance
    assert own == pytest.approx(min(every), abs=EXACT)
    assert bound <= min(every)
    assert bound == pytest.approx(min(every), abs=2 * FEASIBILITY * cost.max())
    assert max(every) > min(every) + EXACT  # or any subset would do


def test_laws_are_what_they_say() -> None:
    draws = {name: law.draw(np.random.default_rng(0), 900, 6) for name, law in LAWS.items()}
    assert {tokens.shape for tokens in draws.values()} == {(900, 6)}
    np.testing.assert_allclose(np.linalg.norm(draws["unit-rows"], axis=1), 1.0, rtol=1e-14)
    # Means and deviations of 5400 numbers: a standard error of 0.014.
    assert abs(draws["gaussian"].mean()) < 0.05
    assert abs(draws["gaussian"].std() - 1) < 0.05
    assert draws["uniform"].min() >= 0
    assert draws["uniform"].max() < 1
    assert abs(draws["uniform"].mean() - 0.5) < 0.02
    near = np.sort(squared_distances(draws["clustered"]), axis=1)[:, 1:10].mean()
    assert near < squared_distances(draws["clustered"]).mean() / 10


@pytest.mark.parametrize("law", list(LAWS))
def test_laws_follow_their_generator(law: str) -> None:
    first, again, other = (LAWS[law].draw(np.random.default_rng(seed), 12, 3) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
