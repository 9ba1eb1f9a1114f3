"""One token in every cell: the cells share the plane out, and every token of a cell may be the one."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest

from otanalysis.image import Image
from otanalysis.selection import select
from otanalysis.selection.positional import cells_of


def plane(rows: int, columns: int) -> np.ndarray:
    return np.arange(rows * columns).reshape(rows, columns)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 7), (7, 1), (3, 3), (4, 6), (5, 2)])
def test_the_cells_are_rectangles_that_share_out_the_plane(rows: int, columns: int) -> None:
    for count in range(1, rows * columns + 1):
        cells = cells_of(plane(rows, columns), count)
        assert len(cells) == count
        assert sorted(chain.from_iterable(cell.ravel().tolist() for cell in cells)) == list(
            range(rows * columns)
        )
        for cell in cells:
            row, column = divmod(cell, columns)
            assert cell.size == len(np.unique(row)) * len(np.unique(column))


@pytest.mark.parametrize("count", [29, 56, 86, 115])
def test_the_cells_of_the_shares_of_the_paper_are_about_equal_and_about_square(count: int) -> None:
    cells = cells_of(plane(24, 24), count)
    sizes = np.array([cell.size for cell in cells])
    assert sizes.max() <= 2.0 * 576 / count
    assert sizes.min() >= 0.5 * 576 / count
    assert np.mean([max(cell.shape) / min(cell.shape) for cell in cells]) < 2.0


def test_one_of_every_cell_is_kept_and_each_may_be() -> None:
    image = Image(np.zeros((24, 2)), grid=(4, 6))
    seen: list[set[int]] = [set() for _ in range(5)]
    for seed in range(80):
        order = select(image, "grid-random", keep=5, seed=seed).pick_order
        for cell, place in zip(seen, order.tolist(), strict=True):
            cell.add(place)
    assert seen == [set(cell.ravel().tolist()) for cell in cells_of(plane(4, 6), 5)]


def test_without_a_grid_the_cells_are_stretches_of_the_reading_order() -> None:
    kept = select(np.zeros((20, 2)), "grid-random", keep=4).indices
    assert (kept // 5).tolist() == [0, 1, 2, 3]
    # Two cells of a picture of 4 x 5 are its left and its right, not its top and its bottom.
    image = Image(np.zeros((20, 2)), grid=(4, 5))
    columns = np.array([select(image, "grid-random", keep=2, seed=seed).pick_order % 5 for seed in range(40)])
    assert set(columns[:, 0]) == {0, 1}
    assert set(columns[:, 1]) == {2, 3, 4}
