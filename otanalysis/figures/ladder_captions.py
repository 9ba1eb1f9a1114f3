"""Captions of Figures A and B, written from the measured numbers, with a verdict whichever way it falls.

The claim of arXiv:2602.20205 is that its log-determinant stands for the 2-Wasserstein distance: every rung of
the ladder would then order kept sets as the exact distance does.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from otanalysis.arrays import FloatArray
from otanalysis.figures.layout import benchmarks_of, per_cent, tokens_words
from otanalysis.selection.pool import METHOD, RANDOM
from otanalysis.stats.cells import MEAN
from otanalysis.stats.ladder_tables import SCATTERED
from otanalysis.surrogate.ladder import RUNGS

__all__ = ["caption_ladder", "caption_scatter"]


_STEPS = {
    (0, 1): "from the exact distance to means and covariances",
    (1, 2): "the means dropped",
    (2, 3): "tr Σ_C dropped",
    (3, 4): "the square root replaced by log(1 + t)",
    (4, 5): "the columns normalised",
}
SMALL_LOSS = 0.1
"""A step that costs less correlation than this, at every ratio, is not worth a name in the verdict."""


def caption_ladder(table: pd.DataFrame) -> str:
    """Write the caption of Figure A from :func:`otanalysis.stats.ladder_tables.ladder_table`.

    Returns
    -------
    str
        Markdown.
    """
    count, images = len(benchmarks_of(table)), int(table.loc[table["benchmark"] == MEAN, "n"].max())
    sizes = {pool: int(own["subsets"].iloc[0]) for pool, own in table.groupby("pool")}
    head = (
        "**Figure A. The ladder from exact transport to the surrogate.** Spearman's ρ between each rung and "
        f"the exact W2² over {sizes['all']} subsets of one size of an image (those of all methods, "
        f"{sizes[RANDOM]} random ones, mixtures and swaps), mean over {images} images of {count} "
        f"benchmark{'s' * (count != 1)}; bars are 95% bootstrap intervals over images. ρ over such a pool "
        "depends on what is in it: hollow markers show the random subsets alone. The log-determinants have "
        f"γ = {float(table['gamma'].iloc[0]):g}. (a) By normalisation and ratio. (b) Per benchmark."
    )
    overall = table[table["benchmark"] == MEAN]
    verdicts = [_verdict(str(kind), own) for kind, own in overall.groupby("normalisation", sort=False)]
    return f"{head}\n\n**Verdict.** " + "\n\n".join(verdicts)


def caption_scatter(table: pd.DataFrame) -> str:
    """Write the caption of Figure B from :func:`otanalysis.stats.ladder_tables.scatter_table`.

    Returns
    -------
    str
        Markdown.
    """
    images = len(table[["benchmark", "sample"]].drop_duplicates())
    head = (
        f"**Figure B. Exact distance against the surrogate.** One point a subset of {images} images, "
        f"{per_cent(float(table['ratio'].iloc[0]))} of the tokens kept; W2 and the rungs relative to the "
        "random subsets of the same image, on log axes, what the rung prefers on the left: agreement is a "
        "rising cloud. Markers are the methods' subsets, dots the drawn ones, coloured by their mean squared "
        "token length tr Σ_C. ρ is Spearman's correlation within an image, mean over images."
    )
    sentences = [_scatter_verdict(str(kind), own) for kind, own in table.groupby("normalisation", sort=False)]
    return f"{head}\n\n**Verdict.** {' '.join(sentences)}"


def _verdict(kind: str, rows: pd.DataFrame) -> str:
    """Say what the ladder loses under one normalisation, and what choosing by its last rung costs."""
    whole = rows[rows["pool"] == "all"]
    rho = whole[whole["quantity"] == "rho"].pivot(index="measure", columns="ratio", values="value")
    values: list[FloatArray] = [rho.loc[rung.column].to_numpy(dtype=np.float64) for rung in RUNGS]
    listed = ", ".join(
        f"{_span(own)} at rung {rung.number}" for rung, own in zip(RUNGS[1:], values[1:], strict=True)
    )
    return (
        f"On {tokens_words(kind)} ρ is {listed}, over the ratios. {_losses(values)} "
        f"{_last_rung(rows)} {_favourites(whole)}"
    )


def _losses(values: list[FloatArray]) -> str:
    lost = {
        (step, step + 1): values[step] - values[step + 1]
        for step in range(len(values) - 1)
        if np.max(values[step] - values[step + 1]) >= SMALL_LOSS
    }
    if not lost:
        return f"No step costs {SMALL_LOSS:g} or more of it."
    costly = sorted(lost, key=lambda step: float(-lost[step].mean()))
    parts = [f"{step[0]} to {step[1]} ({_STEPS[step]}; {_span(lost[step])})" for step in costly]
    return f"It is lost in the step{'s' * (len(parts) > 1)} {', then '.join(parts)}."


def _last_rung(rows: pd.DataFrame) -> str:
    own = rows[(rows["quantity"] == "rho") & (rows["measure"] == RUNGS[-1].column)]
    whole = own[own["pool"] == "all"]
    if (whole["low"] > 0).all():
        said = "orders the subsets in the direction of the exact distance at every ratio"
    elif (whole["high"] < 0).all():
        said = "orders the subsets against the exact distance at every ratio"
    else:
        said = "does not order the subsets in one direction at every ratio"
    ends = f"{_number(whole['low'].min())} to {_number(whole['high'].max())}"
    alone = own.loc[own["pool"] == RANDOM, "value"].to_numpy(dtype=np.float64)
    return (
        f"The released surrogate {said} (95% intervals within {ends}; ρ among random subsets alone "
        f"{_span(alone)})."
    )


def _favourites(rows: pd.DataFrame) -> str:
    """Say how far the favourites of the last rung, and of the last that is a distance, are exactly."""

    def found(column: str, quantity: str) -> FloatArray:
        own = rows[(rows["measure"] == column) & (rows["quantity"] == quantity)]
        return own["value"].to_numpy(dtype=np.float64)

    parts = [
        f"that of rung {rung.number} beats {_share(found(rung.column, 'win_rate'))} of the random subsets, "
        f"with {_span(1 + found(rung.column, 'regret'))} times the W2² of the best subset"
        for rung in (RUNGS[-1], RUNGS[2])
    ]
    return f"Of the favourites, {'; '.join(parts)}."


def _scatter_verdict(kind: str, rows: pd.DataFrame) -> str:
    rho = rows.groupby("measure")["rho"].first()
    second, third, last = (float(rho[rung.column]) for rung in SCATTERED)
    drop = second - third
    effect = (
        f"changes ρ from {_number(second)} to {_number(third)}"
        if abs(drop) >= SMALL_LOSS
        else f"costs nothing (ρ {_number(second)} and {_number(third)})"
    )
    said = f"On {tokens_words(kind)} dropping tr Σ_C {effect}; the released surrogate has {_number(last)}."
    own = rows[rows["origin"] == METHOD + "otprune"]
    if own.empty:
        return said
    length, far = _number(float(own["length"].mean())), _number(float(own["y"].mean()))
    return f"{said} OTPrune's subsets have {length} times the tr Σ_C of random ones and {far} times their W2."


def _span(values: FloatArray) -> str:
    low, high = _number(float(np.min(values))), _number(float(np.max(values)))
    return low if low == high else f"{low} to {high}"


def _share(values: FloatArray) -> str:
    low, high = f"{100 * values.min():.0f}", f"{100 * values.max():.0f}"
    return f"{low}%" if low == high else f"{low} to {high}%"


def _number(value: float) -> str:
    """Two decimals, with a true minus sign and no negative zero."""
    return f"{value + 0.0:.2f}".replace("-0.00", "0.00").replace("-", "−")
