"""The methods on one image beside random kept sets of the same size, and the floor below all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from otanalysis.arrays import real_numbers
from otanalysis.errors import InputError
from otanalysis.figures.layout import Sheet
from otanalysis.figures.style import TEXT_WIDTH, method_look, paper_style
from otanalysis.scalars import check_number, shown

LEFT, TOP, ROW, HISTOGRAM, FOOT = 0.95, 0.1, 0.17, 0.75, 0.42
"""Inches: left edge of the panels, head, height of a method's row and of the histogram, axis below it."""


def _distance(value: float, name: str) -> float:
    return check_number(value, name, wanted="a finite number of at least zero", low=0.0)


def draw_against_random(
    random: ArrayLike, chosen: Mapping[str, float], *, floor: float | None = None
) -> Figure:
    r"""Draw the distances of methods above the histogram of those of random kept sets.

    Parameters
    ----------
    random : array_like [n]
        Exact :math:`W_2` of random kept sets, as of
        :func:`~otanalysis.studies.compare.random_distances`.
    chosen : mapping from str to float
        :math:`W_2` by method, drawn from the top in the order given.
    floor : float, optional
        Certified lower bound of :math:`W_2` over all kept sets of the size; what is below is hatched.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If there is no random set or no method, a name is no text, or a distance is none.

    Examples
    --------
    >>> figure = draw_against_random([1.0, 1.1, 1.3], {"uniform": 0.8}, floor=0.5)
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['Uniform']
    """
    values = real_numbers(random, "random").ravel()
    if values.size == 0 or not isinstance(chosen, Mapping) or not chosen:
        raise InputError(f"Random sets and methods are needed; got {values.size} and {shown(chosen)}.")
    if odd := [name for name in chosen if not isinstance(name, str)]:
        raise InputError(f"Methods are wanted by name, a text; got {shown(odd[0])}.")
    chosen = {name: _distance(value, f"The distance of {name}") for name, value in chosen.items()}
    floor = None if floor is None else _distance(floor, "floor")
    if not (np.isfinite(values).all() and values.min() >= 0.0):
        raise InputError("The distances of random sets must be finite and at least zero.")
    height = ROW * len(chosen)
    right = max(float(values.max()), *chosen.values()) * 1.05
    with paper_style():
        sheet = Sheet.of_height(TOP + height + HISTOGRAM + FOOT)
        upper = sheet.panel(LEFT, TOP, TEXT_WIDTH - LEFT - 0.1, height)
        lower = sheet.panel(LEFT, TOP + height, TEXT_WIDTH - LEFT - 0.1, HISTOGRAM)
        for place, (name, value) in enumerate(chosen.items()):
            look = method_look(name)
            upper.plot([0, value], [place, place], color="0.88", lw=0.6, zorder=0)
            upper.plot(value, place, **look.mark, ms=5, mew=0)
            upper.annotate(f"{value:.2f}", (value, place), (6, 0), textcoords="offset points", va="center")
        upper.set(ylim=(len(chosen) - 0.4, -0.6), yticks=range(len(chosen)), xlim=(0, right))
        upper.set_yticklabels([method_look(name).label for name in chosen])
        upper.tick_params(axis="both", length=0, labelbottom=False)
        upper.spines[["left", "bottom"]].set_visible(False)
        lower.hist(values, bins=min(30, max(5, values.size // 8)), color=method_look("random").colour)
        lower.set(xlim=(0, right), yticks=[], xlabel="$W_2$ to all tokens")
        lower.spines["left"].set_visible(False)
        words: dict[str, Any] = {"transform": lower.transAxes, "ha": "right", "va": "center"}
        lower.text(-0.005, 0.35, f"{values.size} random\nsets", fontsize=7, **words)
        for panel in (upper, lower):
            panel.axvline(float(values.mean()), color="0.6", lw=0.7, ls=(0, (3, 2)), zorder=0)
            if floor:
                panel.axvspan(0, floor, facecolor="none", edgecolor="0.75", hatch="////", lw=0, zorder=0)
        if floor:
            words = {"transform": lower.get_xaxis_transform(), "ha": "center", "va": "center"}
            box = {"fc": "white", "ec": "none", "pad": 1.0}
            lower.text(floor / 2, 0.45, "no kept set\nreaches here", fontsize=7, bbox=box, **words)
        return sheet.figure
