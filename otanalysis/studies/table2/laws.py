"""What the synthetic table draws: laws of tokens, and sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from otanalysis.arrays import FloatArray, normalise_tokens
from otanalysis.errors import InputError

CLUSTER_SPREAD = 0.3
"""Deviation of a token around its cluster's centre, where centres deviate by one."""


@dataclass(frozen=True)
class TokenLaw:
    """A law of ``m`` independent tokens of dimension ``d``.

    Attributes
    ----------
    name : str
        Name in tables and on the command line.
    description : str
        What is drawn, in a few words.
    draw : callable
        Takes a generator, ``m`` and ``d``; returns tokens [m, d].

    Examples
    --------
    >>> bool(np.allclose(np.linalg.norm(LAWS["unit-rows"].draw(np.random.default_rng(0), 4, 3), axis=1), 1))
    True
    """

    name: str
    description: str
    draw: Callable[[np.random.Generator, int, int], FloatArray]


def _clustered(generator: np.random.Generator, m: int, d: int) -> FloatArray:
    centres = generator.standard_normal((round(m**0.5), d))
    own = centres[generator.integers(len(centres), size=m)]
    return np.asarray(own + CLUSTER_SPREAD * generator.standard_normal((m, d)))


LAWS: Mapping[str, TokenLaw] = MappingProxyType(
    {
        law.name: law
        for law in (
            TokenLaw(
                "gaussian",
                "independent standard normal entries",
                lambda generator, m, d: generator.standard_normal((m, d)),
            ),
            TokenLaw(
                "unit-rows",
                "uniform on the unit sphere: every token has length one",
                lambda generator, m, d: normalise_tokens(generator.standard_normal((m, d)), "rows"),
            ),
            TokenLaw(
                "uniform",
                "independent entries uniform on [0, 1): the mean is not zero",
                lambda generator, m, d: generator.random((m, d)),
            ),
            TokenLaw(
                "clustered",
                "round(sqrt(m)) standard normal centres, tokens spread around them by 0.3",
                _clustered,
            ),
        )
    }
)
"""The laws by name. The paper does not say which one its synthetic table used."""


@dataclass(frozen=True)
class Size:
    """How many tokens, of what dimension, and how many of them are kept.

    Attributes
    ----------
    m, d, keep : int
        Positive; ``keep`` smaller than ``m``.

    Raises
    ------
    InputError
        If one of them is out of range.

    Examples
    --------
    >>> Size(20, 10, 5)
    Size(m=20, d=10, keep=5)
    """

    m: int
    d: int
    keep: int

    def __post_init__(self) -> None:
        if self.d < 1 or not 1 <= self.keep < self.m:
            raise InputError(
                f"A size needs a dimension of at least 1 and 1 <= keep < m, got {self.m} tokens of dimension "
                f"{self.d} and keep {self.keep}: write for instance 20x10x5."
            )


SIZES = (Size(20, 10, 5), Size(30, 20, 10), Size(100, 50, 30), Size(100, 80, 50), Size(1000, 256, 100))
"""The sizes of Table 2 of the paper."""
