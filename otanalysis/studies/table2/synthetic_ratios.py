r"""The optimality ratio of a kept set: several definitions, since the paper states none.

Every definition is 1 at the optimum and smaller elsewhere. Where only a bound of the optimum is known, the
ratio lies between that against the bound and that against the best subset found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from otanalysis.image import FloatArray
from otanalysis.surrogate import RUNGS

__all__ = ["RATIOS", "RatioDefinition"]

_MINIMISED = tuple(rung.number for rung in RUNGS if not rung.maximised)


@dataclass(frozen=True)
class RatioDefinition:
    """A definition of the optimality ratio.

    Attributes
    ----------
    name : str
        Name in tables.
    description : str
        The ratio in words.
    compute : callable
        Takes the rows of a table of trials and the best values [n], returns ratios [n].
    needs_optimum : bool
        Whether it hangs on the best values at all.
    """

    name: str
    description: str
    compute: Callable[[pd.DataFrame, FloatArray], FloatArray]
    needs_optimum: bool = True


def _column(rows: pd.DataFrame, name: str) -> FloatArray:
    return rows[name].to_numpy(dtype=np.float64)


def _minimised(rows: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray(rows["rung"].isin(_MINIMISED))


def _quotient(above: FloatArray, below: FloatArray) -> FloatArray:
    """Return the quotient; 1 where both are equal, zero included, and missing where only one is zero."""
    safe = np.where(below == 0.0, np.nan, below)
    return np.asarray(np.where(above == below, 1.0, above / safe))


def _share(rows: pd.DataFrame, best: FloatArray) -> FloatArray:
    value, minimised = _column(rows, "value"), _minimised(rows)
    return _quotient(np.where(minimised, best, value), np.where(minimised, value, best))


def _distance(rows: pd.DataFrame, best: FloatArray) -> FloatArray:
    return np.where(_minimised(rows), np.sqrt(np.maximum(_share(rows, best), 0.0)), np.nan)


def _from(start: str) -> Callable[[pd.DataFrame, FloatArray], FloatArray]:
    def compute(rows: pd.DataFrame, best: FloatArray) -> FloatArray:
        zero = _column(rows, start)
        return _quotient(_column(rows, "value") - zero, best - zero)

    return compute


def _best_random(rows: pd.DataFrame, _best: FloatArray) -> FloatArray:
    return np.minimum(1.0, _share(rows, _column(rows, "random_best")))


RATIOS: Mapping[str, RatioDefinition] = MappingProxyType(
    {
        one.name: one
        for one in (
            RatioDefinition(
                "share", "value / optimum where larger is better, optimum / value where smaller is", _share
            ),
            RatioDefinition(
                "distance", "the same of distances that are not squared (rungs 0 to 2)", _distance
            ),
            RatioDefinition(
                "gain", "share of the way from the mean random subset to the optimum", _from("random_mean")
            ),
            RatioDefinition(
                "range", "share of the way from the worst random subset to the optimum", _from("random_worst")
            ),
            RatioDefinition(
                "best-random",
                "share, with the best random subset for the optimum, at most 1",
                _best_random,
                needs_optimum=False,
            ),
        )
    }
)
"""The definitions by name; "share" is the one that is printed."""
