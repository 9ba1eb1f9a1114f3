"""The bounds of the surrogate on small instances, decided without rounding: a pass is a proof."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from otanalysis.theorem.check import Tally
from otanalysis.theorem.exact_arithmetic import (
    Decision,
    ExactKernel,
    decide_positive,
    determinants,
    load_flint,
    tally_decisions,
)

__all__ = ["CertifiedRootBound", "CertifiedTraceBound", "root_constant"]

_BISECTIONS = 80


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
            members = [item for item in range(len(instance.entries)) if mask >> item & 1]
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

    def _trace(self, instance: ExactKernel, members: list[int]) -> Any:
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
