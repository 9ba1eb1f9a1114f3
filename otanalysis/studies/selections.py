"""What studies of the methods' selections of a sample share: settings, columns, and the best kept set."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import TypeVar

import pyarrow as pa

from otanalysis.arrays import Normalisation, resolve_keep
from otanalysis.defaults import COMPARED_METHODS, RATIOS, RELEASED_GAMMA
from otanalysis.image import Image
from otanalysis.selection import Selection
from otanalysis.studies.chunks import Record
from otanalysis.studies.runs import Run, SweepSettings

BEST = "best"
"""Method name of the closest kept set that the search for a floor, or any method, met."""

SELECTED = pa.schema(
    [
        ("m", pa.int32()),
        ("ratio", pa.float64()),
        ("keep", pa.int32()),
        ("method", pa.string()),
        ("gamma", pa.float64()),
        ("seed", pa.int64()),
        ("normalisation", pa.string()),
    ]
)
"""Columns that say which selection a row is of."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class SelectionStudy:
    """Settings of a study of selections, with one gamma and one normalisation; checked when made.

    Attributes
    ----------
    methods : tuple of str
        Names in :data:`otanalysis.selection.SELECTORS`.
    ratios : tuple of float
        Kept shares of the tokens, in (0, 1].
    normalise : {"none", "columns", "rows"}
        Of the tokens under what is measured; the selection never sees it.
    seeds : tuple of int
        For the methods that draw at random.
    gamma : float
        Of the methods that have one, for each in its own unit.

    Raises
    ------
    InputError
        If a setting is missing, repeated, unknown or out of range.
    """

    methods: tuple[str, ...] = COMPARED_METHODS
    ratios: tuple[float, ...] = RATIOS
    normalise: Normalisation = "none"
    seeds: tuple[int, ...] = (0, 1, 2)
    gamma: float = RELEASED_GAMMA

    def __post_init__(self) -> None:
        self._settings()

    def keeps(self, image: Image) -> dict[float, int]:
        """Return how many tokens of an image are kept at each ratio."""
        return {ratio: resolve_keep(len(image), ratio=ratio) for ratio in self.ratios}

    def select(self, image: Image, sample_id: str) -> dict[Run, dict[int, Selection]]:
        """Return what every run keeps of an image: its selections by the number of tokens kept."""
        return self._settings().select(image, sample_id, self.keeps(image).values())

    def place(self, image: Image, ratio: float, keep: int) -> Record:
        """Return the columns of :data:`SELECTED` that say how many tokens are kept, and how they are seen."""
        return {"m": len(image), "ratio": ratio, "keep": keep, "normalisation": self.normalise}

    def _settings(self) -> SweepSettings:
        """Return the sweep that makes the selections; it checks the settings when made."""
        return SweepSettings(self.methods, self.ratios, (self.gamma,), self.seeds, (self.normalise,))


def chosen_by(run: Run) -> Record:
    """Return the columns of :data:`SELECTED` that say who chose the kept set."""
    return {"method": run.selector.name, "gamma": run.gamma, "seed": run.seed}


def with_best(chosen: list[Record], met: Record, *, by: str) -> list[Record]:
    """Return the rows of one ratio with that of the best kept set behind them.

    Parameters
    ----------
    chosen : list of dict
        The rows of the methods.
    met : dict
        What was measured of the best kept set that the search met, without who chose it.
    by : str
        The column of which the least is the best.
    """
    closest = min([*chosen, met], key=itemgetter(by))
    return [*chosen, closest | {"method": BEST, "gamma": None, "seed": None}]


def timed(work: Callable[[], _T]) -> tuple[_T, float]:
    """Return a result and the seconds of this process that it took, whatever else the machine did."""
    start = time.process_time()
    result = work()
    return result, time.process_time() - start
