"""The certificate of one kept set: exact distance against its floor, surrogate against its ceiling."""

from __future__ import annotations

from dataclasses import dataclass, field

from otanalysis.arrays import Array, Normalisation, check_indices
from otanalysis.defaults import RELEASED_GAMMA, GammaOf
from otanalysis.image import Image
from otanalysis.selection import Selection
from otanalysis.surrogate import (
    LogdetBound,
    kernel_upper_bound,
    logdet_value,
    otprune_kernel,
    released_factor,
)
from otanalysis.transport import DistanceFloor, ExactTransport, wasserstein2, wasserstein2_floor
from otanalysis.transport.floor.certified import ratio_of_squares
from otanalysis.transport.verification import Verification, verify_transport

__all__ = ["Certificate", "certify"]


@dataclass(frozen=True, eq=False)
class Certificate:
    r"""What is proven about one kept set; see :func:`certify`.

    Attributes
    ----------
    transport : ExactTransport
        Its exact distance, with plan and potentials.
    verification : Verification
        The bracket of that distance by plan and potentials, computed anew from the tokens.
    floor : DistanceFloor
        Lower bound of :math:`W_2^2` over all kept sets of this size, and the best one met.
    surrogate : float
        :math:`F(C) = \log\det K_{CC}` of the kept set, in nats.
    ceiling : LogdetBound
        Upper bound of :math:`F` over all kept sets of this size, with the value that greedy reaches.
    """

    transport: ExactTransport
    verification: Verification
    floor: DistanceFloor = field(repr=False)
    surrogate: float
    ceiling: LogdetBound = field(repr=False)

    @property
    def distance_ratio(self) -> float:
        """:math:`W_2^2` over its floor, at most so many times the best; infinite over a floor of zero."""
        if self.transport.distance == 0.0:
            return 1.0
        return ratio_of_squares(self.transport, self.floor)

    @property
    def distance_gap(self) -> float:
        r"""Share of :math:`W_2^2` that another kept set could save at most: one minus floor over distance."""
        return max(0.0, 1.0 - 1.0 / self.distance_ratio)

    @property
    def surrogate_ratio(self) -> float:
        """Share of the largest possible surrogate that the kept set certainly reaches."""
        return self.surrogate / self.ceiling.value if self.ceiling.value > self.ceiling.rounding else 1.0

    @property
    def greedy_ratio(self) -> float:
        """The same for the greedy maximisation of the surrogate, of which the theorem promises 1 - 1/e."""
        return self.ceiling.greedy_ratio


def certify(
    tokens: Array | Image,
    selection: Selection | Array,
    *,
    gamma: float = RELEASED_GAMMA,
    gamma_of: GammaOf = "released",
    kernel_normalise: Normalisation = "columns",
    normalise: Normalisation = "none",
    effort: float = 1.0,
) -> Certificate:
    r"""Prove how far a kept set is from the best one of its size, in distance and in surrogate.

    Parameters
    ----------
    tokens : array [m, d] or Image
        All tokens; NumPy or torch. Weights of an image are masses in the distance and its floor.
    selection : Selection or array [k]
        The kept set: what :func:`~otanalysis.selection.registry.select` returned, or positions.
    gamma, kernel_normalise
        Of the surrogate, and so of its ceiling and of what greedy certainly reaches, as in
        :func:`~otanalysis.surrogate.kernel.otprune_kernel`.
    gamma_of : {"released", "paper"}
        Whose gamma that is, see :func:`~otanalysis.surrogate.kernel.paper_factor`; "paper" judges a kept set
        by what otprune-paper maximises.
    normalise : {"none", "columns", "rows"}
        Normalisation of the tokens before the distance.
    effort : float
        Of the search for the floor, see :func:`~otanalysis.transport.floor.bound.wasserstein2_floor`.

    Returns
    -------
    Certificate

    Raises
    ------
    InputError
        If an argument is not as described.
    ConvergenceError
        If an exact distance could not be certified.

    Examples
    --------
    >>> import numpy as np
    >>> from otanalysis.selection import select
    >>> tokens = np.random.default_rng(0).standard_normal((40, 6))
    >>> certificate = certify(tokens, select(tokens, "otprune", keep=5))
    >>> 0.0 <= certificate.distance_gap < 1.0, 1 - np.exp(-1) <= certificate.greedy_ratio <= 1.0
    (True, True)
    """
    image = Image.of(tokens).on_host
    given = selection.indices if isinstance(selection, Selection) else selection
    kept = check_indices(given, len(image))
    measured = image.normalised(normalise)
    transport = wasserstein2(measured, kept)
    factor = released_factor(gamma, len(image), len(kept), kernel_normalise, gamma_of=gamma_of)
    kernel = otprune_kernel(image, gamma=factor, normalise=kernel_normalise)
    return Certificate(
        transport=transport,
        verification=verify_transport(measured, transport),
        floor=wasserstein2_floor(measured, len(kept), effort=effort),
        surrogate=logdet_value(kernel, kept),
        ceiling=kernel_upper_bound(kernel, len(kept)),
    )
