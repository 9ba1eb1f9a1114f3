"""The checks that are decided without rounding, on small instances: a pass is a proof.

Lemma 1 and monotonicity in whole numbers; greedy's guarantee and the bounds of the surrogate, which need
logarithms, in Arb balls of growing precision until a sign is certain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from otanalysis.arrays import FloatArray
from otanalysis.theorem.check import Tally
from otanalysis.theorem.exact_arithmetic import (
    Decision,
    ExactKernel,
    Subsets,
    decide_positive,
    determinants,
    load_flint,
    tally_decisions,
)
from otanalysis.theorem.greedy import Greedy, released_greedy
from otanalysis.theorem.setfunctions import members_of, nested_triples, subset_sizes

_BISECTIONS = 80


@dataclass(frozen=True)
class CertifiedSubmodular:
    r"""Lemma 1 of arXiv:2602.20205 in whole numbers, over all :math:`A \subset B` and :math:`x \notin B`.

    .. math:: \det K_{A \cup x} \det K_B \geq \det K_{B \cup x} \det K_A

    is diminishing gains of the log-determinant without a logarithm, and both sides carry the same power of
    two. Equality is decided as well as inequality.

    Parameters
    ----------
    table : callable
        From an exact kernel to positive whole numbers for all subsets.
    """

    table: Callable[[ExactKernel], Subsets] = determinants

    def __call__(self, instance: ExactKernel) -> Tally:
        """Return the margins in logarithms, for the eye; the verdict is exact."""
        subsets = self.table(instance)
        values = subsets.values
        small, large, item = nested_triples(len(instance.entries))
        holds = [
            values[a | x] * values[b] >= values[b | x] * values[a]
            for a, b, x in zip(small.tolist(), large.tolist(), item.tolist(), strict=True)
        ]
        logs = _logs(subsets)
        margins = logs[small | item] - logs[small] - logs[large | item] + logs[large]
        return _exact_tally(margins / max(1.0, float(np.abs(logs).max())), holds)


@dataclass(frozen=True)
class CertifiedMonotone:
    r""":math:`\det K_{S \cup x} \geq \det K_S` in whole numbers, for all :math:`S` and :math:`x \notin S`.

    Parameters
    ----------
    table : callable
        From an exact kernel to positive whole numbers for all subsets.
    """

    table: Callable[[ExactKernel], Subsets] = determinants

    def __call__(self, instance: ExactKernel) -> Tally:
        """Return the margins in logarithms, for the eye; the verdict is exact."""
        subsets = self.table(instance)
        values, logs = subsets.values, _logs(subsets)
        steps = [
            (mask, mask | 1 << item)
            for mask in range(len(values))
            for item in range(len(instance.entries))
            if not mask >> item & 1
        ]
        holds = [values[after] >= values[before] << subsets.shift for before, after in steps]
        before, after = np.array(steps).T
        return _exact_tally((logs[after] - logs[before]) / max(1.0, float(np.abs(logs).max())), holds)


def euler_guarantee() -> Any:
    r"""Return a ball around :math:`1 - 1/e` at the precision that is set."""
    return 1 - (-load_flint().arb(1)).exp()


@dataclass(frozen=True)
class CertifiedGreedy:
    r"""The sets that greedy picked reach the guarantee, against an optimum found in whole numbers.

    Parameters
    ----------
    greedy : callable
        The greedy under test, in float64 as it is used.
    guarantee : callable
        Returns a ball around the share of the optimum to reach.
    """

    greedy: Greedy = released_greedy
    guarantee: Callable[[], Any] = euler_guarantee

    def __call__(self, instance: ExactKernel) -> Tally:
        """Return the ratios less the guarantee, one a number of items."""
        flint = load_flint()
        subsets = determinants(instance)
        sizes = subset_sizes(len(instance.entries))
        order, _ = self.greedy(instance.kernel.matrix, len(instance.entries))
        decisions = []
        for size, mask in enumerate(np.bitwise_or.accumulate(1 << order.astype(np.int64)).tolist(), start=1):
            reached = subsets.values[mask]
            best = max(subsets.values[other] for other in np.flatnonzero(sizes == size).tolist())
            if reached == best:
                # The same whole number: the ratio is one, also where the optimum is zero.
                decisions.append(Decision(True, float((1 - self.guarantee()).mid())))
                continue
            unit = flint.fmpz(1) << (subsets.shift * size)

            def excess(reached: Any = reached, best: Any = best, unit: Any = unit) -> Any:
                top = (flint.arb(best) / flint.arb(unit)).log()
                return (flint.arb(reached) / flint.arb(unit)).log() / top - self.guarantee()

            decisions.append(decide_positive(excess))
        return tally_decisions(decisions)


@dataclass(frozen=True)
class CertifiedTraceBound:
    r""":math:`F \leq \gamma \, \mathrm{tr}`, that is :math:`\log\det K_{CC} \leq \mathrm{tr} (K_{CC} - I)`.

    Parameters
    ----------
    factor : tuple of int and int
        The factor before the trace as a fraction, one for the claim.
    """

    factor: tuple[int, int] = (1, 1)

    def __call__(self, instance: ExactKernel) -> Tally:
        """Return trace minus log-determinant of all non-empty sets, relative to the trace or one."""
        flint = load_flint()
        subsets = determinants(instance)
        decisions = []
        for mask in range(1, len(subsets.values)):
            members = members_of(mask)
            unit = flint.fmpz(1) << (subsets.shift * len(members))
            trace = self._trace(instance, members)
            if trace == 0 and subsets.values[mask] == unit:
                decisions.append(Decision(True, 0.0))
                continue
            size = max(1.0, float(flint.arb(trace).mid()))

            def slack(mask: int = mask, trace: Any = trace, unit: Any = unit, size: float = size) -> Any:
                logdet = (flint.arb(subsets.values[mask]) / flint.arb(unit)).log()
                return (flint.arb(trace) - logdet) / size

            decisions.append(decide_positive(slack))
        return tally_decisions(decisions)

    def _trace(self, instance: ExactKernel, members: tuple[int, ...]) -> Any:
        flint = load_flint()
        diagonal = sum(instance.entries[item][item] - (1 << instance.shift) for item in members)
        return flint.fmpq(diagonal, 1 << instance.shift) * flint.fmpq(*self.factor)


def root_constant() -> Any:
    r"""Return a ball around :math:`c = \sup_t \log(1 + t) / \sqrt t` at the precision that is set.

    The maximum lies where :math:`h(t) = 2t - (1 + t) \log(1 + t)` changes sign; bisection brackets it with
    certified signs, and the function over the bracket encloses the maximum.
    """
    flint = load_flint()
    low, high = flint.fmpq(1), flint.fmpq(10)
    for _ in range(max(_BISECTIONS, flint.ctx.prec)):
        middle = (low + high) / 2
        t = flint.arb(middle)
        slope = 2 * t - (1 + t) * (1 + t).log()
        if slope > 0:
            low = middle
        elif slope < 0:
            high = middle
        else:
            break  # the precision that is set resolves no more
    bracket = flint.arb(low).union(flint.arb(high))
    return (1 + bracket).log() / bracket.sqrt()


@dataclass(frozen=True)
class CertifiedRootBound:
    r""":math:`F(C) \leq c \sqrt\gamma \, T(C)` for all sets of one or two tokens.

    There the nuclear norm has a closed form: with :math:`P = K_{CC} - I` it is :math:`\sqrt{\mathrm{tr} P + 2
    \sqrt{\det P}}`.

    Parameters
    ----------
    constant : callable
        Returns a ball around the constant.
    """

    constant: Callable[[], Any] = root_constant

    def __call__(self, instance: ExactKernel) -> Tally:
        """Return bound minus log-determinant of every set, relative to the larger of bound and one."""
        m = len(instance.entries)
        sets = [(i,) for i in range(m)] + [(i, j) for i in range(m) for j in range(i)]
        return tally_decisions(self._decide(instance, members) for members in sets)

    def _decide(self, instance: ExactKernel, members: tuple[int, ...]) -> Decision:
        flint = load_flint()
        unit = 1 << instance.shift
        rest = flint.fmpq_mat(
            [[flint.fmpq(instance.entries[i][j] - (i == j) * unit, unit) for j in members] for i in members]
        )
        kept = rest + flint.fmpq_mat([[int(i == j) for j in members] for i in members])
        trace = sum((rest[at, at] for at in range(len(members))), flint.fmpq(0))
        volume = rest.det() if len(members) == 2 else flint.fmpq(0)
        if trace == 0:
            return Decision(True, 0.0)

        def slack() -> Any:
            norm = (flint.arb(trace) + 2 * flint.arb(volume).sqrt()).sqrt()
            bound = self.constant() * norm
            return (bound - flint.arb(kept.det()).log()) / max(1.0, float(bound.mid()))

        return decide_positive(slack)


def _logs(subsets: Subsets) -> FloatArray:
    """Return the logarithms of the determinants in float64, for margins that are read and not judged."""
    flint = load_flint()
    shifts = subset_sizes(len(subsets.values).bit_length() - 1) * subsets.shift
    two = flint.arb(2).log()
    logs = [
        float((flint.arb(value).log() - two * int(shift)).mid())
        for value, shift in zip(subsets.values, shifts, strict=True)
    ]
    return np.array(logs)


def _exact_tally(margins: FloatArray, holds: Sequence[bool]) -> Tally:
    """Count exact verdicts; a margin whose float64 logarithms contradict its verdict is zero."""
    verdicts = np.array(holds, dtype=bool)
    agreeing = np.where(verdicts, np.maximum(margins, 0.0), np.minimum(margins, 0.0))
    return Tally(agreeing, 0.0, int(np.sum(~verdicts)))
