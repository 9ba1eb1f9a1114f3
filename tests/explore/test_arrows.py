"""Arrows carry exactly the plan: each entry off the kept token itself is one arrow, as wide as its mass."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

import otanalysis as ota
from otanalysis.errors import InputError
from otanalysis.explore import plan_arrows
from otanalysis.tokens import Sample

GRID = (3, 4)
KEPT = np.array([7, 2, 9, 4, 0])  # 12 / 5 is no whole number: some tokens are split


def tokens() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((12, 4))


def arrows(figure: Figure) -> dict[tuple[int, int], float]:
    """Return the width of the shaft of every arrow, by the patch where it starts and the one it points at."""
    shapes = next(one for one in figure.axes[0].collections if isinstance(one, PolyCollection))
    found = {}
    for path in shapes.get_paths():
        corners = path.vertices[:7]
        start, tip = (corners[0] + corners[6]) / 2, corners[3]
        end = tip + 0.5 * (tip - start) / np.linalg.norm(tip - start)
        column, row = np.floor([start, end]).astype(int).T
        source, target = row * GRID[1] + column
        found[int(source), int(target)] = float(np.linalg.norm(corners[0] - corners[6]))
    return found


def wanted(plan: np.ndarray, kept: np.ndarray) -> dict[tuple[int, int], float]:
    return {
        (i, int(kept[j])): float(plan[i, j])
        for i, j in zip(*np.nonzero(plan > 1e-6), strict=True)
        if i != kept[j]
    }


def test_arrows_are_the_entries_of_the_plan() -> None:
    plan = ota.wasserstein2(tokens(), KEPT).plan
    found, expected = arrows(plan_arrows(tokens(), KEPT, grid=GRID)), wanted(plan, KEPT)
    assert found.keys() == expected.keys()
    widths = np.array([found[way] for way in expected])
    masses = np.array(list(expected.values()))
    np.testing.assert_allclose(widths / widths.max(), masses / masses.max())
    assert len(set(masses.round(9))) > 1, "the case has only whole tokens: it says nothing about widths"


def test_one_column_is_the_arrows_of_one_kept_patch() -> None:
    whole = arrows(plan_arrows(tokens(), KEPT, grid=GRID))
    single = arrows(plan_arrows(tokens(), KEPT, grid=GRID, kept=2))
    assert single == pytest.approx({way: width for way, width in whole.items() if way[1] == 2})
    assert 0 < len(single) < len(whole)


def test_a_given_transport_is_drawn_in_whatever_order_its_columns_are() -> None:
    turned = ota.wasserstein2(tokens(), KEPT[::-1].copy())
    assert arrows(plan_arrows(tokens(), KEPT, grid=GRID, transport=turned)) == pytest.approx(
        arrows(plan_arrows(tokens(), KEPT, grid=GRID))
    )
    by_rows = ota.wasserstein2(tokens(), KEPT, normalise="rows")
    assert (
        arrows(plan_arrows(tokens(), KEPT, grid=GRID, transport=by_rows)).keys()
        == wanted(by_rows.plan, KEPT).keys()
    )


def test_a_plan_that_moves_nothing_has_no_arrow() -> None:
    figure = plan_arrows(tokens(), np.arange(12), grid=GRID)
    assert not next(one for one in figure.axes[0].collections if isinstance(one, PolyCollection)).get_paths()


def test_wrong_arguments_are_refused() -> None:
    other = ota.wasserstein2(tokens(), [0, 1, 2])
    with pytest.raises(InputError, match="none of the 5"):
        plan_arrows(tokens(), KEPT, grid=GRID, kept=1)
    with pytest.raises(InputError, match="not of these"):
        plan_arrows(tokens(), KEPT, grid=GRID, transport=other)
    with pytest.raises(InputError, match="a picture has no transport plan"):
        plan_arrows(np.zeros((6, 8, 3)), [0], grid=GRID)


def test_weights_of_a_sample_are_the_masses_of_its_arrows() -> None:
    weights = np.random.default_rng(1).exponential(size=12) + 0.2
    sample = Sample("one", tokens().astype(np.float32), GRID, {}, weights=weights)
    plan = ota.wasserstein2(sample.tokens, KEPT, weights=weights).plan
    found, expected = arrows(plan_arrows(sample, KEPT)), wanted(plan, KEPT)
    assert found.keys() == expected.keys()
    widths, masses = (np.array([one[way] for way in expected]) for one in (found, expected))
    np.testing.assert_allclose(widths / widths.max(), masses / masses.max())
    assert arrows(plan_arrows(tokens(), KEPT, grid=GRID)) != pytest.approx(found)
