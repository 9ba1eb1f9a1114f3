"""The claims of the theorem and of the ladder, each with its instances and its control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from otanalysis.image import FloatArray
from otanalysis.theorem import negative_controls as controls
from otanalysis.theorem.check import Claim, Control
from otanalysis.theorem.greedy import GUARANTEE, GreedyRatio, GreedySteps, describe_ratios
from otanalysis.theorem.instance_sets import (
    Effort,
    Image,
    cloud_images,
    cut_images,
    dump_images,
    image_kernels,
    kept_sets,
    matrix_kernels,
)
from otanalysis.theorem.instances import Kernel
from otanalysis.theorem.ladder_claims import ladder_claims
from otanalysis.theorem.submodularity import (
    MonotoneChains,
    MonotoneEverywhere,
    Normalised,
    SubmodularChains,
    SubmodularEverywhere,
)
from otanalysis.theorem.worst_case import Arena, GreedyUnderAttack

__all__ = ["build_claims"]

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
        *_attack_claims(effort, seed),
        *ladder_claims("", ladder),
    ]
    if not dumps:
        return claims
    drawn = {f"{one.id}{_ON_TOKENS}": one.instances for one in claims}
    on_tokens = _token_claims(dump_images(dumps, effort.images), effort, seed)
    return claims + [replace(one, control=replace(one.control, more=drawn[one.id])) for one in on_tokens]


def _token_claims(images: Sequence[Image], effort: Effort, seed: int) -> list[Claim]:
    few = [one for draw in range(effort.draws) for one in cut_images(images, 8, seed + draw)]
    dozen = [one for draw in range(effort.draws) for one in cut_images(images, 12, seed + draw)]
    return [
        *_surrogate_claims(_ON_TOKENS, image_kernels(few), image_kernels(images, (0.01,))),
        *_greedy_claims(
            _ON_TOKENS, image_kernels(dozen), image_kernels(cut_images(images, 60, seed), (0.01,))
        ),
        *ladder_claims(_ON_TOKENS, kept_sets(images, seed)),
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
        ),
        Claim(
            f"monotone{suffix}",
            "F(S + x) >= F(S) for the paper's kernel: all S and x, m <= 8",
            small,
            MonotoneEverywhere(),
            Control(shrunk, MonotoneEverywhere(controls.shrunk_table)),
        ),
        Claim(
            f"monotone-chains{suffix}",
            "F grows along chains of the paper's kernel, all tokens",
            large,
            MonotoneChains(),
            Control(shrunk, MonotoneChains(controls.shrunk_value)),
        ),
        Claim(
            f"submodular{suffix}",
            "F has diminishing gains for the paper's kernel: all A in B, x outside, m <= 8",
            small,
            SubmodularEverywhere(),
            Control(signed, SubmodularEverywhere(controls.supermodular_table)),
        ),
        Claim(
            f"submodular-chains{suffix}",
            "F has diminishing gains along chains of the paper's kernel, all tokens",
            large,
            SubmodularChains(),
            Control(signed, SubmodularChains(controls.supermodular_value)),
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


def _attack_claims(effort: Effort, seed: int) -> list[Claim]:
    wrong = GreedyUnderAttack(controls.longest_comparisons, controls.longest_first)
    control = Control("the same search against greedy that never updates", wrong)
    statements = {
        "factor": "F(greedy) >= (1 - 1/e) F(optimum) on the worst kernels found by search",
        "tokens": "F(greedy) >= (1 - 1/e) F(optimum) on the worst tokens found for the released kernel",
    }
    return [
        Claim(
            f"greedy-attacked-{form}",
            statement,
            [Arena(form, keep, effort.starts, seed) for keep in range(2, effort.most_kept + 1)],
            GreedyUnderAttack(),
            control,
            _worst_by_arena,
        )
        for form, statement in statements.items()
    ]


def _worst_by_arena(margins: Mapping[str, FloatArray]) -> Mapping[str, float]:
    return {label: float(found.min()) + GUARANTEE for label, found in margins.items()}
