"""Everything by which kept tokens are called close to all tokens of their image, by name, in one registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from otanalysis.arrays import IntArray
from otanalysis.defaults import RELEASED_GAMMA
from otanalysis.image import Image
from otanalysis.scalars import check_choice, listed
from otanalysis.surrogate.logdet import GramLogdet
from otanalysis.transport import (
    bures_squared,
    effective_rank,
    energy_distance,
    gelbrich_squared,
    hausdorff_radius,
    projection_residual,
    quantisation_error,
    sliced_wasserstein2,
    trace_objective,
    wasserstein2,
)

__all__ = ["DISTANCES", "EVERYWHERE", "Distance", "further_distances", "measure_distances"]


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
    Distance("energy_distance", "energy distance", False, energy_distance),
    Distance("hausdorff_radius", "Hausdorff radius", False, hausdorff_radius),
    Distance("projection_residual", "projection residual", False, projection_residual),
    Distance("effective_rank", "effective rank", True, effective_rank),
    Distance("sliced_w2", "sliced W2", False, sliced_wasserstein2),
)

DISTANCES: Mapping[str, Distance] = MappingProxyType({one.name: one for one in _ALL})
"""Every distance by its name."""

EVERYWHERE = (
    *("w2", "w2_squared", "gelbrich_w2_squared", "bures_w2_squared", "trace_objective", "logdet"),
    "quantisation_error",
)
"""Distances that sweeps, ladders and comparisons always measure; the others are measured where asked for."""


def further_distances(names: Iterable[str]) -> tuple[str, ...]:
    """Return what is asked for beyond :data:`EVERYWHERE`, in the order of the registry.

    Raises
    ------
    InputError
        If a name is unknown, or the names are no list.

    Examples
    --------
    >>> further_distances(["sliced_w2", "w2", "energy_distance"])
    ('energy_distance', 'sliced_w2')
    """
    asked = {check_choice(name, "A distance", tuple(DISTANCES)) for name in listed(names, "distances")}
    return tuple(name for name in DISTANCES if name in asked and name not in EVERYWHERE)


def measure_distances(image: Image, indices: IntArray, names: Iterable[str]) -> dict[str, float]:
    """Return the distances of these names of a kept set.

    Parameters
    ----------
    image : Image
    indices : array [k]
        Positions of the kept tokens, distinct.
    names : iterable of str
        In :data:`DISTANCES`.

    Raises
    ------
    InputError, ConvergenceError
        As the functions raise them.

    Examples
    --------
    >>> import numpy as np
    >>> measure_distances(Image([[0.0], [2.0], [4.0]]), np.array([0]), ["hausdorff_radius"])
    {'hausdorff_radius': 4.0}
    """
    return {name: DISTANCES[name].measure(image, indices) for name in names}
