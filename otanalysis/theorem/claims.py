"""The claims of the theorem and of the ladder, each with its check, its instances and its control."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from otanalysis.arrays import IntArray
from otanalysis.image import Image
from otanalysis.theorem import negative_controls as controls
from otanalysis.theorem.check import EQUATION_3, EQUATION_6, EQUATION_8, PROVED, SAID, Claim, Control
from otanalysis.theorem.greedy import GUARANTEE, GreedyRatio, GreedySteps, describe_ratios
from otanalysis.theorem.instance_sets import (
    Effort,
    cloud_images,
    cut_images,
    dump_images,
    image_kernels,
    kept_sets,
    matrix_kernels,
    with_gammas,
)
from otanalysis.theorem.instances import Cloud, KeptSet, Kernel
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
    trace_rounding,
)
from otanalysis.theorem.submodularity import (
    MonotoneChains,
    MonotoneEverywhere,
    Normalised,
    SubmodularChains,
    SubmodularEverywhere,
)
from otanalysis.theorem.worst_case import GreedyWorstCase, WorstCaseSearch
from otanalysis.transport import bures_squared, gelbrich_squared, quantisation_error, trace_objective

# One per cent below the least constant: a check that lets it pass could not tell the constant.
_TOO_SMALL = 0.99
_AT_LEAST_ONE = ("low rank plus identity", "integer")
_ON_TOKENS = "@tokens"


def build_claims(effort: Effort, seed: int, dumps: Sequence[Path] = ()) -> list[Claim]:
    """Return all claims on drawn instances, and those on tokens of the dumps.

    Parameters
    ----------
    effort : Effort
    seed : int
        Of everything that is drawn.
    dumps : sequence of Path
        Their claims carry ``@tokens`` in their ids.

    Raises
    ------
    DumpError, InputError
        If a dump cannot be read.
    """
    small = image_kernels(cloud_images([(8, 3), (8, 12)], effort.draws, seed))
    large = image_kernels(cloud_images([(100, 20)], 1, seed))
    brute = image_kernels(cloud_images([(6, 3), (10, 5), (14, 8)], effort.draws, seed))
    brute += matrix_kernels((6, 10, 14), effort.draws, seed, _AT_LEAST_ONE)
    steps = image_kernels(cloud_images([(12, 5), (30, 8), (60, 20)], 1, seed), (0.01, 100.0))
    ladder = kept_sets(cloud_images([(6, 2), (24, 40), (60, 8)], effort.draws, seed), seed)
    claims = [
        *_lemma_claims(effort, seed),
        *_surrogate_claims("", small, large),
        *_greedy_claims("", brute, steps),
        *_worst_case_claims(effort, seed),
        *_ladder_claims("", ladder),
    ]
    if not dumps:
        return claims
    drawn = {f"{one.id}{_ON_TOKENS}": one.instances for one in claims}
    on_tokens = _token_claims(dump_images(dumps, effort.images), effort, seed)
    return claims + [replace(one, control=replace(one.control, more=drawn[one.id])) for one in on_tokens]


def _token_claims(images: Sequence[Cloud], effort: Effort, seed: int) -> list[Claim]:
    few = [one for draw in range(effort.draws) for one in cut_images(images, 8, seed + draw)]
    dozen = [one for draw in range(effort.draws) for one in cut_images(images, 12, seed + draw)]
    return [
        *_surrogate_claims(_ON_TOKENS, image_kernels(few), image_kernels(images, (0.01,))),
        *_greedy_claims(
            _ON_TOKENS, image_kernels(dozen), image_kernels(cut_images(images, 60, seed), (0.01,))
        ),
        *_ladder_claims(_ON_TOKENS, kept_sets(images, seed)),
    ]


def _lemma_claims(effort: Effort, seed: int) -> list[Claim]:
    control = "a supermodular function: the log-determinant with its sign changed"
    return [
        Claim(
            "lemma1-pairs",
            "log det A_S is submodular for positive definite A: all A in B, x outside, m <= 8",
            matrix_kernels(range(2, 9), 3 * effort.draws, seed),
            SubmodularEverywhere(),
            Control(control, SubmodularEverywhere(controls.supermodular_table)),
        ),
        Claim(
            "lemma1-chains",
            "log det A_S is submodular for positive definite A: growing chains, m <= 576",
            matrix_kernels((32, 144, 576), 1, seed),
            SubmodularChains(),
            Control(control, SubmodularChains(controls.supermodular_value)),
        ),
    ]


def _surrogate_claims(suffix: str, small: Sequence[Kernel], large: Sequence[Kernel]) -> list[Claim]:
    shrunk = "the log-determinant of a quarter of the kernel, whose eigenvalues fall below one"
    signed = "a supermodular function: the surrogate with its sign changed"
    return [
        Claim(
            f"normalised{suffix}",
            "F(empty set) = 0 for the paper's kernel",
            [*small, *large],
            Normalised(),
            Control("2 I in place of the identity", Normalised(controls.twice_the_identity)),
            source=PROVED,
        ),
        Claim(
            f"monotone{suffix}",
            "F(S + x) >= F(S) for the paper's kernel: all S and x, m <= 8",
            small,
            MonotoneEverywhere(),
            Control(shrunk, MonotoneEverywhere(controls.shrunk_table)),
            source=SAID,
        ),
        Claim(
            f"monotone-chains{suffix}",
            "F grows along chains of the paper's kernel, all tokens",
            large,
            MonotoneChains(),
            Control(shrunk, MonotoneChains(controls.shrunk_value)),
            source=SAID,
        ),
        Claim(
            f"submodular{suffix}",
            "F has diminishing gains for the paper's kernel: all A in B, x outside, m <= 8",
            small,
            SubmodularEverywhere(),
            Control(signed, SubmodularEverywhere(controls.supermodular_table)),
            source=PROVED,
        ),
        Claim(
            f"submodular-chains{suffix}",
            "F has diminishing gains along chains of the paper's kernel, all tokens",
            large,
            SubmodularChains(),
            Control(signed, SubmodularChains(controls.supermodular_value)),
            source=PROVED,
        ),
    ]


def _greedy_claims(suffix: str, brute: Sequence[Kernel], steps: Sequence[Kernel]) -> list[Claim]:
    return [
        Claim(
            f"greedy-ratio{suffix}",
            "F(greedy) >= (1 - 1/e) F(optimum) against all subsets, m <= 14, every k",
            brute,
            GreedyRatio(),
            Control(
                "greedy that never updates: it keeps the largest diagonal",
                GreedyRatio(controls.longest_first),
            ),
            describe_ratios,
        ),
        Claim(
            f"greedy-steps{suffix}",
            "greedy by incremental Cholesky = greedy by definition: picks and gains, m <= 60",
            steps,
            GreedySteps(),
            Control("a Cholesky row that forgets the rows before it", GreedySteps(controls.forgetful_greedy)),
        ),
    ]


def _worst_case_claims(effort: Effort, seed: int) -> list[Claim]:
    wrong = GreedyWorstCase(controls.longest_comparisons, controls.longest_first)
    control = Control("the same search against greedy that never updates", wrong)
    statements = {
        "factor": "F(greedy) >= (1 - 1/e) F(optimum) on the worst kernels found by search",
        "tokens": "F(greedy) >= (1 - 1/e) F(optimum) on the worst tokens found for the released kernel",
    }
    return [
        Claim(
            f"greedy-attacked-{form}",
            statement,
            [WorstCaseSearch(form, keep, effort.starts, seed) for keep in range(2, effort.most_kept + 1)],
            GreedyWorstCase(),
            control,
            lambda margins: {label: float(found.min()) + GUARANTEE for label, found in margins.items()},
        )
        for form, statement in statements.items()
    ]


def _ladder_claims(suffix: str, sets: Sequence[KeptSet]) -> list[Claim]:
    """Return the claims on kept sets; those on the surrogate run with several gammas.

    Parameters
    ----------
    suffix : str
        Appended to the ids.
    sets : sequence of KeptSet
    """
    return [*_distance_claims(suffix, sets), *_rung_claims(suffix, with_gammas(sets))]


def _distance_claims(suffix: str, sets: Sequence[KeptSet]) -> list[Claim]:
    def claim(
        name: str,
        statement: str,
        right: Inequality | Identity | DualCertificate,
        wrong: Control,
        source: str = "",
    ) -> Claim:
        return Claim(f"{name}{suffix}", statement, sets, right, wrong, source=source)

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
                "tr S_C taken as constant",
                Identity(controls.with_constant_trace, _bures_by_definition, rounding),
            ),
            EQUATION_3,
        ),
        claim(
            "nuclear-norm",
            "T = tr (S^1/2 S_C S^1/2)^1/2 = |V V_C'|_* / sqrt(mk)",
            Identity(_trace, _trace_by_definition, rounding),
            Control("the norm of Frobenius", Identity(_frobenius, _trace_by_definition, rounding)),
        ),
    ]


def _rung_claims(suffix: str, sets: Sequence[KeptSet]) -> list[Claim]:
    _, constant = root_bound()
    rounding = logdet_rounding
    return [
        Claim(
            f"F<=gamma-trace{suffix}",
            "F <= gamma tr (S^1/2 S_C S^1/2)",
            sets,
            Inequality(surrogate, _trace_bound(1.0), rounding),
            Control("half of the trace", Inequality(surrogate, _trace_bound(0.5), rounding)),
            source=EQUATION_6,
        ),
        Claim(
            f"gamma-trace<=gamma-T^2{suffix}",
            "gamma tr (S^1/2 S_C S^1/2) <= gamma T^2, an equality for one kept token",
            sets,
            Inequality(_trace_bound(1.0), _squared_trace_bound(1.0), trace_rounding),
            Control(
                "one per cent less than T^2",
                Inequality(_trace_bound(1.0), _squared_trace_bound(_TOO_SMALL), trace_rounding),
            ),
            source=EQUATION_6,
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
            source=EQUATION_8,
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


def _of_set(measure: Callable[[Image, IntArray], float]) -> Callable[[KeptSet], float]:
    return lambda one: measure(one.cloud.image, one.kept)


_quantisation, _gelbrich, _bures, _trace = map(
    _of_set, (quantisation_error, gelbrich_squared, bures_squared, trace_objective)
)


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


def _squared_trace_bound(factor: float) -> Callable[[KeptSet], float]:
    return lambda one: factor * one.gamma * _trace(one) ** 2


def _root_bound(constant: float) -> Callable[[KeptSet], float]:
    return lambda one: constant * float(np.sqrt(one.gamma)) * _trace_by_definition(one)
