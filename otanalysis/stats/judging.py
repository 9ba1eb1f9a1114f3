"""Verdicts by rule: a claim holds, does not hold, or is not decidable, from numbers with their intervals.

Nothing is judged by hand. A claim rests on one or several pieces of evidence, such as one a share of tokens
kept, and each is put to the same rule. A claim that names no share is about all of them: it holds if it holds
for every piece, does not hold if it fails for one, and is not decidable otherwise or if nothing was measured.
The piece that decides is the one that is reported.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Verdict = Literal["holds", "does not hold", "not decidable here"]

HOLDS: Verdict = "holds"
FAILS: Verdict = "does not hold"
OPEN: Verdict = "not decidable here"

SIGNIFICANT = 0.05
"""Largest p-value that is not put down to chance."""


@dataclass(frozen=True)
class Evidence:
    """One number that a claim rests on.

    Attributes
    ----------
    value : float
        In the unit of the claim's quantity.
    low, high : float
        Ends of its 95 % interval; missing where there is none.
    where : str
        What tells it from the other pieces, such as the share of tokens kept.
    p_value : float
        Of its test: two-sided, or one-sided towards the side on which the value lies; missing where there is
        none.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    where: str = ""
    p_value: float = math.nan


class Rule(Protocol):
    """Judges one piece of evidence."""

    def __call__(self, one: Evidence) -> Verdict:
        """Return the verdict on this piece alone."""
        ...

    def room(self, one: Evidence) -> float:
        """Return how far its value is on the right side; below zero on the wrong one."""
        ...


@dataclass(frozen=True)
class Within:
    """Holds if the whole interval lies between two limits, fails if the whole of it lies outside.

    Attributes
    ----------
    above, below : float
        The limits, in the unit of the evidence.
    """

    above: float = -math.inf
    below: float = math.inf

    def __call__(self, one: Evidence) -> Verdict:
        """Return the verdict; a missing interval decides nothing."""
        if one.low > self.above and one.high < self.below:
            return HOLDS
        return FAILS if one.high < self.above or one.low > self.below else OPEN

    def room(self, one: Evidence) -> float:
        """Return the distance of the value from the nearer limit."""
        return min(one.value - self.above, self.below - one.value)


@dataclass(frozen=True)
class Exactly:
    """Holds if the value itself lies between two limits, both included: for what is computed, not sampled.

    Attributes
    ----------
    least, most : float
        The limits, in the unit of the evidence.
    """

    least: float = -math.inf
    most: float = math.inf

    def __call__(self, one: Evidence) -> Verdict:
        """Return the verdict; a missing value decides nothing."""
        if math.isnan(one.value):
            return OPEN
        return HOLDS if self.least <= one.value <= self.most else FAILS

    def room(self, one: Evidence) -> float:
        """Return the distance of the value from the nearer limit."""
        return min(one.value - self.least, self.most - one.value)


@dataclass(frozen=True)
class Positive:
    """Holds if the value is positive and its test significant, fails if it is negative and significant.

    The p-value of the other side could never fail a claim: against the evidence it is close to one.

    Attributes
    ----------
    level : float
        Largest p-value that counts.
    """

    level: float = SIGNIFICANT

    def __call__(self, one: Evidence) -> Verdict:
        """Return the verdict; a missing p-value decides nothing."""
        if not one.p_value <= self.level or one.value == 0:
            return OPEN
        return HOLDS if one.value > 0 else FAILS

    def room(self, one: Evidence) -> float:
        """Return the value."""
        return one.value


def judge(evidence: Sequence[Evidence], rule: Rule) -> tuple[Verdict, Evidence | None]:
    """Judge a claim by all its evidence.

    Parameters
    ----------
    evidence : sequence of Evidence
    rule : Rule
        To which every piece is put.

    Returns
    -------
    verdict : {"holds", "does not hold", "not decidable here"}
    deciding : Evidence or None
        Of the pieces with this verdict, the one with the least room; without a number among them, the first
        that says where it is missing; None where nothing was measured.

    Examples
    --------
    >>> pieces = [Evidence(0.5, 0.4, 0.6, "5%"), Evidence(0.1, -0.1, 0.3, "20%")]
    >>> judge(pieces, Within(above=0.0))[0], judge(pieces, Within(above=0.35))[1].where
    ('not decidable here', '20%')
    """
    verdicts = [rule(one) for one in evidence]
    found = FAILS if FAILS in verdicts else OPEN if OPEN in verdicts or not verdicts else HOLDS
    pieces = [one for one, verdict in zip(evidence, verdicts, strict=True) if verdict == found]
    known = [one for one in pieces if not math.isnan(one.value)]
    missing = next((one for one in pieces if one.where), None)
    return found, min(known, key=rule.room, default=missing)
