"""Claims on the numbers that the paper prints: its Tables 1 and 2, computed again from their cells."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from otanalysis.figures.verdicts.claim import PaperClaim
from otanalysis.files import bundled_data
from otanalysis.scores.table import read_accuracy
from otanalysis.stats.judging import Evidence, Exactly, Positive
from otanalysis.stats.paired_scores import ALL, PRINTED_P, compare_scores
from otanalysis.studies.table2.study import gaps_to_published
from otanalysis.studies.table2.tables import method_name

COMPARE = "otanalysis accuracy compare otprune divprune"
SYNTHETIC = "otanalysis synthetic"

_TABLE_1 = "Table 1"
_CELLS = "the cells that Table 1 prints"
_HALF_A_DIGIT = 5e-4
_PRINTED_TO = 1.0
"""Percentage points: how far a combination may be off that gives the published values."""


def published_claims(results: Path) -> Iterator[PaperClaim]:
    """Return the claims on Tables 1 and 2; of Table 2 those that ``results`` has the measurement for."""
    published, _ = files_of_claims(results)
    yield from table1_claims(read_accuracy(published))
    yield table2_claim(results)


def files_of_claims(results: Path) -> tuple[Path, Path]:
    """Return the files that the claims on Tables 1 and 2 rest on, of which the second need not be there."""
    return bundled_data("published/accuracy.csv", "published table"), results / "synthetic.parquet"


def table1_claims(accuracy: pd.DataFrame) -> Iterator[PaperClaim]:
    """Return the claims on OTPrune against DivPrune, model by model, over all and by kind of benchmark."""
    found = compare_scores(accuracy, "otprune", "divprune")
    whole = found[found["group"] == ALL]
    pooled = whole[whole["model"] == ALL].iloc[0]
    gain = (
        "median relative gain over DivPrune, exact Wilcoxon p, one-sided towards the sign of the gain; above "
        "zero, p at most 0.05"
    )
    pairs = f"all {int(pooled['pairs'])} pairs"
    yield PaperClaim(
        "OTPrune is better than DivPrune across all metrics",
        _TABLE_1,
        f"{gain}; the pairs of one benchmark on three models are not independent",
        _CELLS,
        (_gain(pooled, pairs),),
        Positive(),
        COMPARE,
    )
    yield PaperClaim(
        f"the p-value across all metrics is {PRINTED_P:g}",
        _TABLE_1,
        "one-sided Wilcoxon p, normal approximation; the printed number",
        _CELLS,
        (Evidence(float(pooled["p_normal"]), where=pairs),),
        Exactly(PRINTED_P - _HALF_A_DIGIT, PRINTED_P + _HALF_A_DIGIT),
        COMPARE,
    )
    yield PaperClaim(
        "the same, read as: on each model",
        _TABLE_1,
        gain,
        _CELLS,
        tuple(_gain(row, str(row["model"])) for _, row in whole[whole["model"] != ALL].iterrows()),
        Positive(),
        COMPARE,
    )
    kinds = found[(found["model"] == ALL) & (found["group"] != ALL)]
    yield PaperClaim(
        "the same, read as: on every kind of benchmark",
        _TABLE_1,
        gain,
        _CELLS,
        tuple(_gain(row, str(row["group"])) for _, row in kinds.iterrows()),
        Positive(),
        COMPARE,
    )


def _gain(row: pd.Series, where: str) -> Evidence:
    """Return a gain with the p-value of its own side: a loss can fail a claim as a gain can hold it."""
    gain = float(row["median_gain"])
    return Evidence(gain, where=where, p_value=float(row["p_against" if gain < 0 else "p_exact"]))


def table2_claim(results: Path) -> PaperClaim:
    """Return the claim that Table 2 can be reproduced, measured or not.

    Raises
    ------
    InputError
        If the table of trials is there and damaged. The summaries beside it, which anyone may edit, are not
        read.
    """
    _, trials = files_of_claims(results)
    gaps = gaps_to_published(trials) if trials.exists() else pd.DataFrame()
    evidence: tuple[Evidence, ...] = ()
    if not gaps.empty:
        closest = gaps.iloc[0]
        where = f"{closest['law']} tokens, normalised by {closest['normalise']}, {method_name(closest)}"
        evidence = (Evidence(float(closest["gap"]), where=where),)
        if closest["trials"] < 2:
            evidence = (Evidence(math.nan, where="a single trial of the tokens"),)
    return PaperClaim(
        "win rates and optimality ratios of greedy",
        "Table 2",
        "percentage points between the printed values and the closest combination of token law, "
        f"normalisation and gamma, on average; at most {_PRINTED_TO:g}",
        "drawn clouds",
        evidence,
        Exactly(most=_PRINTED_TO),
        SYNTHETIC,
    )
