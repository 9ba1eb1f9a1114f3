"""What certified floors have in common: a bound over all kept sets of a size, and the best set met."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from otanalysis.arrays import FloatArray
from otanalysis.scalars import check_number
from otanalysis.transport.exact import ExactTransport

_LEAST_SQUARE = 1e-290  # squared distances below may have lost digits


@dataclass(frozen=True, eq=False)
class CertifiedFloor:
    """A certified lower bound of a squared distance over all kept sets of one size, and the best set met.

    Attributes
    ----------
    squared_distance : float
        The bound (squared unit).
    distance : float
        Its square root; it has all digits where the square vanishes.
    multipliers : ndarray [m]
        Prices of the tokens in the Lagrangian bound (squared unit).
    kind : str
        Which bound that is; "trivial" is one of zero.
    best : ExactTransport
        To the best kept set that the search met.
    keep : int
        Number of kept tokens.
    """

    squared_distance: float
    distance: float
    multipliers: FloatArray
    kind: str
    best: ExactTransport = field(repr=False)
    keep: int

    @property
    def gap(self) -> float:
        """Share of the best met squared distance that the bound leaves open; zero where both are zero."""
        return 1.0 - ratio_of_squares(self, self.best) if self.best.distance > 0.0 else 0.0


class _Far(Protocol):
    """What has a distance and its square."""

    @property
    def distance(self) -> float: ...
    @property
    def squared_distance(self) -> float: ...


def ratio_of_squares(over: _Far, under: _Far) -> float:
    """Return the ratio of two squared distances, right too where the squares themselves vanish."""
    if under.squared_distance >= _LEAST_SQUARE:
        return over.squared_distance / under.squared_distance
    return (over.distance / under.distance) ** 2 if under.distance > 0.0 else float("inf")


def check_effort(effort: float) -> float:
    """Return a factor of the steps of a search as a float; raise InputError if it is none."""
    return check_number(
        effort,
        "effort",
        wanted="positive and finite",
        above=0.0,
        high=1e6,
        advice="1 is about half a second for 576 tokens, 1e6 the most",
    )
