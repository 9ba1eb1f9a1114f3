"""BUILD looks at few tokens and picks what the package kmedoids picks by looking at all."""

from __future__ import annotations

import kmedoids
import numpy as np
import pytest

from otanalysis.transport import medoids as build, squared_distances
from otanalysis.transport.medoids import build_medoids


def cloud(kind: str, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    m = int(generator.integers(2, 40))
    if kind == "noise":
        return generator.standard_normal((m, 3))
    if kind == "duplicates":
        return generator.standard_normal((m, 3))[generator.integers(0, m // 2 + 1, m)]
    # Ties everywhere, and steps that no double holds: the order of the sums decides.
    return 0.1 * generator.integers(0, 4, size=(m, 2))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("kind", ["noise", "duplicates", "grid"])
def test_picks_are_those_of_the_package(kind: str, seed: int) -> None:
    cost = squared_distances(cloud(kind, seed))
    whole = build_medoids(cost, len(cost))
    for keep in {1, 2, len(cost) // 2 + 1, len(cost)}:
        np.testing.assert_array_equal(build_medoids(cost, keep), kmedoids.pam_build(cost, keep).medoids)
        np.testing.assert_array_equal(build_medoids(cost, keep), whole[:keep])


def test_few_tokens_are_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    real = build._changes
    monkeypatch.setattr(
        build,
        "_changes",
        lambda cost, nearest, tokens: (looks.extend(tokens), real(cost, nearest, tokens))[1],
    )
    m, keep = 200, 50
    build_medoids(squared_distances(np.random.default_rng(0).standard_normal((m, 3))), keep)
    assert m < len(looks) < m * keep / 5


def test_values_of_earlier_alone_pick_others() -> None:
    cost = squared_distances(cloud("noise", 3))
    first = kmedoids.pam_build(cost, 1).medoids[0]
    stale = np.argsort(build._changes(cost, cost[first], range(len(cost))))
    assert len(cost) > 8
    assert set(stale[:7]) != set(kmedoids.pam_build(cost, 8).medoids[1:])
