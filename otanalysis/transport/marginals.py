r"""The masses between which is transported, and what a plan that carries them is exactly.

A basic plan is known from its support alone: the entries that carry mass form a forest, and whoever has one
entry left must pass all that it has through it. So the masses that a solver rounded can be restored:

* between uniform weights they are multiples of :math:`1 / \mathrm{lcm}(m, k)`, the nearest ones;
* between any weights they follow leaf by leaf, in whole numbers: floating-point weights are whole multiples
  of a power of two, and with the sum of the others' weights as a factor both sides have one total.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import fsum, lcm
from typing import NamedTuple, Protocol

import numpy as np

from otanalysis.arrays import FloatArray, IntArray

# Of the lowest ceiling of the costs between any weights, over what is left to gain; see `Marginals.shares`.
_SHARES = 2.0**30


class Masses(NamedTuple):
    """The entries of a plan that carry mass."""

    rows: IntArray
    columns: IntArray
    given: FloatArray
    """What they carry."""
    whole: FloatArray | None
    """What they stand for, times ``units``, if that has the right marginals: else it is no basic plan."""
    units: int


class Marginals(Protocol):
    """The masses of all tokens and of the kept ones, each of sum one."""

    @property
    def rows(self) -> FloatArray:
        """Of all tokens [m]."""

    @property
    def columns(self) -> FloatArray:
        """Of the kept tokens [k]."""

    @property
    def supplies(self) -> tuple[FloatArray, FloatArray]:
        """Both sides times ``units``: what flows are made of."""

    @property
    def units(self) -> int:
        """Units in a mass of one."""

    @property
    def shares(self) -> float:
        """An entry whose cost is above so many times an upper bound of the value is not worth a mass.

        Of uniform weights that is proven. Of any weights it is a guess, which only decides on which scale the
        solver looks: the plan is paid for, and the potentials are feasible, on the costs themselves.
        """

    @property
    def advice(self) -> str:
        """What to do where plan and potentials do not prove each other."""

    @property
    def roundings(self) -> float:
        """Of the value of potentials, in halves of an ulp of the mean size of the potentials."""

    def masses(self, plan: FloatArray) -> Masses:
        """Return the masses of a plan [m, k], and the exact ones that they stand for."""

    def restored(self, plan: FloatArray) -> FloatArray:
        """Return the plan with masses that are right to a rounding each, if that is more than it has."""

    def mean(self, u: FloatArray, v: FloatArray) -> tuple[float, float]:
        """Return the means of potentials [m] and [k] over the masses."""

    def value(self, u: FloatArray, v: FloatArray) -> float:
        """Return what potentials [m] and [k] are worth, the sums rounded once."""


@dataclass(frozen=True)
class UniformMarginals:
    """Uniform weights on ``m`` tokens and ``k`` kept ones."""

    m: int
    k: int

    advice = "report the tokens as a solver bug"
    roundings = 4.0

    @property
    def rows(self) -> FloatArray:
        """[m]."""
        return np.full(self.m, 1.0 / self.m)

    @property
    def columns(self) -> FloatArray:
        """[k]."""
        return np.full(self.k, 1.0 / self.k)

    @property
    def units(self) -> int:
        """The least common multiple of both numbers."""
        return lcm(self.m, self.k)

    @property
    def supplies(self) -> tuple[FloatArray, FloatArray]:
        """Whole numbers."""
        # Of whole masses the simplex makes whole flows: no other error than that of one division.
        return np.full(self.m, float(self.units // self.m)), np.full(self.k, float(self.units // self.k))

    @property
    def shares(self) -> float:
        """The units: no mass of a basic plan is smaller than one."""
        return float(self.units)

    def masses(self, plan: FloatArray) -> Masses:
        """Return the masses, and the multiples nearest to them."""
        rows, columns, given = _carrying(plan)
        with np.errstate(invalid="ignore"):
            whole = np.rint(given * self.units)
        right = (
            (whole >= 0.0).all()
            and (np.bincount(rows, whole, self.m) == self.units // self.m).all()
            and (np.bincount(columns, whole, self.k) == self.units // self.k).all()
        )
        return Masses(rows, columns, given, whole if right else None, self.units)

    def restored(self, plan: FloatArray) -> FloatArray:
        """Return the plan itself: the solver's masses are off by an ulp of one share at most."""
        return plan

    def mean(self, u: FloatArray, v: FloatArray) -> tuple[float, float]:
        """Return the means."""
        return float(u.mean()), float(v.mean())

    def value(self, u: FloatArray, v: FloatArray) -> float:
        """Return the sum of the means."""
        return fsum(u.tolist()) / self.m + fsum(v.tolist()) / self.k


@dataclass(frozen=True, eq=False)
class WeightedMarginals:
    """Any positive masses of tokens [m] and kept ones [k], each of sum one to two roundings."""

    rows: FloatArray
    columns: FloatArray

    advice = "where nearly all of it is owed to tokens of tiny weights, leave those out or give them zero"
    roundings = 8.0  # those of uniform weights, of the products, and of the masses' own sum
    units = 1

    @property
    def supplies(self) -> tuple[FloatArray, FloatArray]:
        """The masses."""
        return self.rows, self.columns

    @property
    def shares(self) -> float:
        """One over the smallest mass, within limits."""
        least = min(self.rows.min(), self.columns.min())
        return float(1.0 / max(least, 1.0 / _SHARES))  # one over a subnormal mass would overflow

    @cached_property
    def _whole(self) -> tuple[list[int], int]:
        """Both sides' masses as whole numbers, one behind the other, and their common total."""
        rows, columns = _whole_numbers(self.rows), _whole_numbers(self.columns)
        of_rows, of_columns = sum(rows), sum(columns)
        return [one * of_columns for one in rows] + [one * of_rows for one in columns], of_rows * of_columns

    def masses(self, plan: FloatArray) -> Masses:
        """Return the masses, and those that the support forces."""
        rows, columns, given = _carrying(plan)
        supply, total = self._whole
        forced = _forced(rows.tolist(), (columns + len(self.rows)).tolist(), supply)
        # Python divides whole numbers of any size with one rounding.
        whole = None if forced is None else np.array([one / total for one in forced], dtype=np.float64)
        return Masses(rows, columns, given, whole, self.units)

    def restored(self, plan: FloatArray) -> FloatArray:
        """Return the plan that the support forces, if it forces one."""
        rows, columns, _, whole, _ = self.masses(plan)
        if whole is None:
            return plan
        exact = np.zeros_like(plan)
        exact[rows, columns] = whole
        return exact

    def mean(self, u: FloatArray, v: FloatArray) -> tuple[float, float]:
        """Return the weighted means."""
        return float(self.rows @ u), float(self.columns @ v)

    def value(self, u: FloatArray, v: FloatArray) -> float:
        """Return the sum of the weighted means."""
        return fsum((self.rows * u).tolist()) + fsum((self.columns * v).tolist())


def _carrying(plan: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Return rows, columns and masses of the entries that are not zero."""
    carrying = np.flatnonzero(plan != 0.0)
    rows, columns = np.divmod(carrying, plan.shape[1])
    return rows, columns, plan.ravel()[carrying]


def _whole_numbers(masses: FloatArray) -> list[int]:
    """Return masses as multiples of the largest power of two of which all are."""
    ratios = [one.as_integer_ratio() for one in masses.tolist()]
    unit = max(denominator for _, denominator in ratios)
    return [numerator * (unit // denominator) for numerator, denominator in ratios]


def _forced(one_end: list[int], other_end: list[int], supply: list[int]) -> list[int] | None:
    """Return what every edge of a forest must carry so that every node passes its supply.

    None if the edges have a cycle, an edge would carry less than nothing, or a supply does not fit.
    """
    left, degree, edges = list(supply), [0] * len(supply), [0] * len(supply)
    for edge, ends in enumerate(zip(one_end, other_end, strict=True)):
        for end in ends:
            degree[end] += 1
            edges[end] ^= edge  # of one edge that is left, its number
    carried = [-1] * len(one_end)
    leaves = [node for node, number in enumerate(degree) if number == 1]
    while leaves:
        node = leaves.pop()
        if degree[node] != 1:
            continue  # its one edge was settled from the other end
        edge = edges[node]
        amount = carried[edge] = left[node]
        for end in (one_end[edge], other_end[edge]):
            left[end] -= amount
            degree[end] -= 1
            edges[end] ^= edge
            if degree[end] == 1:
                leaves.append(end)
    return None if any(left) or min(carried) < 0 else carried
