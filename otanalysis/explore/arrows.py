"""Which token carries whose mass: the transport plan as arrows on the image."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from otanalysis.arrays import Array, FloatArray, IntArray, to_numpy
from otanalysis.errors import InputError
from otanalysis.explore.overlay import (
    Grid,
    Source,
    backdrop_of,
    figure_of,
    kept_positions,
    new_panel,
    outline,
    show_pixels,
)
from otanalysis.figures.style import paper_style
from otanalysis.selection import Selection
from otanalysis.tokens import Sample
from otanalysis.transport import ExactTransport, wasserstein2

# Light enough for the dimmed picture behind them; taken in turn, so that arrows to one patch have one colour.
_COLOURS = ("#56B4E9", "#F0A800", "#44AA99", "#EE99AA", "#DDCC77", "#FFFFFF")

LEAST_SHARE = 1e-3
"""Of a token's mass, which is drawn: a plan in floating point leaves crumbs that nobody sees."""

# In patches: the shaft of an arrow that carries a whole token's mass, how far its head stands out, how long
# that is, and how far from the centre of the kept patch the arrow ends.
_SHAFT, _BARB, _HEAD, _GAP = 0.2, 0.26, 0.5, 0.5


def plan_arrows(
    source: Source,
    indices: Selection | Array,
    *,
    transport: ExactTransport | None = None,
    picture: Array | None = None,
    grid: Grid | None = None,
    kept: int | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Figure:
    r"""Draw the optimal plan: an arrow from every patch to the kept one that takes its mass.

    The width of an arrow is the mass that it carries, :math:`G_{ij}` of
    :func:`~otanalysis.transport.exact.wasserstein2`; a token's whole mass is :math:`1/m`, or its weight where
    a sample has weights. All arrows that end in one kept patch have one colour. A patch that keeps its own
    mass has no arrow.

    Parameters
    ----------
    source : Sample or array [m, d]
        A sample of a dump, or tokens.
    indices : Selection or array [k]
        The kept patches.
    transport : ExactTransport, optional
        Of these tokens to these patches, such as one on normalised tokens; computed if left out.
    picture : array [h, w, 3], optional
        The image, where ``source`` does not bring it.
    grid : tuple of int, optional
        ``(rows, columns)``; else the sample's, or a square one.
    kept : int, optional
        Position of one kept patch: only its column of the plan is drawn, and the patches that it stands for
        are lit.
    ax : Axes, optional
        Where to draw; a figure of its own if left out.
    title : str, optional
        Words above the picture.

    Returns
    -------
    Figure
        That of ``ax`` if it was given.

    Raises
    ------
    InputError
        If the transport is of other patches, ``kept`` is none of them, or as for
        :func:`~otanalysis.explore.overlay.overlay`.

    Examples
    --------
    >>> import numpy as np
    >>> tokens = np.random.default_rng(0).standard_normal((16, 3))
    >>> figure = plan_arrows(tokens, [0, 5, 9], kept=5)
    >>> len(figure.axes)
    1
    """
    backdrop = backdrop_of(source, grid=grid, picture=picture)
    positions = kept_positions(indices, backdrop.grid)
    plan = _plan_of(source, positions, transport)
    columns = np.arange(len(positions)) if kept is None else _column_of(kept, positions)
    served, column = np.nonzero(plan[:, columns] > LEAST_SHARE / len(plan))
    taker = columns[column]
    lit = positions if kept is None else np.union1d(served, kept)
    starts, ends = _centres(served, backdrop.grid), _centres(positions[taker], backdrop.grid)
    length = np.linalg.norm(ends - starts, axis=1)
    # The longest first, so that the short ones lie on top of them; no arrow for mass that stays.
    drawn = np.argsort(-length, kind="stable")[: int((length > 0).sum())]
    with paper_style():
        panel = new_panel(backdrop) if ax is None else ax
        show_pixels(panel, backdrop, lit=lit)
        shapes = _arrows(starts[drawn], ends[drawn], plan[served, taker][drawn] * len(plan))
        colours = [_COLOURS[number % len(_COLOURS)] for number in taker[drawn]]
        arrows = PolyCollection(list(shapes), facecolor=colours, edgecolor="0.1", lw=0.2, zorder=3)
        panel.add_collection(arrows, autolim=False)
        outline(panel, positions[columns], backdrop.grid, width=0.4 if kept is None else 0.8)
        if title:
            panel.set_title(title)
    return figure_of(panel)


def _plan_of(source: Source, positions: IntArray, transport: ExactTransport | None) -> FloatArray:
    """Return the plan [m, k] with its columns in the order of the positions."""
    tokens = to_numpy(source.tokens if isinstance(source, Sample) else source)
    if tokens.ndim != 2:
        raise InputError("plan_arrows needs the tokens [m, d], or a sample: a picture has no transport plan.")
    if transport is None:
        weights = source.weights if isinstance(source, Sample) else None
        return wasserstein2(tokens, positions, weights=weights).plan
    place = {int(position): column for column, position in enumerate(transport.indices)}
    if place.keys() != set(positions.tolist()) or len(transport.plan) != len(tokens):
        raise InputError(
            f"The transport is of {len(transport.plan)} tokens to {len(place)} kept ones, not of these "
            f"{len(tokens)} to these {len(positions)}: pass wasserstein2(tokens, indices), or leave it out."
        )
    return transport.plan[:, [place[int(position)] for position in positions]]


def _column_of(kept: int, positions: IntArray) -> IntArray:
    found = np.flatnonzero(positions == kept)
    if found.size == 0:
        raise InputError(f"kept={kept} is none of the {len(positions)} kept patches ({positions[0]}, ...).")
    return found


def _centres(positions: IntArray, grid: Grid) -> FloatArray:
    row, column = np.divmod(positions, grid[1])
    return np.stack([column, row], axis=1) + 0.5


def _arrows(starts: FloatArray, ends: FloatArray, shares: FloatArray) -> FloatArray:
    """Return outlines [n, 7, 2] of arrows; ``shares`` of a token's mass set their widths."""
    way = ends - starts
    length = np.linalg.norm(way, axis=1, keepdims=True)
    along = way / length
    tip = ends - _GAP * along
    head = np.minimum(_HEAD, 0.6 * (length - _GAP))
    neck = tip - head * along
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    half = 0.5 * _SHAFT * shares[:, None] * across
    wide = half + 0.5 * _BARB * across
    corners = [starts + half, neck + half, neck + wide, tip, neck - wide, neck - half, starts - half]
    return np.stack(corners, axis=1)
