"""The smooth bound: above the bound by no more than its widths allow, with the gradient of its value."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from otanalysis.transport import squared_distances
from otanalysis.transport.floor.cuts import CapacityCuts
from otanalysis.transport.floor.lagrangian import Prices, evaluate
from otanalysis.transport.floor.smoothed_dual import short_list, smooth_bound

M, KEEP, CUTS = 14, 4, 3


def problem(seed: int, *, sized: bool = False) -> tuple[np.ndarray, CapacityCuts, np.ndarray]:
    """Return a cost [m, m], cuts and prices [m + c]; sized tokens are not one each."""
    generator = np.random.default_rng(seed)
    drawn = np.random.default_rng([seed, 1]).exponential(size=M) * (np.arange(M) != 2)
    cost = squared_distances(generator.standard_normal((M, 3)))
    groups = generator.random((2, CUTS, M)) < 0.5
    prices = np.concatenate([generator.random(M), 0.1 * generator.random(CUTS)])
    return (
        cost / cost.max(),
        CapacityCuts(groups[0], groups[1], M / KEEP, M * drawn / drawn.sum() if sized else None),
        prices,
    )


def smooth(
    cost: np.ndarray, cuts: CapacityCuts, prices: np.ndarray, widths: tuple[float, float]
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Return value, slope, shares and kept, with lists of all pairs."""
    every = np.tile(np.arange(M), (M, 1))
    short = short_list(every, cost, cuts.served, cuts.keepers)
    slope, shares, kept = np.zeros(M + CUTS), np.zeros((M, M)), np.zeros(M)
    sizes = np.zeros(0) if cuts.sizes is None else cuts.sizes
    value = smooth_bound(
        short, KEEP, cuts.rest, cuts.limit, prices[:M], prices[M:], sizes, np.array(widths),
        np.zeros(M + 1), shares, kept, slope,
    )  # fmt: skip
    return float(value), slope, shares, kept


@pytest.mark.parametrize("sized", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_it_is_above_the_bound_by_what_the_widths_allow(seed: int, sized: bool) -> None:
    cost, cuts, prices = problem(seed, sized=sized)
    exact = M * evaluate(cost, KEEP, Prices(prices[:M], cuts, prices[M:]))

    for tau, sigma in ((1e-1, 1e-1), (1e-3, 1e-2), (1e-6, 1e-6)):
        value, *_ = smooth(cost, cuts, prices, (tau, sigma))
        # The kept ones' squares sum to keep at most, the shares' of each to the capacity.
        assert exact - 1e-9 <= value <= exact + 0.5 * KEEP * (tau * M / KEEP + sigma) + 1e-9


@pytest.mark.parametrize("sized", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_its_slope_is_the_change_of_its_value(seed: int, sized: bool) -> None:
    cost, cuts, prices = problem(seed, sized=sized)
    widths, step = (0.05, 0.1), 1e-6

    _, slope, *_ = smooth(cost, cuts, prices, widths)

    change = [
        (smooth(cost, cuts, prices + move, widths)[0] - smooth(cost, cuts, prices - move, widths)[0])
        / (2 * step)
        for move in step * np.eye(M + CUTS)
    ]
    np.testing.assert_allclose(slope, change, atol=1e-6)


@pytest.mark.parametrize("sized", [False, True])
def test_a_fill_is_the_smallest_of_its_definition(sized: bool) -> None:
    cost, cuts, prices = problem(0, sized=sized)
    sizes = np.ones(M) if cuts.sizes is None else cuts.sizes
    tau, capacity = 0.05, M / KEEP
    *_, shares, kept = smooth(cost, cuts, prices, (tau, 0.1))
    rows = cost - prices[:M] + cuts.surcharge(prices[M:])

    for j in range(M):
        found = minimize(
            lambda h, row: (sizes * h) @ (row + 0.5 * tau * h),
            np.full(M, capacity / M),
            args=(rows[j],),
            bounds=[(0, 1)] * M,
            constraints={"type": "eq", "fun": lambda h: sizes @ h - capacity},
            method="SLSQP",
            options={"ftol": 1e-12},
        )
        np.testing.assert_allclose(sizes * shares[j], sizes * found.x, atol=1e-4)
    assert kept.sum() == pytest.approx(KEEP, rel=1e-9)
    assert kept.min() >= 0.0
    assert kept.max() <= 1.0
