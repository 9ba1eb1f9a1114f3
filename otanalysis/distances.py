"""Everything by which kept tokens are called close to all tokens of their image, by name, in one registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from otanalysis.arrays import IntArray
from otanalysis.defaults import RELEASED_GAMMA
from otanalysis.image import Image
from otanalysis.surrogate.logdet import GramLogdet
from otanalysis.transport import (
    bures_squared,
    gelbrich_squared,
    quantisation_error,
    trace_objective,
    wasserstein2,
)

__all__ = ["DISTANCES", "Distance"]


@dataclass(frozen=True)
class Distance:
    """A quantity of a kept set that says how close it is to all tokens, or is said to.

    Attributes
    ----------
    name : str
        Key in :data:`DISTANCES`, and column in tables.
    label : str
        A few words for tables and figures.
    higher_is_closer : bool
        Whether a kept set with a larger value is the closer one.
    measure : callable
        From an image and the positions [k] of the kept tokens to the value. Weights of the image are masses
        of all tokens where the quantity knows any.

    Examples
    --------
    >>> import numpy as np
    >>> image = Image([[0.0], [1.0], [4.0], [5.0]])
    >>> DISTANCES["w2_squared"].measure(image, np.array([0, 2])), DISTANCES["w2_squared"].closer
    (0.5, 'lower is closer')
    """

    name: str
    label: str
    higher_is_closer: bool
    measure: Callable[[Image, IntArray], float]

    @property
    def closer(self) -> str:
        """Say which values are the close ones."""
        return f"{'higher' if self.higher_is_closer else 'lower'} is closer"


def _w2(image: Image, indices: IntArray) -> float:
    return wasserstein2(image, indices).distance


def _w2_squared(image: Image, indices: IntArray) -> float:
    return wasserstein2(image, indices).squared_distance


def _released_logdet(image: Image, indices: IntArray) -> float:
    return GramLogdet(image.normalised("columns")).value(indices, RELEASED_GAMMA)


_ALL = (
    Distance("w2", "exact W2", False, _w2),
    Distance("w2_squared", "exact W2 squared", False, _w2_squared),
    Distance("gelbrich_w2_squared", "Gaussian (Gelbrich)", False, gelbrich_squared),
    Distance("bures_w2_squared", "zero-mean Gaussian", False, bures_squared),
    Distance("trace_objective", "trace term alone", True, trace_objective),
    Distance("logdet", "log-det as released", True, _released_logdet),
    Distance("quantisation_error", "quantisation error", False, quantisation_error),
)

DISTANCES: Mapping[str, Distance] = MappingProxyType({one.name: one for one in _ALL})
"""Every distance by its name."""
