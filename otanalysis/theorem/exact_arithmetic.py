"""Exact kernels and certified signs with python-flint: whole numbers, and Arb balls where logs are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from otanalysis.arrays import FloatArray
from otanalysis.errors import MissingDependencyError
from otanalysis.theorem.check import Tally
from otanalysis.theorem.instances import Kernel
from otanalysis.theorem.setfunctions import members_of

FIRST_PRECISION = 64
LAST_PRECISION = 4096
"""Bits of a ball's centre: doubled from the first to the last while a sign is undecided."""


@dataclass(frozen=True)
class Decision:
    """A certified sign.

    Attributes
    ----------
    holds : bool or None
        Whether the number is positive; None if even the last precision did not tell it from zero.
    value : float
        The centre of the last ball.
    """

    holds: bool | None
    value: float


@dataclass(frozen=True, eq=False)
class ExactKernel:
    """A kernel without rounding: an integer matrix over a power of two.

    Attributes
    ----------
    label : str
    entries : list of lists of int [m, m]
    shift : int
        The kernel is ``entries / 2**shift``.
    kernel : Kernel
        The same in float64, for what picks tokens.
    """

    label: str
    entries: list[list[int]]
    shift: int
    kernel: Kernel


@dataclass(frozen=True, eq=False)
class Subsets:
    """The determinant of every principal submatrix of an exact kernel.

    Attributes
    ----------
    values : list of fmpz [2**m]
        Entry ``mask`` is ``2**(shift * size)`` times the determinant.
    shift : int
    """

    values: list[Any]
    shift: int


def load_flint() -> ModuleType:
    """Return python-flint.

    Raises
    ------
    MissingDependencyError
        If it is not installed.
    """
    try:
        import flint
    except ImportError as error:
        raise MissingDependencyError(
            "Certified checks need python-flint, which is not installed: pip install 'otanalysis[certified]'."
        ) from error
    return flint


def exact_kernel(kernel: Kernel) -> ExactKernel:
    r"""Return a kernel without any rounding of its own.

    A float64 is a whole number over a power of two. Where the kernel was made of tokens, :math:`I + \gamma (V
    V^\top)^2` is computed anew in whole numbers from the float64 values of the tokens and of gamma;
    otherwise the float64 entries are the kernel.
    """
    if kernel.tokens is None or kernel.gamma is None:
        entries, shift = _integers(kernel.matrix)
        return ExactKernel(kernel.label, entries, shift, kernel)
    tokens, shift = _integers(kernel.tokens)
    (((factor,),), factor_shift) = _integers(np.array([[kernel.gamma]]))
    gram = [[sum(a * b for a, b in zip(one, other, strict=True)) for other in tokens] for one in tokens]
    total = 4 * shift + factor_shift
    entries = [
        [
            factor * sum(a * b for a, b in zip(one, other, strict=True)) + ((i == j) << total)
            for j, other in enumerate(gram)
        ]
        for i, one in enumerate(gram)
    ]
    return ExactKernel(kernel.label, entries, total, kernel)


def determinants(kernel: ExactKernel) -> Subsets:
    """Return the exact determinants of all principal submatrices."""
    flint = load_flint()
    values = []
    for mask in range(2 ** len(kernel.entries)):
        members = members_of(mask)
        block = [[kernel.entries[i][j] for j in members] for i in members]
        values.append(flint.fmpz_mat(block).det() if members else flint.fmpz(1))
    return Subsets(values, kernel.shift)


def decide_positive(number: Callable[[], Any]) -> Decision:
    """Decide whether a real number is positive, by balls of growing precision.

    Parameters
    ----------
    number : callable
        Computes an ``arb`` that contains the number, at the precision set when it is called.

    Returns
    -------
    Decision
        Never positive on the ground of a ball that contains zero.
    """
    flint = load_flint()
    before = flint.ctx.prec
    precision = FIRST_PRECISION
    try:
        while True:
            flint.ctx.prec = precision
            ball = number()
            value = float(ball.mid())
            if ball > 0 or ball < 0:
                return Decision(bool(ball > 0), value)
            if precision >= LAST_PRECISION:
                return Decision(None, value)
            precision *= 2
    finally:
        flint.ctx.prec = before


def tally_decisions(decisions: Iterable[Decision]) -> Tally:
    """Count what was decided; the margins are the centres of the last balls."""
    made = list(decisions)
    return Tally(
        np.array([one.value for one in made]),
        0.0,
        sum(one.holds is False for one in made),
        sum(one.holds is None for one in made),
    )


def _integers(matrix: FloatArray) -> tuple[list[list[int]], int]:
    """Return whole numbers and the power of two that they are to be divided by."""
    ratios = [[float(value).as_integer_ratio() for value in row] for row in matrix]
    shift = max(below.bit_length() - 1 for row in ratios for _, below in row)
    return [[above << (shift - below.bit_length() + 1) for above, below in row] for row in ratios], shift
