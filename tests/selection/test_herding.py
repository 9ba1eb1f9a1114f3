"""Herding: every pick minimises the discrepancy by its definition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import energy_distance

from otanalysis.errors import InputError
from otanalysis.selection import SELECTORS, select
from otanalysis.selection.herding import Herding

Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]


def cloud(seed: int, m: int = 24, d: int = 4) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.standard_normal((m, d)) + 3 * generator.integers(0, 3, size=(m, 1))


def negative_distance(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return -cdist(left, right)


def gaussian(tokens: np.ndarray, bandwidth: float) -> Kernel:
    unit = bandwidth * cdist(tokens, tokens).mean()
    return lambda left, right: np.exp(-cdist(left, right, "sqeuclidean") / (2 * unit**2))


def discrepancy(tokens: np.ndarray, kept: list[int], kernel: Kernel) -> float:
    """Return the squared discrepancy between the kept tokens and all, by its definition."""
    own = tokens[kept]
    return float(kernel(own, own).mean() - 2 * kernel(own, tokens).mean() + kernel(tokens, tokens).mean())


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", ["energy", "gaussian"])
def test_every_pick_minimises_the_discrepancy(name: str, seed: int, library: str) -> None:
    tokens = cloud(seed)
    kernel = negative_distance if name == "energy" else gaussian(tokens, 0.5)
    order: list[int] = []
    for _ in range(9):
        worth = [np.inf if one in order else discrepancy(tokens, [*order, one], kernel) for one in range(24)]
        order.append(int(np.argmin(worth)))
    given: Any = tokens if library == "numpy" else pytest.importorskip("torch").from_numpy(tokens)

    chosen = select(given, Herding(name, bandwidth=0.5), keep=9)  # type: ignore[arg-type]

    assert chosen.pick_order.tolist() == order


def test_the_objective_is_the_energy_distance_of_another_library() -> None:
    tokens, kept = cloud(3, d=1), [0, 4, 5, 17]
    expected = energy_distance(tokens[kept, 0], tokens[:, 0]) ** 2
    assert SELECTORS["herding"].objective_value(tokens, kept) == pytest.approx(-expected, rel=1e-9)


@pytest.mark.parametrize("kernel", ["energy", "gaussian"])
def test_all_tokens_have_no_discrepancy_and_some_have_one(kernel: Any) -> None:
    tokens, selector = cloud(0), Herding(kernel)
    assert selector.objective_value(tokens, range(24)) == pytest.approx(0.0, abs=1e-12)
    some = selector.objective_value(tokens, [0, 1, 2])
    assert some == pytest.approx(
        -discrepancy(tokens, [0, 1, 2], negative_distance if kernel == "energy" else gaussian(tokens, 1.0))
    )
    assert some < -1e-3


def test_it_follows_the_masses_of_two_groups() -> None:
    """Three quarters of the tokens in one place, and so of the kept ones: a spread set would take half."""
    tokens = np.random.default_rng(0).standard_normal((40, 3)) + np.repeat([0.0, 40.0], [30, 10])[:, None]
    assert (select(tokens, "herding", keep=8).indices < 30).sum() == 6
    assert (select(tokens, "fps", keep=2).indices < 30).sum() == 1


def test_tokens_that_are_all_alike_are_taken_in_order() -> None:
    for kernel in ("energy", "gaussian"):
        assert select(np.ones((6, 2)), Herding(kernel), keep=3).pick_order.tolist() == [0, 1, 2]


@pytest.mark.parametrize("bandwidth", [1e-300, 1e300])
def test_an_extreme_bandwidth_is_no_error(bandwidth: float) -> None:
    """All tokens unlike each other, or all alike: nothing to choose by, the lowest index is left."""
    chosen = select(cloud(0), Herding("gaussian", bandwidth), keep=4)
    assert chosen.pick_order.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"kernel": "cosine"}, "kernel must be one of"),
        ({"bandwidth": 0.0}, "bandwidth must be a positive, finite number"),
        ({"bandwidth": "wide"}, "bandwidth must be a positive, finite number"),
    ],
)
def test_bad_parameters_are_refused(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Herding(**parameters)
