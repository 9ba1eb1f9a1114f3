"""Grids are told from what processors say of shapes; what the tokens do not fill is no grid."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch

from otanalysis.vlm.grouping import PlaceholderRun
from otanalysis.vlm.layout import WHOLE
from otanalysis.vlm.views import coarse_and_fine, merged_grid, own_shape, shape_or_square, squares_apart

POSITIONS = torch.tensor([[(x, y) for y in range(4) for x in range(6)] + [(-1, -1)] * 2])


def images_of(*counts: int) -> list[list[PlaceholderRun]]:
    return [[PlaceholderRun(0, 100 * number, 100 * number + n)] for number, n in enumerate(counts)]


def test_a_merged_grid_is_found_exactly_where_some_square_of_patches_makes_it() -> None:
    for rows, columns, count in product(range(1, 13), range(1, 13), range(40)):
        wanted = [
            (rows // side, columns // side)
            for side in range(1, 13)
            if rows % side == columns % side == 0 and (rows // side) * (columns // side) == count
        ]
        assert merged_grid((rows, columns), count) == (wanted[0] if wanted else None)


@pytest.mark.parametrize(
    ("told", "value"),
    [
        ("image_grid_thw", torch.tensor([[1, 4, 6]])),
        ("spatial_shapes", torch.tensor([[4, 6]])),
        ("image_sizes", [(torch.tensor(4), torch.tensor(6))]),
        ("image_position_ids", POSITIONS),
    ],
)
def test_every_way_of_telling_a_shape_gives_the_same_grid(told: str, value: Any) -> None:
    for count, grid in ((24, (4, 6)), (6, (2, 3)), (7, None)):
        ((view,),) = own_shape(None, {told: value}, images_of(count), [None], told=told)
        assert (view.grid, view.box, view.count) == (grid, WHOLE, count)


def test_a_kind_that_nobody_named_has_told_grids_or_squares_and_no_places() -> None:
    told = {"image_grid_thw": torch.tensor([[1, 4, 6], [1, 2, 2]])}
    views = shape_or_square(None, told, images_of(6, 1), [None, None])
    assert [(view.grid, view.box) for (view,) in views] == [((2, 3), None), ((1, 1), None)]
    views = shape_or_square(None, told, images_of(9), [None])  # not as many shapes as images
    assert [(view.grid, view.box) for (view,) in views] == [((3, 3), None)]
    views = shape_or_square(None, {}, images_of(8), [None])
    assert [(view.grid, view.count) for (view,) in views] == [(None, 8)]


def test_tiles_of_unknown_places_are_squares_and_two_scales_are_two_views() -> None:
    tiles = [PlaceholderRun(0, 0, 4), PlaceholderRun(0, 5, 9), PlaceholderRun(0, 10, 12)]
    (views,) = squares_apart(None, {}, [tiles], [None])
    assert [(view.grid, view.box, view.count) for view in views] == [
        ((2, 2), None, 4),
        ((2, 2), None, 4),
        (None, None, 2),
    ]
    ((coarse, fine),) = coarse_and_fine(
        None, {"image_grids": torch.tensor([[1, 2, 3, 4]])}, images_of(14), [None]
    )
    assert (coarse.grid, fine.grid, coarse.count + fine.count) == ((1, 2), (3, 4), 14)
