"""Exact transport from a neighbour's: what solving the whole problem finds, of few entries of the cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from otanalysis.image import Image
from otanalysis.selection import select
from otanalysis.transport import neighbour, simplex, squared_distances
from otanalysis.transport.exact import ExactTransport, solve_exact
from otanalysis.transport.neighbour import Neighbour

Solved = list[tuple[int, int]]
"""Entries handed to the solver, and those of the whole cost."""


@pytest.fixture(autouse=True)
def solved(monkeypatch: pytest.MonkeyPatch) -> Solved:
    """Let problems of any size begin at a neighbour's, and tell what the solver gets."""
    seen: Solved = []
    real = neighbour.network_simplex

    def counted(cost: Any, *rest: Any) -> Any:
        seen.append((cost.nnz if hasattr(cost, "nnz") else cost.size, cost.shape[0] * cost.shape[1]))
        return real(cost, *rest)

    monkeypatch.setattr(neighbour, "_WORTH_IT", 1)
    for module in (neighbour, simplex):
        monkeypatch.setattr(module, "network_simplex", counted)
    return seen


def cloud(seed: int, law: str, m: int) -> np.ndarray:
    """Return tokens [m, 4]."""
    generator = np.random.default_rng(seed)
    tokens = generator.standard_normal((m, 4))
    match law:
        case "heavy":
            tokens *= np.exp(generator.standard_normal((m, 1)))
        case "duplicates":
            tokens[: m // 3] = tokens[m // 3 : 2 * (m // 3)]
        case "grid":
            tokens = np.floor(tokens)
        case "one place":
            tokens[m // 2 :] = tokens[0]
    return tokens


def problem(seed: int, law: str = "noise", m: int = 120, keep: int = 18) -> tuple[np.ndarray, np.ndarray]:
    """Return the squared distances of a cloud and a kept set."""
    return squared_distances(cloud(seed, law, m)), np.random.default_rng([seed, m]).permutation(m)[:keep]


def some_moved(cost: np.ndarray, kept: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Return the kept tokens with a share of them exchanged for any others, in their columns."""
    generator = np.random.default_rng(seed)
    moved, columns = kept.copy(), generator.permutation(len(kept))[: int(share * len(kept))]
    moved[columns] = generator.permutation(np.setdiff1d(np.arange(len(cost)), kept))[: len(columns)]
    return moved


def assert_same(one: ExactTransport, other: ExactTransport) -> None:
    """Compare plans, and values to the rounding of sums."""
    np.testing.assert_allclose(one.plan, other.plan, rtol=0, atol=1e-15)
    assert one.squared_distance == pytest.approx(other.squared_distance, rel=1e-14)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("law", ["noise", "heavy", "duplicates"])
@pytest.mark.parametrize("weighted", [False, True])
def test_from_a_neighbour_the_plan_is_that_of_the_whole_problem(
    seed: int, share: float, law: str, weighted: bool
) -> None:
    cost, kept = problem(seed, law)
    weights = np.random.default_rng(seed).exponential(size=len(cost))
    masses = weights / weights.sum() if weighted else None
    near = solve_exact(cost, kept, masses=masses)
    other = some_moved(cost, kept, share, seed)
    whole = solve_exact(cost, other, masses=masses)

    assert_same(solve_exact(cost, other, masses=masses, near=near), whole)


def test_a_neighbour_needs_few_entries_and_few_rounds(solved: Solved) -> None:
    cost, kept = problem(0, m=400, keep=60)
    near = solve_exact(cost, kept)
    moved = some_moved(cost, kept, 0.05, 0)
    solved.clear()

    solve_exact(cost, moved, near=near)

    assert 1 <= len(solved) <= 4
    assert all(entries < whole / 6 for entries, whole in solved)


def test_a_bad_neighbour_costs_rounds_and_changes_nothing(solved: Solved) -> None:
    """Its plan is any with the right masses, its potentials are none: missing entries are found."""
    cost, kept = problem(1)
    whole = solve_exact(cost, kept)
    m, k = whole.plan.shape
    unrelated = squared_distances(np.random.default_rng(9).standard_normal((m, 3)))
    elsewhere = solve_exact(unrelated, np.arange(k)).plan
    bad = Neighbour(elsewhere, np.zeros(m), np.zeros(k), moved=np.zeros(k, dtype=bool))
    solved.clear()

    scale = cost[kept].max()
    found = neighbour.solve_from(
        bad.over(scale), cost[kept].T / scale, *[np.full(n, 1.0 / n) for n in (m, k)], 10**6
    )

    assert found is not None
    assert len(solved) > 1
    assert sorted(solved) == solved, "entries are added, and none is dropped"
    np.testing.assert_allclose(found[0], whole.plan, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("why", "tries"), [("small", 0), ("moved", 0), ("one place", 0), ("grid", 1), ("rounds", 1)]
)
def test_where_it_would_not_pay_the_whole_problem_is_solved(
    monkeypatch: pytest.MonkeyPatch, solved: Solved, why: str, tries: int
) -> None:
    cost, kept = problem(2, why)
    near = solve_exact(cost, kept)
    other = some_moved(cost, kept, 0.8 if why == "moved" else 0.3, 2)
    whole = solve_exact(cost, other)
    if why == "small":
        monkeypatch.setattr(neighbour, "_WORTH_IT", len(cost) * len(kept) + 1)
    if why == "rounds":
        monkeypatch.setattr(neighbour, "_ROUNDS", 1)
        monkeypatch.setattr(neighbour, "_ENTRIES_A_TOKEN", 1)
    solved.clear()

    found = solve_exact(cost, other, near=near)

    assert solved[-1] == (len(cost) * len(kept),) * 2
    assert len(solved) - 1 == tries
    np.testing.assert_array_equal(found.plan, whole.plan)
    np.testing.assert_array_equal(found.potentials[1], whole.potentials[1])


def test_a_wrong_answer_of_the_shortcut_does_not_become_a_distance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cost, kept = problem(3)
    near, other = solve_exact(cost, kept), some_moved(cost, kept, 0.3, 3)
    whole = solve_exact(cost, other)
    monkeypatch.setattr(simplex, "solve_from", lambda *_: (near.plan, near.potentials[1]))

    assert_same(solve_exact(cost, other, near=near), whole)


@pytest.mark.parametrize("law", ["noise", "heavy", "duplicates"])
@pytest.mark.parametrize("seed", range(3))
def test_ot_medoids_keep_what_they_keep_without_neighbours(
    monkeypatch: pytest.MonkeyPatch, solved: Solved, law: str, seed: int
) -> None:
    image = Image(
        cloud(seed, law, 150),
        weights=np.random.default_rng(seed).exponential(size=150) if seed == 1 else None,
    )
    quick = select(image, "ot-medoids", keep=24).indices
    shortcuts = sum(entries < whole for entries, whole in solved)
    monkeypatch.setattr(neighbour, "_WORTH_IT", np.inf)

    np.testing.assert_array_equal(select(image, "ot-medoids", keep=24).indices, quick)
    assert shortcuts > 0
