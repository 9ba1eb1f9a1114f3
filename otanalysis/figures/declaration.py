"""What a figure says of itself: what it needs, and its table, drawing and caption.

Every figure has a file of its own that ends with its :class:`Declaration`; the
:mod:`~otanalysis.figures.registry` lists them, and :mod:`~otanalysis.figures.build` makes whatever is listed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import pandas as pd
from matplotlib.figure import Figure

from otanalysis.defaults import COMPARED_METHODS, DEFAULT_GAMMAS
from otanalysis.stats.cells import RATIO_DIGITS

Measured = Literal[
    "sweep",
    "ladder",
    "certificates",
    "normalisations",
    "weights",
    "predictors",
    "within",
    "positions",
    "worlds",
]
"""What can be measured for a figure: distances of the methods' kept sets, all rungs for a pool of subsets,
distances and quantisation errors beside their certified floors, distances of few images under all
normalisations, or under several weights of the tokens, all distances of all methods' kept sets of one size,
what `otanalysis within` found inside single images, the bundled accuracies with both positions, or the
claims on all models with bundled tables. :mod:`~otanalysis.figures.build` measures each at most once a run;
the last three, which take the model itself or are of others, it only reads."""

Tables = TypeVar("Tables")


@dataclass(frozen=True, order=True)
class Setting:
    """What was kept: one run of a model.

    Attributes
    ----------
    method : str
        Selection method, or ``full``.
    ratio : float
        Share of the tokens kept.
    gamma : float or None
        Of the methods that have one, in the unit of the method; None for others.
    """

    method: str
    ratio: float
    gamma: float | None = None

    @classmethod
    def released(cls, method: str, ratio: float) -> Setting:
        """Return a method as it is by default: with its own gamma, if it has one."""
        return cls(method, round(float(ratio), RATIO_DIGITS), DEFAULT_GAMMAS.get(method))


def every_method(swept: pd.DataFrame, ratio: float) -> dict[Setting, bool]:
    """Return the settings of a figure that shows all methods that were swept, at one share kept.

    Examples
    --------
    >>> [one.gamma for one in every_method(pd.DataFrame({"method": ["dpp", "otprune", "dpp"]}), 0.1)]
    [None, 0.01]
    """
    return {Setting.released(method, ratio): False for method in swept["method"].drop_duplicates()}


@dataclass(frozen=True, eq=False)
class Given:
    """What a table is made of; equal to nothing but itself.

    Attributes
    ----------
    rows : DataFrame
        What was measured, of the kind that the declaration asks for.
    scores : DataFrame or None
        Accuracies of the same model.
    distance, normalise : str
        Distance of the figure, and token normalisation under it.
    ratio : float
        Share of tokens kept, in figures of one share.
    every_ratio : bool
        Whether such a figure is to show all shares that were measured.
    methods : tuple of str
        Methods to show, of those that were measured.
    coverage : DataFrame or None
        Beside certificates of the distance: those of the quantisation error.
    """

    rows: pd.DataFrame
    scores: pd.DataFrame | None = None
    distance: str = "w2"
    normalise: str = "none"
    ratio: float = 0.098
    every_ratio: bool = False
    methods: tuple[str, ...] = COMPARED_METHODS
    coverage: pd.DataFrame | None = None

    @property
    def how(self) -> dict[str, Any]:
        """Distance and normalisation, as the functions of :mod:`otanalysis.stats.figure_tables` take them."""
        return {"distance": self.distance, "normalise": self.normalise}


@dataclass(frozen=True)
class Declaration(Generic[Tables]):
    """A figure.

    Attributes
    ----------
    title : str
        With which its caption begins: ``Figure``, a digit or letter that orders the captions, and words.
    file : str
        Of what is written, without ``.pdf``, ``.png``, ``.csv``.
    needs : str
        Which measured rows it is made of: one of :data:`Measured`.
    table : callable
        From what is given to the numbers that are drawn.
    draw : callable
        From these numbers to a matplotlib ``Figure``.
    caption : callable
        From the numbers by file name, several where there are versions, to Markdown, with a verdict whichever
        way they fall.
    methods : tuple
        What a sweep for it has to measure.
    gammas : mapping
        From a method with a gamma to the values that it has to measure, each in the method's unit.
    scores : callable, optional
        From the settings that were swept (columns ``method, ratio, gamma``) and the share kept to the
        settings whose scores are shown, beside that of all tokens; the value says whether a score without
        gamma will not do. None if it shows no scores.
    of_objects : bool
        Whether its rows must say what is kept of the scene's objects, too, which few dumps know.
    csvs : callable
        From the numbers to the tables that are written, by the end of their file names.
    versions : callable
        From what is given to that of the further versions of the figure, by the end of their file names; the
        figure itself comes first, under the empty end.
    """

    title: str
    file: str
    needs: Measured
    table: Callable[[Given], Tables]
    draw: Callable[[Tables], Figure]
    caption: Callable[[Mapping[str, Tables]], str]
    methods: tuple[str, ...] = COMPARED_METHODS
    gammas: Mapping[str, tuple[float, ...]] = field(
        default_factory=lambda: {method: (gamma,) for method, gamma in DEFAULT_GAMMAS.items()}
    )
    scores: Callable[[pd.DataFrame, float], dict[Setting, bool]] | None = None
    of_objects: bool = False
    csvs: Callable[[Tables], Mapping[str, pd.DataFrame]] = lambda table: {"": table}  # type: ignore[dict-item]
    versions: Callable[[Given], Mapping[str, Given]] = lambda given: {"": given}

    def tables(self, given: Given) -> dict[str, Tables]:
        """Return the tables of the figure and its further versions, by file name."""
        return {self.file + end: self.table(one) for end, one in self.versions(given).items()}
