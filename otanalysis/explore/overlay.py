"""The image with its kept patches lit and all others dimmed."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure, SubFigure

from otanalysis.arrays import Array
from otanalysis.errors import InputError
from otanalysis.explore.picture import Floats, Grid, Scene, Source, kept_positions, scene_of
from otanalysis.figures.style import TEXT_WIDTH, method_look, paper_style
from otanalysis.selection import Selection

__all__ = [
    "DIMMED_BLACK",
    "DIMMING",
    "dimmed",
    "figure_of",
    "new_panel",
    "outline",
    "overlay",
    "overlays",
    "show_pixels",
]

PANEL = 2.2
"""Side of a single panel, in inches."""

# The dimmed patches keep half of their contrast around a middle grey: darker than what is light, lighter
# than what is dark, so that lit patches of either kind stand out.
_MIDDLE, _CONTRAST, _COLOUR = 0.42, 0.45, 0.4
_GREY = np.array([0.299, 0.587, 0.114])
DIMMING = _CONTRAST * (_COLOUR * np.eye(3) + (1 - _COLOUR) * np.ones((3, 1)) * _GREY)
"""Matrix [3, 3] from the colour of a pixel to its dimmed colour, before :data:`DIMMED_BLACK` is added."""

DIMMED_BLACK = _MIDDLE - 0.5 * _CONTRAST
_LIGHT, _DARK = "white", "0.1"


def overlay(
    source: Source,
    indices: Selection | Array,
    *,
    grid: Grid | None = None,
    picture: Array | None = None,
    ax: Axes | None = None,
    title: str | None = None,
    colour: str = _LIGHT,
) -> Figure:
    """Draw an image with its kept patches lit and the others dimmed.

    Parameters
    ----------
    source : Sample, array [h, w, 3] or array [m, d]
        A sample (its thumbnail, else the principal components of its tokens), a picture, or tokens.
    indices : Selection or array [k]
        The kept patches, numbered row by row.
    grid : tuple of int, optional
        ``(rows, columns)``; needed with a picture, else the sample's, or a square one.
    picture : array [h, w, 3], optional
        The image, where ``source`` does not bring it: bytes, or floats in ``[0, 1]``.
    ax : Axes, optional
        Where to draw; a figure of its own if left out. See :func:`overlays` for several selections.
    title : str, optional
        Words above the picture.
    colour : colour
        Of the outlines of the kept patches.

    Returns
    -------
    Figure
        That of ``ax`` if it was given.

    Raises
    ------
    InputError
        If grid, picture and indices do not fit each other.

    Examples
    --------
    >>> import numpy as np
    >>> figure = overlay(np.zeros((8, 8, 3)), [0, 5], grid=(4, 4), title="two of sixteen")
    >>> figure.axes[0].get_title()
    'two of sixteen'
    """
    scene = scene_of(source, grid=grid, picture=picture)
    kept = kept_positions(indices, scene.grid)
    with paper_style():
        panel = new_panel(scene) if ax is None else ax
        show_pixels(panel, scene, lit=kept)
        outline(panel, kept, scene.grid, colour=colour)
        if title:
            panel.set_title(title)
    return figure_of(panel)


def overlays(
    source: Source,
    selections: Mapping[str, Selection | Array],
    *,
    grid: Grid | None = None,
    picture: Array | None = None,
    columns: int = 5,
    notes: Mapping[str, str] | None = None,
) -> Figure:
    """Draw several selections of one image side by side, as wide as a page of a paper.

    Parameters
    ----------
    source, grid, picture
        As for :func:`overlay`.
    selections : Mapping from str to Selection or array [k]
        By method (which gives title and colour) or by any other words.
    columns : int
        Panels in a line, at most.
    notes : Mapping from str to str, optional
        Words below a panel, such as its distance, by the same keys.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If there is no selection, or as for :func:`overlay`.
    """
    if not selections or columns < 1:
        raise InputError(f"overlays needs a selection and a column; got {len(selections)} and {columns}.")
    scene, notes = scene_of(source, grid=grid, picture=picture), notes or {}
    across = min(columns, len(selections))
    lines = ceil(len(selections) / across)
    side = min((TEXT_WIDTH - 0.08 * (across - 1)) / across, PANEL)
    tall = side * scene.grid[0] / scene.grid[1]
    above, below = 0.2, 0.18 if notes else 0.04
    with paper_style():
        width = across * side + 0.08 * (across - 1)
        figure = Figure(figsize=(width, lines * (tall + above + below)))
        height = lines * (tall + above + below)
        for number, (name, indices) in enumerate(selections.items()):
            line, column = divmod(number, across)
            top = line * (tall + above + below) + above
            box = (column * (side + 0.08) / width, 1 - (top + tall) / height, side / width, tall / height)
            panel, look = figure.add_axes(box), method_look(name)
            kept = kept_positions(indices, scene.grid)
            show_pixels(panel, scene, lit=kept)
            outline(panel, kept, scene.grid)
            panel.set_title(look.label, color="black")
            if name in notes:
                panel.set_xlabel(notes[name], fontsize=7, labelpad=2)
    return figure


def new_panel(scene: Scene) -> Axes:
    """Return the axes of a new figure of one panel, shaped like the grid."""
    rows, columns = scene.grid
    figure = Figure(figsize=(PANEL, PANEL * rows / columns + 0.2))
    tall = (PANEL * rows / columns) / (PANEL * rows / columns + 0.2)
    return figure.add_axes((0.0, 0.0, 1.0, tall))


def show_pixels(panel: Axes, scene: Scene, *, lit: Array | None = None) -> None:
    """Show the picture, one unit a patch; with ``lit`` every other patch is dimmed."""
    rows, columns = scene.grid
    pixels = scene.pixels if lit is None else dimmed(scene, lit)
    panel.imshow(pixels, extent=(0, columns, rows, 0), interpolation="antialiased", aspect="equal")
    panel.set(xticks=[], yticks=[], xlim=(0, columns), ylim=(rows, 0))
    for side in panel.spines.values():
        side.set_visible(False)


def dimmed(scene: Scene, lit: Array) -> Floats:
    """Return the pixels [h, w, 3] with all patches but the lit ones dimmed.

    A picture whose sides are no multiples of the grid is sampled up, so that no patch border cuts a pixel.
    """
    rows, columns = scene.grid
    mask = np.zeros(rows * columns, dtype=np.bool_)
    mask[lit] = True
    pixels = _aligned(scene.pixels, scene.grid)
    tall, wide = pixels.shape[0] // rows, pixels.shape[1] // columns
    shown = np.repeat(np.repeat(mask.reshape(rows, columns), tall, axis=0), wide, axis=1)[..., None]
    return np.where(shown, pixels, pixels @ DIMMING.T + DIMMED_BLACK)


def _aligned(pixels: Floats, grid: Grid) -> Floats:
    """Return the pixels with a whole number of them in every patch (nearest neighbour)."""
    picks = []
    for length, patches in zip(pixels.shape[:2], grid, strict=True):
        wanted = ceil(length / patches) * patches
        picks.append(((np.arange(wanted) + 0.5) * length / wanted).astype(np.int64))
    return pixels[np.ix_(picks[0], picks[1])]


def outline(panel: Axes, positions: Array, grid: Grid, *, colour: str = _LIGHT, width: float = 0.4) -> None:
    """Draw the borders of these patches, a light line on a dark one: seen on any picture."""
    row, column = np.divmod(np.asarray(positions), grid[1])
    corners = np.stack([column, row], axis=1)[:, None, :] + np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    for shade, thick in ((_DARK, 2.4 * width), (colour, width)):
        squares = PolyCollection(corners, facecolor="none", edgecolor=shade, lw=thick, joinstyle="miter")
        panel.add_collection(squares, autolim=False)


def figure_of(panel: Axes) -> Figure:
    """Return the figure that a panel belongs to, past any subfigures."""
    figure = panel.figure
    while isinstance(figure, SubFigure):
        figure = figure.figure
    return figure
