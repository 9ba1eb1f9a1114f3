"""Bounds of spectral objectives against every subset, on clouds that break careless linear algebra."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from otanalysis.arrays import FloatArray
from otanalysis.studies.table2.branch_and_bound import best_subset
from otanalysis.studies.table2.rung_objectives import rung_measure, rung_objective
from otanalysis.studies.table2.spectral_relaxation import SpectralObjective, Tangent, best_tangent
from otanalysis.surrogate import RUNGS, Ladder

M = 9
RUNG_NUMBERS = (1, 2, 3, 4, 5)

ROUNDING = 1e-12
"""Values of at most nine tokens, relative to the terms that were summed: a few hundred ulps."""

CANCELLED = 1e-7
"""Rungs 1 and 2 are differences of traces: where they nearly vanish, the square roots of eigenvalues at the
level of an ulp, 1e-8, stay."""


def clouds() -> dict[str, FloatArray]:
    generator = np.random.default_rng(0)
    plain = generator.standard_normal((M, 4))
    twins = plain.copy()
    twins[5:] = twins[:4]
    ties = generator.integers(-1, 2, (M, 3)).astype(float)
    zeros = plain.copy()
    zeros[[0, 4]] = 0.0
    outlier = plain.copy()
    outlier[3] *= 1e3
    flat = plain[:, :1] @ plain[:1]
    return {
        "plain": plain,
        "wide": generator.standard_normal((M, 20)),
        "shifted": plain + 5.0,
        "twins": twins,
        "ties": ties,
        "zeros": zeros,
        "outlier": outlier,
        "flat": flat,
    }


CLOUDS = clouds()


def every(keep: int) -> NDArray[np.int64]:
    return np.array(list(combinations(range(M), keep)))


def slack(tangent: Tangent, objective: SpectralObjective, scores: FloatArray) -> float:
    """Smallest distance of a plane above the scores of all subsets."""
    subsets = every(objective.keep)
    return float(np.min(tangent.intercept + tangent.slopes[subsets].sum(axis=1) - scores))


def points(keep: int, generator: np.random.Generator) -> list[FloatArray]:
    """Weights inside, on the boundary and at a corner of what is feasible."""
    corner = np.zeros(M)
    corner[generator.permutation(M)[:keep]] = 1.0
    other = np.zeros(M)
    other[generator.permutation(M)[:keep]] = 1.0
    return [np.full(M, keep / M), corner, 0.3 * corner + 0.7 * other]


@pytest.mark.parametrize("number", RUNG_NUMBERS)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_every_plane_lies_above_every_subset(cloud: str, number: int) -> None:
    generator = np.random.default_rng(1)
    ladder = Ladder(CLOUDS[cloud])
    for keep in range(1, M):
        rung = rung_objective(ladder, keep, number)
        scores = rung.scores(every(keep))
        for point in points(keep, generator):
            tangent = rung.objective.tangent(point)
            assert slack(tangent, rung.objective, scores) >= 0.0
            assert tangent.bound(np.zeros(M, dtype=np.int64), keep) >= scores.max()


@pytest.mark.parametrize("number", RUNG_NUMBERS[1:])
def test_the_relaxation_is_the_objective_at_a_subset(number: int) -> None:
    ladder = Ladder(CLOUDS["wide"])
    for keep in range(1, M):
        objective = rung_objective(ladder, keep, number).objective
        for kept in every(keep)[::7]:
            corner = np.zeros(M)
            corner[kept] = 1.0
            assert objective.tangent(corner).value == pytest.approx(objective.value(kept), rel=1e-6)


def test_a_plane_that_is_a_little_too_low_is_caught() -> None:
    rung = rung_objective(Ladder(CLOUDS["wide"]), 3, 4)
    scores = rung.scores(every(3))
    corner = np.zeros(M)
    corner[every(3)[int(np.argmax(scores))]] = 1.0
    tangent = rung.objective.tangent(corner)
    lower = Tangent(corner, tangent.value, tangent.intercept - 1e-9 * tangent.value, tangent.slopes)
    assert slack(lower, rung.objective, scores) < 0.0


def test_averaging_all_eigenvalues_over_too_few_tokens_is_caught() -> None:
    """A relaxation that believes in fewer tokens than are kept does not bound them."""
    ladder = Ladder(CLOUDS["wide"])
    right = rung_objective(ladder, 4, 4)
    rows = right.objective
    wrong = SpectralObjective(rows.vectors, rows.offsets, rows.scale, rows.transform, keep=2)
    scores = right.scores(every(4))
    tangent = wrong.tangent(np.full(M, 4 / M))
    assert np.min(tangent.intercept + tangent.slopes[every(4)].sum(axis=1) - scores) < 0.0


@pytest.mark.parametrize("number", RUNG_NUMBERS)
def test_the_ascent_lowers_the_bound_and_obeys_the_state(number: int) -> None:
    keep = 4
    rung = rung_objective(Ladder(CLOUDS["wide"]), keep, number)
    state = np.zeros(M, dtype=np.int64)
    state[[0, 1]] = 1, -1
    start = np.full(M, keep / M)
    first = best_tangent(rung.objective, state, start=start, enough=-np.inf, steps=0)
    last = best_tangent(rung.objective, state, start=start, enough=-np.inf, steps=60)
    agreeing = [kept for kept in every(keep) if 0 in kept and 1 not in kept]
    best = rung.scores(np.array(agreeing)).max()
    assert best <= last.bound(state, keep) < first.bound(state, keep)
    assert last.point[0] == 1.0
    assert last.point[1] == 0.0
    assert last.point.sum() == pytest.approx(keep)
    assert ((last.point >= 0) & (last.point <= 1)).all()


@pytest.mark.parametrize("number", RUNG_NUMBERS)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_branching_ends_at_the_best_of_all_subsets(cloud: str, number: int) -> None:
    ladder = Ladder(CLOUDS[cloud])
    for keep in (1, 4, M - 1):
        rung = rung_objective(ladder, keep, number)
        search = best_subset(rung.objective, [np.arange(keep)], node_limit=10_000, score=rung.score)
        best = float(rung.scores(every(keep)).max())
        scale = abs(best) + np.abs(rung.objective.offsets).sum()
        assert search.exact
        assert search.value == pytest.approx(best, abs=1e-9 * scale)
        assert rung.score(search.kept) == search.value


def test_without_branching_the_bound_is_valid_and_open() -> None:
    rung = rung_objective(Ladder(CLOUDS["wide"]), 4, 3)
    search = best_subset(rung.objective, [np.arange(4)], node_limit=1)
    assert not search.exact
    assert search.value <= rung.scores(every(4)).max() <= search.bound
    assert search.nodes == 1


def test_an_objective_that_does_not_bound_the_score_is_caught_by_enumeration() -> None:
    right = rung_objective(Ladder(CLOUDS["wide"]), 3, 4)
    scores = right.scores(every(3))
    offsets = np.zeros(M)
    offsets[every(3)[int(np.argmax(scores))]] = -1.0
    low = SpectralObjective(right.objective.vectors, offsets, 1.0, "log1p", 3)
    search = best_subset(low, [np.array([0, 1, 2])], node_limit=10_000, score=right.score)
    assert search.bound < scores.max()


@pytest.mark.parametrize("cloud", CLOUDS)
def test_values_in_bulk_are_those_of_the_ladder(cloud: str) -> None:
    ladder = Ladder(CLOUDS[cloud])
    subsets = every(4)[::9]
    bulk = {rung.column: rung_measure(ladder, 4, rung)(subsets) for rung in RUNGS}
    for number, kept in enumerate(subsets):
        single = ladder.values(kept)
        scale = float(np.mean(np.sum(CLOUDS[cloud] ** 2, axis=1)))
        for rung in RUNGS:
            room = CANCELLED * scale if rung.number in (1, 2, 3) else ROUNDING * scale
            assert bulk[rung.column][number] == pytest.approx(single[rung.column], rel=1e-9, abs=room)
