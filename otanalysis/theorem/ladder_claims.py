"""The relations between the rungs of the ladder as claims, each with a natural mistake as its control."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from otanalysis.theorem import negative_controls as controls
from otanalysis.theorem.check import Claim, Control
from otanalysis.theorem.instance_sets import with_gammas
from otanalysis.theorem.instances import KeptSet
from otanalysis.theorem.relations import (
    DualCertificate,
    Identity,
    Inequality,
    core,
    distance_rounding,
    logdet_rounding,
    released_surrogate,
    root_bound,
    surrogate,
)
from otanalysis.transport import bures_squared, gelbrich_squared, quantisation_error, trace_objective

__all__ = ["ladder_claims"]

# One per cent below the least constant: a check that lets it pass could not tell the constant.
_TOO_SMALL = 0.99


def ladder_claims(suffix: str, sets: Sequence[KeptSet]) -> list[Claim]:
    """Return the claims on kept sets; those on the surrogate run with several gammas.

    Parameters
    ----------
    suffix : str
        Appended to the ids.
    sets : sequence of KeptSet
    """
    return [*_distance_claims(suffix, sets), *_surrogate_claims(suffix, with_gammas(sets))]


def _distance_claims(suffix: str, sets: Sequence[KeptSet]) -> list[Claim]:
    def claim(
        name: str, statement: str, right: Inequality | Identity | DualCertificate, wrong: Control
    ) -> Claim:
        return Claim(f"{name}{suffix}", statement, sets, right, wrong)

    rounding = distance_rounding
    return [
        claim(
            "rung0-certificate",
            "exact W2^2: feasible potentials reach the value of the plan",
            DualCertificate(),
            Control(
                "potentials a millionth of the largest cost too high",
                DualCertificate(controls.shifted_transport),
            ),
        ),
        claim(
            "free-weights<=rung0",
            "the quantisation error is at most W2^2",
            Inequality(_quantisation, _exact, rounding),
            Control(
                "distances that are not squared",
                Inequality(controls.unsquared_quantisation, _exact, rounding),
            ),
        ),
        claim(
            "rung1<=rung0",
            "Gelbrich's distance is at most W2^2",
            Inequality(_gelbrich, _exact, rounding),
            Control(
                "the cross term taken once, not twice",
                Inequality(controls.gelbrich_without_two, _exact, rounding),
            ),
        ),
        claim(
            "rung2<=rung1",
            "the zero-mean distance is at most Gelbrich's",
            Inequality(_bures, _gelbrich, rounding),
            Control(
                "rung 1 without the distance of the means",
                Inequality(_bures, controls.gelbrich_without_means, rounding),
            ),
        ),
        claim(
            "trace-identity",
            "rung 2 = tr S + tr S_C - 2 T, with the roots of the definition",
            Identity(_bures, _bures_by_definition, rounding),
            Control(
                "tr S_C taken as constant, as the paper does",
                Identity(controls.with_constant_trace, _bures_by_definition, rounding),
            ),
        ),
        claim(
            "nuclear-norm",
            "T = tr (S^1/2 S_C S^1/2)^1/2 = |V V_C'|_* / sqrt(mk)",
            Identity(_trace, _trace_by_definition, rounding),
            Control("the norm of Frobenius", Identity(_frobenius, _trace_by_definition, rounding)),
        ),
    ]


def _surrogate_claims(suffix: str, sets: Sequence[KeptSet]) -> list[Claim]:
    _, constant = root_bound()
    rounding = logdet_rounding
    return [
        Claim(
            f"F<=gamma-trace{suffix}",
            "F <= gamma tr (S^1/2 S_C S^1/2)",
            sets,
            Inequality(surrogate, _trace_bound(1.0), rounding),
            Control("half of the trace", Inequality(surrogate, _trace_bound(0.5), rounding)),
        ),
        Claim(
            f"F<=c-root-gamma-T{suffix}",
            f"F <= c sqrt(gamma) T with c = sup log(1 + t) / sqrt(t) = {constant:.9f}",
            sets,
            Inequality(surrogate, _root_bound(constant), rounding),
            Control(
                "a constant one per cent too small",
                Inequality(surrogate, _root_bound(_TOO_SMALL * constant), rounding),
            ),
        ),
        Claim(
            f"sylvester{suffix}",
            "F in k x k, log det (I + g V~_C V~_C'), = F from the roots of the covariances",
            sets,
            Identity(surrogate, _surrogate_by_definition, rounding),
            Control(
                "gamma / m in place of gamma / (m k)",
                Identity(controls.surrogate_without_count, _surrogate_by_definition, rounding),
            ),
        ),
        Claim(
            f"released-kernel{suffix}",
            "F = log det of the kept block of the released kernel, its factor being gamma / (m k)",
            sets,
            Identity(surrogate, released_surrogate, rounding),
            Control(
                "gamma / m in place of gamma / (m k)",
                Identity(controls.surrogate_without_count, released_surrogate, rounding),
            ),
        ),
    ]


def _exact(one: KeptSet) -> float:
    return one.transport.squared_distance


def _quantisation(one: KeptSet) -> float:
    return quantisation_error(one.cloud.tokens, one.kept, cost=one.cloud.cost)


def _gelbrich(one: KeptSet) -> float:
    return gelbrich_squared(one.cloud.moments, one.kept)


def _bures(one: KeptSet) -> float:
    return bures_squared(one.cloud.moments, one.kept)


def _trace(one: KeptSet) -> float:
    return trace_objective(one.cloud.moments, one.kept)


def _trace_by_definition(one: KeptSet) -> float:
    return float(np.linalg.svd(core(one), compute_uv=False).sum())


def _bures_by_definition(one: KeptSet) -> float:
    squares = np.sum(one.cloud.tokens**2, axis=1)
    return float(squares.mean() + squares[one.kept].mean()) - 2.0 * _trace_by_definition(one)


def _frobenius(one: KeptSet) -> float:
    return float(np.linalg.norm(core(one)))


def _surrogate_by_definition(one: KeptSet) -> float:
    return float(np.sum(np.log1p(one.gamma * np.linalg.svd(core(one), compute_uv=False) ** 2)))


def _trace_bound(factor: float) -> Callable[[KeptSet], float]:
    return lambda one: factor * one.gamma * float(np.sum(core(one) ** 2))


def _root_bound(constant: float) -> Callable[[KeptSet], float]:
    return lambda one: constant * float(np.sqrt(one.gamma)) * _trace_by_definition(one)
