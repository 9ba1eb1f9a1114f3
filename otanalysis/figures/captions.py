"""What captions share: how they are joined, and how they word numbers.

Every caption stands in the file of its figure. It is written from the measured numbers, with a verdict on the
claims of arXiv:2602.20205, whichever way it falls: a small optimal-transport distance goes with a high score,
OTPrune keeps the tokens with the smallest distance, the results depend little on gamma, and the
log-determinant stands for the 2-Wasserstein distance, so that every rung of the ladder would order kept sets
as the exact distance does. A verdict says only what the intervals carry, or that they do not decide; where a
benchmark has a single image there are none, and :func:`single_images` says so below every caption.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from otanalysis.arrays import FloatArray
from otanalysis.figures.layout import benchmarks_of, tokens_words
from otanalysis.figures.style import method_look
from otanalysis.stats.cells import MEAN

DISTANCES = {"w2": "W2", "w2_squared": "squared W2", "quantisation_error": "quantisation error"}


def join_captions(earlier: str, fresh: str) -> str:
    r"""Return fresh captions with the earlier ones of the figures that were not drawn again, in their order.

    >>> print(join_captions("**Figure 2.** old\n\n**Figure 4.** kept\n", "**Figure 2.** new\n"))
    **Figure 2.** new
    <BLANKLINE>
    **Figure 4.** kept
    <BLANKLINE>
    """
    known = sections(earlier) | sections(fresh)
    return "\n\n".join(known[mark] for mark in sorted(known)) + "\n"


def sections(text: str) -> dict[str, str]:
    r"""Return captions by the letter or digit of their figure.

    >>> sections("**Figure 2.** two\n\n**Figure A.** a ladder\n")
    {'2': '**Figure 2.** two', 'A': '**Figure A.** a ladder'}
    """
    return {
        found[1]: section.strip()
        for section in re.split(r"(?m)^(?=\*\*Figure \w)", text)
        if (found := re.match(r"\*\*Figure (\w)", section))
    }


def basis(table: pd.DataFrame) -> str:
    """Name the distance and the tokens of a table."""
    distance, tokens = str(table["distance_kind"].iloc[0]), str(table["normalisation"].iloc[0])
    return f"{DISTANCES.get(distance, distance)} on {tokens_words(tokens)}"


def samples_words(table: pd.DataFrame) -> str:
    """Say how many samples a benchmark of a table has."""
    column = "samples" if "samples" in table.columns else "n"
    counts = sorted({int(count) for count in table.loc[table["benchmark"] != MEAN, column].dropna()})
    if not counts:
        return "the samples"
    return counted(counts[0], "sample") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} samples"


def questions_words(table: pd.DataFrame) -> str:
    """Say of how many questions a benchmark the scores of a table are, and where they are of fewer.

    Examples
    --------
    >>> table = pd.DataFrame({"benchmark": "gqa", "method": ["dpp", "fps"], "quantity": "score"})
    >>> questions_words(table.assign(value=0.5, n=400))
    ' Scores are of 400 questions a benchmark.'
    >>> questions_words(table.assign(value=0.5, n=[400, 32]))
    ' Scores are of 400 questions a benchmark; those of Farthest point are of 32, with wider intervals.'
    >>> questions_words(table.assign(value=0.5, n=None))
    ''
    """
    scored = (table["quantity"] == "score") & (table["benchmark"] != MEAN) & table["value"].notna()
    rows = table[scored & (table["n"].astype(float) > 0.0)]
    if rows.empty:
        return ""
    most = rows.groupby("benchmark")["n"].transform("max")
    fewer = rows[rows["n"] < most]
    said = f" Scores are of {_span(most)} questions a benchmark"
    if fewer.empty:
        return f"{said}."
    partly = set(rows.loc[rows["n"] == most, "method"])  # of such a method some points are of all questions
    names = [method_look(str(name)).label for name in fewer["method"].unique() if name not in partly]
    whose = f"those of {listed(names)}" if names and partly.isdisjoint(fewer["method"]) else "some"
    return f"{said}; {whose} are of {_span(fewer['n'])}, with wider intervals."


def _span(counts: pd.Series) -> str:
    low, high = int(counts.min()), int(counts.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def counted(number: float, noun: str) -> str:
    """Write how many there are of something whose plural ends in s.

    Examples
    --------
    >>> counted(1, "image"), counted(2.0, "image")
    ('1 image', '2 images')
    """
    return f"{number:.0f} {noun}" if number == 1 else f"{number:.0f} {noun}s"


def single_images(rows: pd.DataFrame) -> str:
    """Say of which benchmarks there is a single image, and what that leaves open; empty if of none.

    Parameters
    ----------
    rows : DataFrame
        What was measured, a row or several an image; without columns ``benchmark`` and ``sample`` nothing is
        said of it.

    Examples
    --------
    >>> single_images(pd.DataFrame({"benchmark": ["gqa", "pope", "pope"], "sample": [0, 0, 1]}))[:40]
    '**No intervals.** There is a single imag'
    """
    if not {"benchmark", "sample"} <= set(rows.columns):
        return ""
    images = rows.groupby("benchmark", sort=False)["sample"].nunique()
    alone = [str(name) for name in images.index[images < 2]]
    if not alone:
        return ""
    where = "every benchmark" if len(alone) == len(images) else listed(alone)
    return (
        f"**No intervals.** There is a single image of {where}, which says nothing of how images differ: its "
        "distances, and means that hold them, have no interval and no test, and decide nothing."
    )


def benchmarks_words(table: pd.DataFrame) -> str:
    """Say how many benchmarks a table has."""
    return counted(len(benchmarks_of(table)), "benchmark")


def listed(words: Sequence[str]) -> str:
    """Join words as in a sentence."""
    if not words:
        return "none"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def two_decimals(value: float) -> str:
    """Write two decimals, with a true minus sign and no negative zero."""
    return f"{value + 0.0:.2f}".replace("-0.00", "0.00").replace("-", "−")


def interval_words(low: float, high: float, write: Callable[[float], str] = two_decimals) -> str:
    """Write an interval as ``low to high``, or that there is none.

    Examples
    --------
    >>> interval_words(-0.5, 1.0), interval_words(np.nan, np.nan)
    ('−0.50 to 1.00', 'no interval')
    """
    return f"{write(low)} to {write(high)}" if np.isfinite([low, high]).all() else "no interval"


def overlap_words(upper: Mapping[Any, Any], lower: Mapping[Any, Any]) -> str:
    """Say how the intervals of a number and of a smaller one lie, both with ``low`` and ``high``.

    Examples
    --------
    >>> overlap_words({"low": 2.0, "high": 3.0}, {"low": 0.0, "high": 1.0})
    'intervals that lie apart'
    """
    ends = [float(upper["low"]), float(lower["high"])]
    if not np.isfinite(ends).all():
        return "no intervals to compare"
    return "intervals that lie apart" if ends[0] > ends[1] else "intervals that overlap"


def span(values: FloatArray) -> str:
    """Write the smallest and the largest of some values, once where they look the same."""
    low, high = two_decimals(float(np.min(values))), two_decimals(float(np.max(values)))
    return low if low == high else f"{low} to {high}"
