"""Which rows of a sweep a figure is about, and the mean over benchmarks that all figures share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from otanalysis.errors import InputError

__all__ = ["DEFAULT_GAMMA", "MEAN", "RESAMPLES", "main_rows", "rows_with", "with_mean"]

Floats = NDArray[np.float64]

MEAN = "mean"
"""Benchmark name of the rows that average over all benchmarks."""

DEFAULT_GAMMA = 0.01
"""The gamma of the released code, which every figure but the one about gamma uses."""

RESAMPLES = 2000
"""Bootstrap size: the ends of a 95 % interval are then known to about 2 % of its width."""

Measured = tuple[Floats, Floats]
"""Values of shape (c,) with their replicates of shape (r, c)."""


def with_mean(values: Floats, replicates: Floats, scale: Floats | None = None) -> list[Measured]:
    """Per benchmark, then their mean (after scaling); a benchmark without a cell makes its mean missing."""
    factor = np.ones(len(values)) if scale is None else scale
    one = [(value, draws) for value, draws in zip(values, replicates, strict=True)]
    mean = (factor[:, None] * values).mean(axis=0), (factor[:, None, None] * replicates).mean(axis=0)
    return [*one, mean]


def rows_with(sweep: pd.DataFrame, *, methods: Sequence[str], ratios: Sequence[float] | None) -> pd.DataFrame:
    """Return the rows of these methods at these ratios (None: any); raise InputError if there is none."""
    if absent := [name for name in ("method", "ratio", "gamma") if name not in sweep.columns]:
        raise InputError(f"The sweep table lacks the columns {', '.join(absent)}: run the sweep again.")
    rows: pd.DataFrame = sweep[sweep["method"].isin(list(methods))]
    if ratios is not None:
        close = np.isclose(rows["ratio"].to_numpy(dtype=np.float64)[:, None], np.asarray(ratios)[None, :])
        rows = rows[close.any(axis=1)]
    if rows.empty:
        wanted = "any ratio" if ratios is None else "ratio " + ", ".join(f"{ratio:g}" for ratio in ratios)
        raise InputError(
            f"The sweep has no row of {', '.join(methods)} at {wanted}: run the sweep with them."
        )
    return rows


def main_rows(sweep: pd.DataFrame, *, methods: Sequence[str], ratios: Sequence[float] | None) -> pd.DataFrame:
    """Return the rows of these methods that have no gamma, or the default one."""
    rows = rows_with(sweep, methods=methods, ratios=ratios)
    gamma = rows["gamma"].to_numpy(dtype=np.float64, na_value=np.nan)
    chosen: pd.DataFrame = rows[np.isnan(gamma) | np.isclose(gamma, DEFAULT_GAMMA)]
    return chosen
