"""What the paper's claim on distance and score comes to inside one image, from the table of Figure I.

The paper compares methods. Where picture and question stay and only the kept set changes, the same claim says
that closer sets make the right answer likelier.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from otanalysis.distances import DISTANCES
from otanalysis.figures.verdicts.claim import PaperClaim
from otanalysis.selection.pool import RANDOM
from otanalysis.stats.cells import MEAN
from otanalysis.stats.judging import Evidence, Within
from otanalysis.stats.within_tables import MAIN_PAIR, NOTHING

_QUANTITY = (
    "Spearman's ρ, over kept sets of one question, between closeness by {name} and the log-probability of "
    "the right answer{given}; above zero{pool}, renumbered and with original positions"
)


def inside_claims(table: pd.DataFrame | None) -> Iterator[PaperClaim]:
    """Return the claims that closer sets answer better, and that one distance says more than the other.

    Parameters
    ----------
    table : DataFrame or None
        Of :func:`otanalysis.stats.within_tables.within_table`, of one model; None where nobody made the test.
    """
    for measure in MAIN_PAIR:
        words = f"kept sets of one image that are closer by {_label(measure)} answer better"
        yield _claim(table, words, measure)
        yield _claim(table, words, measure, pool=RANDOM)
    for measure, given in (MAIN_PAIR, MAIN_PAIR[::-1]):
        words = f"given {_label(given)}, sets that are closer by {_label(measure)} still answer better"
        yield _claim(table, words, measure, given=given)


def _claim(
    table: pd.DataFrame | None, words: str, measure: str, *, pool: str = "all", given: str = NOTHING
) -> PaperClaim:
    evidence: list[Evidence] = []
    tokens = ""
    if table is not None:
        overall = table[(table["benchmark"] == MEAN) & (table["pool"] == pool)]
        rows = overall[(overall["measure"] == measure) & (overall["given"] == given)]
        evidence = [
            Evidence(
                float(row["value"]), float(row["low"]), float(row["high"]), f"positions {row['positions']}"
            )
            for row in rows.to_dict("records")
        ]
        tokens = f"raw tokens, {int(rows['n'].max())} questions" if len(rows) else ""
    return PaperClaim(
        words,
        "section 3.2, inside one image",
        _QUANTITY.format(
            name=_label(measure),
            given="" if given == NOTHING else f", given {_label(given)}",
            pool=", uniformly random sets alone" if pool == RANDOM else "",
        ),
        tokens,
        tuple(evidence),
        Within(above=0.0),
        "python -m otanalysis.figures --only within",
        {"all": "all sets of a question", RANDOM: "uniformly random sets"}[pool] if given == NOTHING else "",
    )


def _label(measure: str) -> str:
    return DISTANCES[measure].label
