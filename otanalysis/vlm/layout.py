"""Where the visual tokens of an image come from: its views, their grids, and rows that are no patches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isqrt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, as shares of the picture's width and height."""

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
"""The box of a view that shows the whole picture."""


@dataclass(frozen=True)
class Picture:
    """What is known of the picture behind an image.

    Attributes
    ----------
    height, width : int
        In pixels.
    shown : tuple of float or None
        The part that a single-view model is shown, as shares of the picture; a processor that pads shows more
        than the picture, so that it may exceed 0 to 1. None if not known.
    """

    height: int
    width: int
    shown: Box | None = WHOLE

    @classmethod
    def through(cls, processor: Any, height: int, width: int) -> Picture:
        """Return what the image processor of ``processor`` makes of a picture of that size.

        A crop of the centre after the shorter edge was resized (CLIP) shows the middle of the picture; any
        other resizing shows all of it, stretched.
        """
        settings = getattr(processor, "image_processor", processor)
        size, crop = getattr(settings, "size", None) or {}, getattr(settings, "crop_size", None) or {}
        edge = dict(size).get("shortest_edge")
        if not getattr(settings, "do_center_crop", False) or not edge or "height" not in dict(crop):
            return cls(height, width)
        scale = edge / min(height, width)
        across = crop["width"] / (scale * width) / 2
        down = crop["height"] / (scale * height) / 2
        return cls(height, width, (0.5 - across, 0.5 - down, 0.5 + across, 0.5 + down))


@dataclass(frozen=True)
class PatchView:
    """One grid of patches over (a part of) the picture; models with tiles have several of an image.

    Attributes
    ----------
    grid : tuple of int or None
        ``(rows, columns)`` of patches; None where they form no grid that is known.
    box : tuple of float or None
        The part of the picture that it shows; None where that is not known.
    count : int
        Number of its patches, ``rows * columns`` where there is a grid.
    """

    grid: tuple[int, int] | None
    box: Box | None
    count: int

    @classmethod
    def of_grid(cls, rows: int, columns: int, box: Box | None = WHOLE) -> PatchView:
        """Return the view with that grid."""
        return cls((rows, columns), box, rows * columns)


@dataclass(frozen=True, eq=False)
class ImageTokens:
    """What one image of a batch contributes to the prompt.

    Attributes
    ----------
    prompt : int
        Row of the batch.
    number : int
        Which image of that prompt, from 0.
    features : torch.Tensor, shape ``[n, d]``
        Everything that the language model gets of the image, in order.
    patches : torch.Tensor, shape ``[m]``, int64
        Rows of ``features`` that are image patches, ascending; the others (newline rows) mark structure.
    places : torch.Tensor, shape ``[n]``, int64
        Position of every row's placeholder in the prompt; on the device of the ids, where the others are on
        that of the features.
    views : tuple of PatchView
        Grids of the patches, in the order of ``patches``.
    side : Mapping from str to torch.Tensor, shape ``[m]``
        Attention of the patches by its name, in float32, as far as it was asked for.
    """

    prompt: int
    number: int
    features: torch.Tensor
    patches: torch.Tensor
    places: torch.Tensor
    views: tuple[PatchView, ...]
    side: Mapping[str, torch.Tensor] = field(default_factory=dict)

    @property
    def tokens(self) -> torch.Tensor:
        """The visual tokens of the image, ``[m, d]``: the rows that are patches."""
        return self.features[self.patches]

    @property
    def grid(self) -> tuple[int, int] | None:
        """The grid of the patches where one view holds them all."""
        return self.views[0].grid if len(self.views) == 1 else None

    @property
    def boxes(self) -> list[Box] | None:
        """Where each patch lies in the picture, ``m`` boxes; None if that is not known of every view."""
        found: list[Box] = []
        for view in self.views:
            if view.grid is None or view.box is None:
                return None
            found += _cells(view.grid, view.box)
        return found


@dataclass(frozen=True)
class Layer:
    """Views side by side that make one grid over the picture: all its tiles, or one view alone.

    Attributes
    ----------
    grid : tuple of int
        Rows and columns of patches.
    box : tuple of float
        The part of the picture that it shows.
    patches : tuple of int
        Which patch of the image lies in each cell, row by row.
    """

    grid: tuple[int, int]
    box: Box
    patches: tuple[int, ...]


def layers_of(views: Sequence[PatchView]) -> list[Layer]:
    """Put tiles together to one grid; views of the whole picture stay by themselves.

    Parameters
    ----------
    views
        Those of one image.

    Returns
    -------
    list of Layer
        Empty if some view has no grid or no box.

    Examples
    --------
    >>> halves = [(0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)]
    >>> [layer.grid for layer in layers_of([PatchView(grid=(2, 2), box=half, count=4) for half in halves])]
    [(2, 4)]
    """
    starts = [sum(view.count for view in views[:place]) for place in range(len(views))]
    whole: list[Layer] = []
    tiles: dict[tuple[int, int], int] = {}
    grid = (0, 0)
    for view, start in zip(views, starts, strict=True):
        if view.grid is None or view.box is None:
            return []
        if len(views) == 1 or view.box == WHOLE:
            whole.append(Layer(view.grid, view.box, tuple(range(start, start + view.count))))
            continue
        grid = view.grid
        across, down = view.box[2] - view.box[0], view.box[3] - view.box[1]
        tiles[round(view.box[1] / down), round(view.box[0] / across)] = start
    if not tiles:
        return whole
    rows, columns = (max(places) + 1 for places in zip(*tiles, strict=True))
    cells = tuple(
        tiles[y // grid[0], x // grid[1]] + y % grid[0] * grid[1] + x % grid[1]
        for y in range(rows * grid[0])
        for x in range(columns * grid[1])
    )
    return [*whole, Layer((rows * grid[0], columns * grid[1]), WHOLE, cells)]


def square_grid(count: int) -> tuple[int, int] | None:
    """Return the square grid of that many patches, or None if they fill none."""
    side = isqrt(count)
    return (side, side) if side * side == count else None


def _cells(grid: tuple[int, int], box: Box) -> list[Box]:
    rows, columns = grid
    left, top, right, bottom = box
    width, height = (right - left) / columns, (bottom - top) / rows
    return [
        (left + x * width, top + y * height, left + (x + 1) * width, top + (y + 1) * height)
        for y in range(rows)
        for x in range(columns)
    ]
