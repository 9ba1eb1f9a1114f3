"""The claims that are decided without rounding, on instances small enough for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from otanalysis.defaults import RELEASED_GAMMA
from otanalysis.theorem import negative_controls as controls
from otanalysis.theorem.certified_checks import (
    CertifiedGreedy,
    CertifiedMonotone,
    CertifiedRootBound,
    CertifiedSubmodular,
    CertifiedTraceBound,
)
from otanalysis.theorem.check import EQUATION_6, SAID, Claim, Control
from otanalysis.theorem.exact_arithmetic import ExactKernel, exact_kernel
from otanalysis.theorem.instance_sets import (
    Effort,
    cloud_images,
    cut_images,
    dump_images,
    image_kernels,
    matrix_kernels,
)
from otanalysis.theorem.instances import Cloud, Kernel
from otanalysis.theorem.relations import root_bound
from otanalysis.theorem.worst_case import tokens_of, worst_factor


def build_certified_claims(effort: Effort, seed: int, dumps: Sequence[Path] = ()) -> list[Claim]:
    """Return the certified claims; a few tokens of each image of the dumps are among their instances.

    Parameters
    ----------
    effort : Effort
    seed : int
    dumps : sequence of Path

    Raises
    ------
    MissingDependencyError
        If python-flint is not installed.
    DumpError, InputError
        If a dump cannot be read.
    """
    images = cloud_images([(7, 3), (7, 12)], effort.draws, seed)
    images += cut_images(dump_images(dumps, effort.images), 7, seed)
    # Floats rounded from a matrix with eigenvalues of one may have smaller ones; whole numbers do not.
    above_one = _exact([*image_kernels(images), *matrix_kernels((4, 7), effort.draws, seed, ("integer",))])
    definite = [*above_one, *_exact(matrix_kernels((4, 7), effort.draws, seed))]
    return [
        Claim(
            "certified-lemma1",
            "det A_{A+x} det A_B >= det A_{B+x} det A_A in whole numbers, m <= 7",
            definite,
            CertifiedSubmodular(),
            Control("2^(size^2)", CertifiedSubmodular(controls.supermodular_determinants)),
        ),
        Claim(
            "certified-monotone",
            "det K_{S+x} >= det K_S in whole numbers, m <= 7",
            above_one,
            CertifiedMonotone(),
            Control("a quarter of the kernel", CertifiedMonotone(controls.shrunk_determinants)),
            source=SAID,
        ),
        Claim(
            "certified-greedy",
            "F(greedy) >= (1 - 1/e) F(optimum), optimum in whole numbers, logs in balls",
            [*above_one, *_worst(effort, seed)],
            CertifiedGreedy(),
            Control("greedy that never updates", CertifiedGreedy(controls.longest_first)),
        ),
        Claim(
            "certified-trace-bound",
            "F <= gamma tr, logs in balls",
            above_one,
            CertifiedTraceBound(),
            Control("half of the trace", CertifiedTraceBound((1, 2))),
            source=EQUATION_6,
        ),
        Claim(
            "certified-root-bound",
            "F <= c sqrt(gamma) T for one and two tokens, c enclosed by a ball",
            [*above_one, *_exact(_tight(images))],
            CertifiedRootBound(),
            Control("c = 3/4", CertifiedRootBound(controls.three_quarters)),
        ),
    ]


def _exact(kernels: Sequence[Kernel]) -> list[ExactKernel]:
    return [exact_kernel(one) for one in kernels]


def _worst(effort: Effort, seed: int) -> list[ExactKernel]:
    """Return instances on which greedy does as badly as a search could make it."""
    generator = np.random.default_rng([seed, 5])
    return _exact(
        [
            Kernel.of_tokens(
                f"worst tokens, {keep} of {2 * keep} kept",
                tokens_of(worst_factor(2 * keep, keep, generator)),
                RELEASED_GAMMA,
            )
            for keep in range(2, min(effort.most_kept, 5) + 1)
        ]
    )


def _tight(images: Sequence[Cloud]) -> list[Kernel]:
    """Return kernels with the gamma that makes the square-root bound tight for one token."""
    peak, _ = root_bound()
    found = []
    for image in images:
        tokens = image.image.normalised("columns").host
        square = float(np.sum((tokens @ tokens[1]) ** 2))
        if square > 0:
            found.append(Kernel.of_tokens(f"{image.label}, tight", tokens, peak / square))
    return found
