"""How the patches of an image lie in the picture: the views of each family, from what the processor tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import isqrt
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from otanalysis.vlm.grouping import ImageRuns
from otanalysis.vlm.layout import WHOLE, Box, PatchView, Picture, square_grid

if TYPE_CHECKING:
    import torch

Known: TypeAlias = Sequence[Picture | None]
"""What is known of the picture of each image, in their order."""

Inputs: TypeAlias = Mapping[str, Any]
"""What the processor returned."""

Views: TypeAlias = list[tuple[PatchView, ...]]
"""The views of each image, in their order."""


def single_view(model: Any, inputs: Inputs, images: list[ImageRuns], pictures: Known) -> Views:
    """One square grid over the part of the picture that the processor cuts out; LLaVA-1.5."""
    vision = model.config.vision_config
    shapes = inputs.get("image_sizes") if vision.model_type == "pixtral" else None
    views: Views = []
    for number, image in enumerate(images):
        count = sum(map(len, image))
        grid = square_grid(count)
        if shapes is not None:
            grid = (int(shapes[number][0]) // vision.patch_size, int(shapes[number][1]) // vision.patch_size)
        picture = pictures[number]
        box = picture.shown if picture is not None else None
        views.append((PatchView(grid, box, count),))
    return views


def square(
    _model: Any, _inputs: Inputs, images: list[ImageRuns], _pictures: Known, *, box: Box | None = None
) -> Views:
    """One grid where the number of patches is a square, over a box of the picture where that is known."""
    counts = [sum(map(len, image)) for image in images]
    return [(PatchView(square_grid(count), box, count),) for count in counts]


def own_shape(
    _model: Any,
    inputs: Inputs,
    images: list[ImageRuns],
    _pictures: Known,
    *,
    told: str = "image_grid_thw",
    box: Box | None = WHOLE,
) -> Views:
    """Return the grid of a picture in its own shape, whose patches may be merged in squares.

    Parameters
    ----------
    _model, inputs, images, _pictures
        As for every family, see :class:`~otanalysis.vlm.families.Family`.
    told : str
        The input by which the processor tells the shapes, see :data:`SHAPES`.
    box : tuple of float or None
        The part of the picture that it shows.
    """
    counts = [sum(map(len, image)) for image in images]
    shapes = SHAPES[told](inputs[told])
    return [
        (PatchView(merged_grid((int(rows), int(columns)), count), box, count),)
        for (rows, columns), count in zip(shapes, counts, strict=True)
    ]


def shape_or_square(model: Any, inputs: Inputs, images: list[ImageRuns], pictures: Known) -> Views:
    """Return what can be told of a kind of model that nobody named: grids of patches, or squares."""
    for told in ("image_grid_thw", "spatial_shapes"):
        if inputs.get(told) is not None and len(inputs[told]) == len(images):
            return own_shape(model, inputs, images, pictures, told=told, box=None)
    return square(model, inputs, images, pictures)


def merged_grid(shape: tuple[int, int], count: int) -> tuple[int, int] | None:
    """Return the grid of ``count`` tokens that merge a grid of that shape in squares; None if none does.

    >>> merged_grid((8, 12), 24), merged_grid((8, 12), 96), merged_grid((8, 12), 25)
    ((4, 6), (8, 12), None)
    """
    rows, columns = shape
    side = isqrt(rows * columns // count) if count else 0
    if side == 0 or rows % side or columns % side or rows * columns != side**2 * count:
        return None
    return rows // side, columns // side


def _shapes_of_positions(positions: torch.Tensor) -> list[list[int]]:
    """Return rows and columns of each image from the places (column, row) of its patches; -1 is padding."""
    return (positions.amax(dim=1) + 1).flip(-1).tolist()


SHAPES: Mapping[str, Callable[[torch.Tensor], list[list[int]]]] = MappingProxyType(
    {
        "image_grid_thw": lambda grids: grids[:, 1:].tolist(),
        "spatial_shapes": lambda shapes: shapes.tolist(),
        "image_sizes": lambda sizes: [list(map(int, size)) for size in sizes],
        "image_position_ids": _shapes_of_positions,
    }
)
"""Rows and columns of patches (or of pixels) of each image, by the input that tells them."""


def tiles_side_by_side(model: Any, _inputs: Inputs, images: list[ImageRuns], pictures: Known) -> Views:
    """Tiles of the picture, and behind several of them the whole picture once more; InternVL."""
    vision = model.config.vision_config
    side = int(vision.image_size[0] // vision.patch_size[0] * model.config.downsample_ratio)
    views = []
    for image, picture in zip(images, pictures, strict=True):
        tiles = len(image[0]) // side**2
        arrangement = _arrangement(tiles - 1, picture) if tiles > 1 else (0, 0)
        views.append(views_of_tiles(tiles, arrangement, (side, side)))
    return views


def tiles_between_words(_model: Any, _inputs: Inputs, images: list[ImageRuns], _pictures: Known) -> Views:
    """Tiles of the picture between words, and behind them the whole picture; Idefics3 and SmolVLM.

    Two words stand between tiles of one row, more between rows.
    """
    views = []
    for image in images:
        grid = square_grid(len(image[0]))
        if grid is None:
            views.append(runs_apart(image))
            continue
        gaps = [right.start - left.stop for left, right in pairwise(image)]
        columns = next((place + 1 for place, gap in enumerate(gaps) if gap > 2), 1)
        arrangement = ((len(image) - 1) // columns, columns) if len(image) > 1 else (0, 0)
        views.append(views_of_tiles(len(image), arrangement, grid))
    return views


def tiles_apart(_model: Any, _inputs: Inputs, images: list[ImageRuns], pictures: Known) -> Views:
    """Tiles of the picture with a word before each, and behind them the whole picture; Aya Vision."""
    views = []
    for image, picture in zip(images, pictures, strict=True):
        grid = square_grid(len(image[0]))
        if grid is None:
            views.append(runs_apart(image))
            continue
        arrangement = _arrangement(len(image) - 1, picture) if len(image) > 1 else (0, 0)
        views.append(views_of_tiles(len(image), arrangement, grid))
    return views


def squares_apart(_model: Any, _inputs: Inputs, images: list[ImageRuns], _pictures: Known) -> Views:
    """Square tiles whose places in the picture are not known; Cohere 2 Vision, Llama 4, Ovis 2."""
    return [runs_apart(image) for image in images]


def runs_apart(image: ImageRuns) -> tuple[PatchView, ...]:
    """Return a view of each run of placeholders, square where it can be, anywhere in the picture."""
    return tuple(PatchView(square_grid(len(run)), None, len(run)) for run in image)


def coarse_and_fine(_model: Any, inputs: Inputs, images: list[ImageRuns], _pictures: Known) -> Views:
    """Return two grids over the whole picture, the coarse one first; Molmo 2."""
    grids = inputs["image_grids"].tolist()
    return [
        (PatchView.of_grid(*grid[:2]), PatchView.of_grid(*grid[2:]))
        for grid, _image in zip(grids, images, strict=True)
    ]


def views_of_tiles(
    tiles: int, arrangement: tuple[int, int] | None, grid: tuple[int, int]
) -> tuple[PatchView, ...]:
    """Return the views of tiles row by row over the picture, and of the whole picture behind them.

    Parameters
    ----------
    tiles : int
        Number of views, the last one being that of the whole picture.
    arrangement : tuple of int or None
        Rows and columns of tiles; None if not known, then their boxes are not either.
    grid : tuple of int
        Rows and columns of patches of each view.
    """
    if arrangement is None:
        return (*(PatchView.of_grid(*grid, box=None) for _ in range(tiles - 1)), PatchView.of_grid(*grid))
    rows, columns = arrangement
    cells = [
        PatchView.of_grid(*grid, box=(x / columns, y / rows, (x + 1) / columns, (y + 1) / rows))
        for y in range(rows)
        for x in range(columns)
    ]
    return (*cells, PatchView.of_grid(*grid))


def _arrangement(tiles: int, picture: Picture | None) -> tuple[int, int] | None:
    """Return rows and columns of that many tiles: those whose shape is closest to the picture's."""
    shapes = [(rows, tiles // rows) for rows in range(1, tiles + 1) if tiles % rows == 0]
    if len(shapes) == 1:
        return shapes[0]
    if picture is None:
        return None
    aspect = picture.width / picture.height
    return min(shapes, key=lambda shape: abs(shape[1] / shape[0] - aspect))


def found_while_packing(_model: Any, _inputs: Inputs, _images: list[ImageRuns], _pictures: Known) -> Views:
    """Families that pack newline rows: the encoder sees the views while the model packs them."""
    return []
