"""A claim with what was measured for it, and the table of verdicts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from otanalysis.stats.judging import Evidence, Rule, judge

COLUMNS = (
    "claim",
    "place",
    "quantity",
    "tokens",
    "value",
    "low",
    "high",
    "p_value",
    "where",
    "verdict",
    "command",
)
_HEAD = ("claim", "place", "what was measured, on which tokens", "number [95 % interval]", "verdict", "from")


@dataclass(frozen=True)
class PaperClaim:
    """A statement of the paper, with the evidence and the rule that decide it.

    Attributes
    ----------
    words : str
        What the paper says.
    place : str
        Where it says so: equation, figure, table or section.
    quantity : str
        What was measured, exactly, and which values would make the claim true.
    tokens : str
        On which tokens or numbers.
    evidence : tuple of Evidence
        Empty where nothing was measured.
    rule : Rule
        To which every piece of evidence is put.
    command : str
        That makes the numbers; empty where no measurement could decide.
    reading : str
        In a few words what tells the claim from the same one read otherwise, such as whose gamma is meant.
    """

    words: str
    place: str
    quantity: str
    tokens: str
    evidence: tuple[Evidence, ...]
    rule: Rule
    command: str
    reading: str = ""

    @property
    def measured(self) -> bool:
        """Whether there is a number to judge it by."""
        return any(not math.isnan(one.value) for one in self.evidence)


def verdict_table(claims: Iterable[PaperClaim]) -> pd.DataFrame:
    """Judge claims by their evidence.

    Parameters
    ----------
    claims : iterable of PaperClaim

    Returns
    -------
    DataFrame
        One row a claim: ``claim``, ``place``, ``quantity``, ``tokens``, the number that decides with its
        interval or p-value (``value``, ``low``, ``high``, ``p_value``, missing where there is none),
        ``where`` it was met, ``verdict`` (``holds``, ``does not hold``, ``not decidable here``), ``command``.

    Examples
    --------
    >>> from otanalysis.figures.verdicts.claim import PaperClaim
    >>> from otanalysis.stats.judging import Evidence, Within
    >>> evidence = (Evidence(2.0, 1.5, 2.5),)
    >>> claim = PaperClaim("large", "here", "size", "all", evidence, Within(above=1.0), "measure")
    >>> table = verdict_table([claim])
    >>> table["verdict"].tolist(), as_markdown(table).splitlines()[-1]
    (['holds'], '| large | here | size; all | 2 [1.5, 2.5] | **holds** | `measure` |')
    """
    return pd.DataFrame([_row(claim) for claim in claims], columns=list(COLUMNS))


def _row(claim: PaperClaim) -> dict[str, object]:
    verdict, one = judge(claim.evidence, claim.rule)
    number = one or Evidence(math.nan)
    return {
        "claim": claim.words,
        "place": claim.place,
        "quantity": claim.quantity,
        "tokens": claim.tokens,
        "value": number.value,
        "low": number.low,
        "high": number.high,
        "p_value": number.p_value,
        "where": number.where,
        "verdict": verdict,
        "command": claim.command,
    }


def as_markdown(table: pd.DataFrame) -> str:
    """Write the table of :func:`verdict_table` in Markdown, a line a claim.

    Returns
    -------
    str
        Ends with a line feed. A number that was not measured, or does not exist, is said to be missing.
    """
    lines = [f"| {' | '.join(_HEAD)} |", "|---" * len(_HEAD) + "|"]
    for row in table.fillna({"where": "", "tokens": "", "command": ""}).to_dict("records"):
        measured = "; ".join(str(row[name]) for name in ("quantity", "tokens") if row[name])
        command = f"`{row['command']}`" if row["command"] else ""
        cells = [row["claim"], row["place"], measured, number_words(row), f"**{row['verdict']}**", command]
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return "\n".join(lines) + "\n"


def number_words(row: Mapping[Any, Any]) -> str:
    """Write the number of a row of :func:`verdict_table`, with interval and p-value, and where it was met.

    Examples
    --------
    >>> row = {"value": -0.5, "low": -0.75, "high": 0.25, "p_value": math.nan, "where": "5% kept"}
    >>> number_words(row)
    '−0.5 [−0.75, 0.25] (5% kept)'
    """
    value, low, high, p = (float(str(row[name])) for name in ("value", "low", "high", "p_value"))
    if math.isnan(value):
        why = f"not known ({row['where']})" if row["where"] else "not measured"
        return why if row["command"] else "none"
    words = _digits(value)
    if not math.isnan(low):
        words += f" [{_digits(low)}, {_digits(high)}]"
    if not math.isnan(p):
        words += f", p = {_digits(p)}"
    return words + (f" ({row['where']})" if row["where"] else "")


def _digits(value: float) -> str:
    """Write three digits, with a true minus sign and no negative zero."""
    return f"{value + 0.0:.3g}".replace("-", "−")
