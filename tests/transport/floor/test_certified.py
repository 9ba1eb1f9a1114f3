"""What both floors share: laws of scale, order and effort, what they refuse, and the share left open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from otanalysis.errors import InputError
from otanalysis.transport import quantisation_floor, wasserstein2_floor
from otanalysis.transport.floor.certified import CertifiedFloor, ratio_of_squares

Floor = Callable[..., CertifiedFloor]

# The ascents' distance from an optimum that they can reach.
REACHED = 1e-6


@pytest.fixture(params=[wasserstein2_floor, quantisation_floor])
def floor_of(request: pytest.FixtureRequest) -> Floor:
    """Return each of the floors in turn."""
    found: Floor = request.param
    return found


@pytest.mark.parametrize("factor", [2.0, 2.0**-10, 2.0**100, 2.0**-120])
def test_powers_of_two_scale_everything(floor_of: Floor, factor: float) -> None:
    tokens = np.random.default_rng(6).standard_normal((20, 3))

    one, scaled = floor_of(tokens, 5), floor_of(factor * tokens, 5)

    assert scaled.squared_distance == factor**2 * one.squared_distance
    assert scaled.distance == factor * one.distance
    np.testing.assert_array_equal(scaled.multipliers, factor**2 * one.multipliers)
    np.testing.assert_array_equal(scaled.best.indices, one.best.indices)


def test_laws_of_scale_translation_and_order(floor_of: Floor) -> None:
    tokens = 10.0 * np.eye(3)[np.arange(14) % 3] + np.random.default_rng(7).standard_normal((14, 3))
    base = floor_of(tokens, 3).distance
    order = np.random.default_rng(8).permutation(14)

    assert floor_of(1e-5 * tokens, 3).distance == pytest.approx(1e-5 * base, rel=REACHED)
    assert floor_of(tokens + 30.0, 3).distance == pytest.approx(base, rel=REACHED)
    assert floor_of(tokens[order], 3).distance == pytest.approx(base, rel=REACHED)


def test_more_effort_helps(floor_of: Floor) -> None:
    tokens = np.random.default_rng(9).standard_normal((60, 8))

    assert floor_of(tokens, 12, effort=3.0).gap < floor_of(tokens, 12, effort=0.01).gap


def test_torch_tokens_give_the_same_floor(floor_of: Floor) -> None:
    torch = pytest.importorskip("torch")
    tokens = np.random.default_rng(15).standard_normal((10, 2))

    floor = floor_of(torch.tensor(tokens, requires_grad=True), 3)

    assert floor.squared_distance == floor_of(tokens, 3).squared_distance


def test_the_gap_is_what_the_bound_leaves_open_of_the_best_set(floor_of: Floor) -> None:
    floor = floor_of(np.random.default_rng(16).standard_normal((30, 4)), 6)

    assert floor.gap == 1.0 - floor.squared_distance / floor.best.squared_distance > 0.0
    assert ratio_of_squares(floor.best, floor) == pytest.approx(1.0 / (1.0 - floor.gap))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"keep": 0}, "1..5"),
        ({"keep": 6}, "1..5"),
        ({"keep": 2.0}, "integer"),
        ({"effort": 0.0}, "positive and finite"),
        ({"effort": -1.0}, "positive and finite"),
        ({"effort": np.nan}, "positive and finite"),
        ({"effort": np.inf}, "positive and finite"),
        ({"normalise": "columm"}, "normalise must be one of"),
        ({"weights": [1.0, 2.0]}, "weights"),
        ({"tokens": np.full((5, 2), np.inf)}, "finite"),
        ({"tokens": np.zeros(5)}, "matrix"),
        ({"tokens": 1e200 * np.eye(5)}, "too large"),
    ],
)
def test_what_makes_no_sense_is_refused(floor_of: Floor, changed: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"tokens": np.eye(5), "keep": 2}

    with pytest.raises(InputError, match=message):
        floor_of(**(given | changed))
