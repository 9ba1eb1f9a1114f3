"""Set functions over all subsets: what is found is there, and is the worst there is."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from otanalysis.errors import InputError
from otanalysis.surrogate import logdet_value
from otanalysis.theorem.setfunctions import logdet_table, tabulate, worst_addition, worst_nesting

# Sums of a few log-determinants of a well-conditioned matrix of six rows.
ROUNDING = 1e-10


def value(kept: np.ndarray) -> float:
    """Neither monotone nor submodular."""
    return float(np.sin(3.0 * kept.sum()) + 0.3 * len(kept) ** 2)


def nested(m: int) -> list[tuple[tuple[int, ...], tuple[int, ...], int]]:
    """All proper nested pairs with an item outside, by the definition."""
    sets = [set(members) for size in range(m + 1) for members in combinations(range(m), size)]
    return [
        (tuple(sorted(small)), tuple(sorted(large)), item)
        for small in sets
        for large in sets
        if small < large
        for item in set(range(m)) - large
    ]


def test_a_table_holds_every_subset_under_its_mask() -> None:
    kernel = np.eye(6) + np.random.default_rng(0).standard_normal((6, 2)) @ np.ones((2, 6))
    kernel = kernel @ kernel.T
    table = tabulate(lambda kept: logdet_value(kernel, kept), 6, empty=0.0)
    np.testing.assert_allclose(table, logdet_table(kernel), atol=ROUNDING)


def test_the_worst_nesting_is_the_worst_by_the_definition() -> None:
    table = tabulate(value, 5, empty=0.0)
    at = {
        members: table[sum(1 << one for one in members)]
        for size in range(6)
        for members in combinations(range(5), size)
    }

    def margin(small: tuple[int, ...], large: tuple[int, ...], item: int) -> float:
        def more(members: tuple[int, ...]) -> float:
            return at[tuple(sorted((*members, item)))] - at[members]

        return float(more(small) - more(large))

    found = worst_nesting(table)
    assert (found.smaller, found.larger, found.item) in nested(5)
    assert found.margin == pytest.approx(min(margin(*one) for one in nested(5)), abs=ROUNDING)
    assert found.margin == pytest.approx(margin(found.smaller, found.larger, found.item), abs=ROUNDING)


def test_the_worst_addition_is_the_worst_by_the_definition() -> None:
    table = tabulate(value, 5, empty=0.0)
    gains = {
        (members, item): table[sum(1 << one for one in (*members, item))]
        - table[sum(1 << one for one in members)]
        for size in range(5)
        for members in combinations(range(5), size)
        for item in set(range(5)) - set(members)
    }
    found = worst_addition(table)
    assert gains[found.members, found.item] == found.gain == min(gains.values())


def test_an_additive_function_has_no_violation_and_an_empty_set_without_a_value_is_left_out() -> None:
    table = tabulate(lambda kept: float(kept.sum()) + 7.0, 6)
    assert np.isnan(table[0])
    assert worst_addition(table).gain == 0.0
    assert worst_nesting(table).margin == 0.0
    assert worst_nesting(table).smaller != ()
    # With the empty set worth nothing, the first item alone brings the seven.
    assert worst_nesting(tabulate(lambda kept: float(kept.sum()) + 7.0, 6, empty=0.0)).margin == 0.0
    assert worst_nesting(tabulate(lambda kept: float(kept.sum()) - 7.0, 6, empty=0.0)).margin == -7.0


def test_too_many_items_are_refused() -> None:
    with pytest.raises(InputError, match="1 to 12 items"):
        tabulate(value, 13)
