"""Laws from which the tokens of synthetic trials are drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from otanalysis.image import FloatArray
from otanalysis.normalise import normalise_tokens

__all__ = ["LAWS", "TokenLaw"]

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
    """

    name: str
    description: str
    draw: Callable[[np.random.Generator, int, int], FloatArray]


def _gaussian(generator: np.random.Generator, m: int, d: int) -> FloatArray:
    return generator.standard_normal((m, d))


def _unit_rows(generator: np.random.Generator, m: int, d: int) -> FloatArray:
    return np.asarray(normalise_tokens(generator.standard_normal((m, d)), "rows"))


def _uniform(generator: np.random.Generator, m: int, d: int) -> FloatArray:
    return generator.random((m, d))


def _clustered(generator: np.random.Generator, m: int, d: int) -> FloatArray:
    centres = generator.standard_normal((round(m**0.5), d))
    own = centres[generator.integers(len(centres), size=m)]
    return np.asarray(own + CLUSTER_SPREAD * generator.standard_normal((m, d)))


LAWS: Mapping[str, TokenLaw] = MappingProxyType(
    {
        law.name: law
        for law in (
            TokenLaw("gaussian", "independent standard normal entries", _gaussian),
            TokenLaw("unit-rows", "uniform on the unit sphere: every token has length one", _unit_rows),
            TokenLaw("uniform", "independent entries uniform on [0, 1): the mean is not zero", _uniform),
            TokenLaw(
                "clustered",
                "round(sqrt(m)) standard normal centres, tokens spread around them by 0.3",
                _clustered,
            ),
        )
    }
)
"""The laws by name. The paper does not say which one its synthetic table used."""
