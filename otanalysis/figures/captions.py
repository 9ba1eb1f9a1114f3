"""What captions share: how they are joined, and how they word numbers.

Every caption stands in the file of its figure. It is written from the measured numbers, with a verdict on the
claims of arXiv:2602.20205, whichever way it falls: a small optimal-transport distance goes with a high score,
OTPrune keeps the tokens with the smallest distance, the results depend little on gamma, and the
log-determinant stands for the 2-Wasserstein distance, so that every rung of the ladder would order kept sets
as the exact distance does. A verdict says only what the intervals carry, or that they do not decide.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from otanalysis.arrays import FloatArray
from otanalysis.figures.layout import tokens_words
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
    sections: dict[str, str] = {}
    for text in (earlier, fresh):
        for section in re.split(r"(?m)^(?=\*\*Figure \w)", text):
            if found := re.match(r"\*\*Figure (\w)", section):
                sections[found[1]] = section.strip()
    return "\n\n".join(sections[mark] for mark in sorted(sections)) + "\n"


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
    return f"{counts[0]} samples" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} samples"


def listed(words: Sequence[str]) -> str:
    """Join words as in a sentence."""
    if not words:
        return "none"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def two_decimals(value: float) -> str:
    """Write two decimals, with a true minus sign and no negative zero."""
    return f"{value + 0.0:.2f}".replace("-0.00", "0.00").replace("-", "−")


def span(values: FloatArray) -> str:
    """Write the smallest and the largest of some values, once where they look the same."""
    low, high = two_decimals(float(np.min(values))), two_decimals(float(np.max(values)))
    return low if low == high else f"{low} to {high}"
