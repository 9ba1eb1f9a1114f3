"""Views put together to layers, and the part of a picture that a processor shows."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from otanalysis.vlm.layout import WHOLE, ImageTokens, Layer, PatchView, Picture, layers_of, square_grid
from otanalysis.vlm.views import views_of_tiles


def test_tiles_become_one_grid_whose_cells_lie_where_the_boxes_of_their_patches_do() -> None:
    views = views_of_tiles(7, (2, 3), (2, 2))
    whole, tiles = sorted(layers_of(views), key=lambda layer: len(layer.patches))
    assert whole == Layer((2, 2), WHOLE, (24, 25, 26, 27))
    assert tiles.grid == (4, 6)
    assert sorted(tiles.patches) == list(range(24))
    boxes = ImageTokens(0, 0, *[None] * 3, views=views).boxes  # type: ignore[arg-type]
    assert boxes is not None
    for cell, patch in enumerate(tiles.patches):
        left, top, right, bottom = boxes[patch]
        assert ((left + right) / 2 * 6 - 0.5, (top + bottom) / 2 * 4 - 0.5) == pytest.approx(
            (cell % 6, cell // 6)
        )


def test_single_views_are_layers_of_their_own_and_unknown_ones_are_none() -> None:
    box = (0.1, 0.0, 0.9, 1.0)
    assert layers_of([PatchView.of_grid(2, 3, box)]) == [Layer((2, 3), box, tuple(range(6)))]
    two = layers_of([PatchView.of_grid(1, 1), PatchView.of_grid(1, 2)])
    assert [layer.patches for layer in two] == [(0,), (1, 2)]
    assert layers_of([PatchView(None, WHOLE, 5)]) == []
    assert layers_of(views_of_tiles(3, None, (2, 2))) == []


def test_the_crop_of_clip_is_what_pillow_cuts_out() -> None:
    """A picture whose pixels name their places, through the real processor."""
    from transformers import CLIPImageProcessorPil

    height, width = 120, 200
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([x, y, 0 * x], axis=-1).astype(np.uint8)
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": 60},
        crop_size={"height": 60, "width": 60},
        do_normalize=False,
        do_rescale=False,
    )
    made = np.asarray(processor(pixels, return_tensors="np")["pixel_values"][0])
    shown = Picture.through(SimpleNamespace(image_processor=processor), height, width).shown
    assert shown is not None
    left, top, right, bottom = shown
    half = 1.0  # resizing blends neighbours: the outermost pixels are means of two
    assert made[0, :, 0].mean() == pytest.approx(left * width + half, abs=1.5)
    assert made[0, :, -1].mean() == pytest.approx(right * width - half, abs=1.5)
    assert made[1, 0].mean() == pytest.approx(top * height + half, abs=1.5)
    assert made[1, -1].mean() == pytest.approx(bottom * height - half, abs=1.5)


def test_a_processor_that_stretches_shows_the_whole_picture() -> None:
    stretching = SimpleNamespace(size={"height": 32, "width": 32}, do_center_crop=False)
    assert Picture.through(stretching, 20, 90).shown == WHOLE


@pytest.mark.parametrize(("count", "grid"), [(576, (24, 24)), (1, (1, 1)), (575, None), (2, None)])
def test_square_grids_hold_square_numbers_only(count: int, grid: tuple[int, int] | None) -> None:
    assert square_grid(count) == grid
