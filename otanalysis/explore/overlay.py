"""The image with its kept patches lit and all others dimmed, and what stands in for an image.

:func:`overlay` draws one selection, :func:`overlays` several, :func:`overlay_layers` one on each of a model's
grids. All of them draw on a :class:`Backdrop`: an image, or the tokens' components as colours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isqrt
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from otanalysis.arrays import Array, FloatArray, check_indices, check_tokens, to_numpy
from otanalysis.errors import InputError
from otanalysis.figures.style import TEXT_WIDTH, method_look, paper_style
from otanalysis.scalars import check_integer, listed, shown
from otanalysis.selection import Selection
from otanalysis.tokens import Sample
from otanalysis.vlm.layout import Layer

Grid: TypeAlias = tuple[int, int]
"""``(rows, columns)`` of patches."""

Source: TypeAlias = Sample | Array
"""A sample of a dump, a picture [h, w, 3], or tokens [m, d]."""

PANEL = 2.2
"""Side of a single panel, in inches."""

_TALLEST = 4.0  # of a model's grids side by side, in inches, as are the next two
_GAP, _HEAD = 0.12, 0.22
_LIGHT, _DARK = "white", "0.1"

# The dimmed patches keep half of their contrast around a middle grey: darker than what is light, lighter
# than what is dark, so that lit patches of either kind stand out.
_MIDDLE, _CONTRAST, _COLOUR = 0.42, 0.45, 0.4
_GREY = np.array([0.299, 0.587, 0.114])
DIMMING = _CONTRAST * (_COLOUR * np.eye(3) + (1 - _COLOUR) * np.ones((3, 1)) * _GREY)
"""Matrix [3, 3] from the colour of a pixel to its dimmed colour, before :data:`DIMMED_BLACK` is added."""

DIMMED_BLACK = _MIDDLE - 0.5 * _CONTRAST

# Quantiles that become the ends of the colour scale: a few outlying tokens must not grey out all others.
_ENDS = (0.02, 0.98)
# Where the components go in Oklab (Ottosson, 2020): the first to lightness, which every colour vision sees,
# the other two to the green-red and blue-yellow axes.
_LOWEST = np.array([0.32, -0.13, -0.13])
_HIGHEST = np.array([0.92, 0.13, 0.13])
_OKLAB_TO_LMS = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_LMS_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


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
    backdrop = backdrop_of(source, grid=grid, picture=picture)
    kept = kept_positions(indices, backdrop.grid)
    with paper_style():
        panel = new_panel(backdrop) if ax is None else ax
        show_pixels(panel, backdrop, lit=kept)
        outline(panel, kept, backdrop.grid, colour=colour)
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

    Examples
    --------
    >>> import numpy as np
    >>> figure = overlays(np.zeros((8, 8, 3)), {"first": [0], "last": [15]}, grid=(4, 4))
    >>> [panel.get_title() for panel in figure.axes]
    ['First-K', 'Last-K']
    """
    if not selections or columns < 1:
        raise InputError(f"overlays needs a selection and a column; got {len(selections)} and {columns}.")
    backdrop, notes = backdrop_of(source, grid=grid, picture=picture), notes or {}
    across = min(columns, len(selections))
    lines = ceil(len(selections) / across)
    side = min((TEXT_WIDTH - 0.08 * (across - 1)) / across, PANEL)
    tall = side * backdrop.grid[0] / backdrop.grid[1]
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
            kept = kept_positions(indices, backdrop.grid)
            show_pixels(panel, backdrop, lit=kept)
            outline(panel, kept, backdrop.grid)
            panel.set_title(look.label, color="black")
            if name in notes:
                panel.set_xlabel(notes[name], fontsize=7, labelpad=2)
    return figure


def overlay_layers(
    picture: NDArray[np.uint8], layers: Sequence[Layer], kept: Array, *, title: str = ""
) -> Figure:
    """Draw a picture with its kept patches lit, once for each of a model's grids over it.

    Parameters
    ----------
    picture : ndarray [h, w, 3], uint8
        The picture.
    layers : sequence of Layer
        As :func:`otanalysis.vlm.layout.layers_of` puts them together.
    kept : array [keep]
        Numbers of the kept patches over all views.
    title : str
        Words above the first panel.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        There is no layer: nothing is known of where the patches lie.

    Examples
    --------
    >>> from otanalysis.vlm.layout import PatchView, layers_of
    >>> layers = layers_of([PatchView(grid=(2, 2), box=(0.0, 0.0, 1.0, 1.0), count=4)])
    >>> len(overlay_layers(np.zeros((8, 8, 3), np.uint8), layers, [0, 3]).axes)
    1
    """
    if not layers:
        raise InputError(
            "Where the patches of this model lie in the picture is not known; nothing to draw on."
        )
    crops = [_crop(picture, layer) for layer in layers]
    shapes = [crop.shape[1] / crop.shape[0] for crop in crops]
    tall = min(_TALLEST, (TEXT_WIDTH - _GAP * (len(layers) - 1)) / sum(shapes), 3.2)
    width, height = tall * sum(shapes) + _GAP * (len(layers) - 1), tall + _HEAD
    lit = np.asarray(to_numpy(kept))
    with paper_style():
        figure = Figure(figsize=(width, height))
        left = 0.0
        for number, (layer, crop, shape) in enumerate(zip(layers, crops, shapes, strict=True)):
            panel = figure.add_axes((left / width, 0.0, tall * shape / width, tall / height))
            left += tall * shape + _GAP
            cells = np.flatnonzero(np.isin(np.asarray(layer.patches), lit))
            backdrop = backdrop_of(crop, grid=layer.grid)
            show_pixels(panel, backdrop, lit=cells)
            panel.set_aspect("auto")
            outline(panel, cells, layer.grid)
            words = f"{len(cells)} of {len(layer.patches)} patches kept"
            panel.set_title(f"{title}: {words}" if title and number == 0 else words, loc="left")
    return figure


def _crop(picture: NDArray[np.uint8], layer: Layer) -> NDArray[np.uint8]:
    """Return the part of the picture that a layer shows; black where a processor pads."""
    height, width = picture.shape[:2]
    left, top, right, bottom = layer.box
    columns = np.arange(round(left * width), round(right * width))
    rows = np.arange(round(top * height), round(bottom * height))
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))[None]
    pixels = picture[np.ix_(rows.clip(0, height - 1), columns.clip(0, width - 1))]
    shown: NDArray[np.uint8] = np.where(inside[..., None], pixels, 0).astype(np.uint8)
    return shown


@dataclass(frozen=True, eq=False)
class Backdrop:
    """What is drawn behind the patches.

    Attributes
    ----------
    pixels : ndarray [h, w, 3]
        Red, green and blue in ``[0, 1]``.
    grid : tuple of int
        ``(rows, columns)`` of patches.
    is_image : bool
        False where the pixels are the tokens' principal components.
    """

    pixels: FloatArray
    grid: Grid
    is_image: bool


def backdrop_of(source: Source, *, grid: Grid | None = None, picture: Array | None = None) -> Backdrop:
    """Return the picture and the grid of a sample, of tokens, or of a picture.

    Parameters
    ----------
    source : Sample, array [h, w, 3] or array [m, d]
        What is to be drawn on. A sample brings its thumbnail, if it has one; tokens are drawn by
        :func:`pca_rgb`.
    grid : tuple of int, optional
        ``(rows, columns)``; needed with a picture, else the sample's, or a square one.
    picture : array [h, w, 3], optional
        The image, where ``source`` does not bring it.

    Raises
    ------
    InputError
        If there is no grid, or the tokens do not fill it.
    """
    if isinstance(source, Sample):
        shown = source.thumbnail if picture is None else picture
        return backdrop_of(source.tokens, grid=grid or source.grid, picture=shown)
    array = to_numpy(source)
    if array.ndim == 3:
        if grid is None:
            raise InputError(
                "A picture alone does not say how it is cut into patches: pass grid=(rows, columns)."
            )
        return Backdrop(_pixels(array), _checked(grid), is_image=True)
    resolved = _grid_of(len(check_tokens(array)), grid)
    if picture is None:
        return Backdrop(pca_rgb(array, resolved), resolved, is_image=False)
    return Backdrop(_pixels(to_numpy(picture)), resolved, is_image=True)


def pca_rgb(tokens: Array, grid: Grid | None = None) -> FloatArray:
    r"""Colour a token grid by its first three principal components.

    The first becomes lightness, the next two become the green-red and the blue-yellow axis of Oklab. Each is
    scaled between its 2nd and 98th percentile; its sign is the one with positive skewness, so that what is
    rare is light. Equal tokens have equal colours, whatever their place.

    Parameters
    ----------
    tokens : array [m, d]
        All tokens of one image, row by row of the grid.
    grid : tuple of int, optional
        ``(rows, columns)`` with ``rows * columns = m``; a square one if left out.

    Returns
    -------
    ndarray [rows, columns, 3]
        Red, green and blue in ``[0, 1]``.

    Raises
    ------
    InputError
        If the tokens are not a finite matrix or do not fill the grid.

    Examples
    --------
    >>> import numpy as np
    >>> pca_rgb(np.random.default_rng(0).standard_normal((12, 5)), (3, 4)).shape
    (3, 4, 3)
    """
    cloud = np.asarray(to_numpy(check_tokens(tokens)), dtype=np.float64)
    rows, columns = _grid_of(len(cloud), grid)
    scores = np.zeros((len(cloud), 3))
    centred = cloud - cloud.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    # Components of rounding alone would be stretched to full colour.
    real = sizes[:3] > 1e-9 * max(float(np.abs(cloud).max()), np.finfo(np.float64).tiny)
    count = int(real.sum())
    scores[:, :count] = left[:, :count]
    scores *= np.where(np.sum(scores**3, axis=0) < 0, -1.0, 1.0)
    low, high = np.quantile(scores, _ENDS, axis=0)
    spread = np.where(high > low, high - low, 1.0)
    share = np.where(high > low, np.clip((scores - low) / spread, 0.0, 1.0), 0.5)
    return _oklab_to_srgb(_LOWEST + share * (_HIGHEST - _LOWEST)).reshape(rows, columns, 3)


def _oklab_to_srgb(oklab: FloatArray) -> FloatArray:
    linear = np.clip((oklab @ _OKLAB_TO_LMS.T) ** 3 @ _LMS_TO_RGB.T, 0.0, 1.0)
    curved = 1.055 * linear ** (1 / 2.4) - 0.055
    return np.asarray(np.where(linear <= 0.0031308, 12.92 * linear, curved))


def kept_positions(indices: Selection | Array, grid: Grid) -> npt.NDArray[np.int64]:
    """Return the positions [k] of kept patches as given, or raise InputError if one is off the grid."""
    return check_indices(indices.indices if isinstance(indices, Selection) else indices, grid[0] * grid[1])


def _grid_of(m: int, grid: Grid | None) -> Grid:
    side = isqrt(m)
    if grid is None and side * side != m:
        raise InputError(f"{m} tokens fill no square: pass grid=(rows, columns).")
    rows, columns = (side, side) if grid is None else _checked(grid)
    if rows * columns != m:
        raise InputError(
            f"The grid {rows} x {columns} has {rows * columns} patches, but there are {m} tokens: pass the "
            "grid of these tokens, or leave out those that are no patches (newline or class tokens)."
        )
    return rows, columns


def _checked(grid: Any) -> Grid:
    sides = listed(grid, "grid")
    if len(sides) != 2:
        raise InputError(f"grid must be (rows, columns), both at least 1; got {shown(grid)}.")
    wanted = "(rows, columns), both integers of at least 1"
    rows, columns = (check_integer(side, "grid", wanted=wanted, low=1) for side in sides)
    return rows, columns


def _pixels(picture: npt.NDArray[Any]) -> FloatArray:
    """Return a picture as floats in [0, 1]: bytes are divided by 255, floats must lie there already."""
    if picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        raise InputError(f"picture must be [h, w, 3] (red, green, blue); got shape {picture.shape}.")
    if picture.dtype == np.uint8:
        return picture / 255.0
    if picture.dtype.kind != "f" or not (picture.min() >= 0.0 and picture.max() <= 1.0):
        raise InputError(f"picture must hold bytes, or floats in [0, 1]; got {picture.dtype}.")
    return picture.astype(np.float64)


def new_panel(backdrop: Backdrop) -> Axes:
    """Return the axes of a new figure of one panel, shaped like the grid."""
    rows, columns = backdrop.grid
    figure = Figure(figsize=(PANEL, PANEL * rows / columns + 0.2))
    tall = (PANEL * rows / columns) / (PANEL * rows / columns + 0.2)
    return figure.add_axes((0.0, 0.0, 1.0, tall))


def show_pixels(panel: Axes, backdrop: Backdrop, *, lit: Array | None = None) -> None:
    """Show the picture, one unit a patch; with ``lit`` every other patch is dimmed."""
    rows, columns = backdrop.grid
    pixels = backdrop.pixels if lit is None else dimmed(backdrop, lit)
    panel.imshow(pixels, extent=(0, columns, rows, 0), interpolation="antialiased", aspect="equal")
    panel.set(xticks=[], yticks=[], xlim=(0, columns), ylim=(rows, 0))
    for side in panel.spines.values():
        side.set_visible(False)


def dimmed(backdrop: Backdrop, lit: Array) -> FloatArray:
    """Return the pixels [h, w, 3] with all patches but the lit ones dimmed.

    A picture whose sides are no multiples of the grid is sampled up, so that no patch border cuts a pixel.
    """
    rows, columns = backdrop.grid
    mask = np.zeros(rows * columns, dtype=np.bool_)
    mask[lit] = True
    pixels = _aligned(backdrop.pixels, backdrop.grid)
    tall, wide = pixels.shape[0] // rows, pixels.shape[1] // columns
    shown = np.repeat(np.repeat(mask.reshape(rows, columns), tall, axis=0), wide, axis=1)[..., None]
    return np.where(shown, pixels, pixels @ DIMMING.T + DIMMED_BLACK)


def _aligned(pixels: FloatArray, grid: Grid) -> FloatArray:
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
