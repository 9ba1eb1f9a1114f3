"""The same claims on several models, with all their evidence in one table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from otanalysis.figures.verdicts.claim import PaperClaim
from otanalysis.stats.judging import Evidence, Exactly, Rule, Within, judge


def compare_claims(claims: Mapping[str, Sequence[PaperClaim]]) -> pd.DataFrame:
    """Tabulate the evidence on every claim that at least two models have the measurements for.

    Parameters
    ----------
    claims : mapping
        From the name of a model to its claims; equal words, readings and quantities are one claim.

    Returns
    -------
    DataFrame
        One row a piece of evidence, claim by claim in the order of the first model's: ``claim``, ``reading``,
        ``place``, ``quantity``, ``model``, ``tokens``, ``where`` (share kept, positions), ``value``, ``low``,
        ``high``, ``p_value``, ``deciding`` (whether it is the piece that decides), ``verdict`` (on this
        model), and the limits ``least`` and ``most`` between which the claim is true.

    Examples
    --------
    >>> def claim(*values):
    ...     evidence = tuple(Evidence(one, one - 0.1, one + 0.1) for one in values)
    ...     return PaperClaim("large", "here", "size", "all", evidence, Within(above=1.0), "measure")
    >>> table = compare_claims({"one": [claim(2.0, 3.0)], "other": [claim(0.5)], "third": [claim()]})
    >>> table[["model", "value", "deciding", "verdict"]].values.tolist()
    [['one', 2.0, True, 'holds'], ['one', 3.0, False, 'holds'], ['other', 0.5, True, 'does not hold']]
    """
    measured: dict[tuple[str, str, str], dict[str, PaperClaim]] = {}
    for model, own in claims.items():
        for one in own:
            if one.measured:
                measured.setdefault((one.words, one.reading, one.quantity), {})[model] = one
    return pd.DataFrame(
        [
            row
            for of_models in measured.values()
            if len(of_models) > 1
            for model, one in of_models.items()
            for row in _rows(model, one)
        ]
    )


def claims_in(table: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the rows of every claim of a table of :func:`compare_claims`, in its order."""
    return [rows for _, rows in table.groupby(["claim", "reading", "quantity"], sort=False)]


def _rows(model: str, claim: PaperClaim) -> list[dict[str, object]]:
    verdict, deciding = judge(claim.evidence, claim.rule)
    least, most = _limits(claim.rule)
    head = {"claim": claim.words, "reading": claim.reading, "place": claim.place}
    head |= {"quantity": claim.quantity, "model": model}
    tail = {"verdict": verdict, "least": least, "most": most}
    return [
        head | {"tokens": claim.tokens, "deciding": piece is deciding} | _numbers(piece) | tail
        for piece in claim.evidence
        if not math.isnan(piece.value)
    ]


def _numbers(piece: Evidence) -> dict[str, object]:
    return {
        "where": piece.where,
        "value": piece.value,
        "low": piece.low,
        "high": piece.high,
        "p_value": piece.p_value,
    }


def _limits(rule: Rule) -> tuple[float, float]:
    """Return between which values a rule lets a claim hold; of one that tests a sign, above zero."""
    match rule:
        case Within(above, below):
            return above, below
        case Exactly(least, most):
            return least, most
        case _:
            return 0.0, math.inf
