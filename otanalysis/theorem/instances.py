"""What the checks run on: positive definite matrices, token clouds, kernels and kept sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from otanalysis.arrays import FloatArray, Normalisation
from otanalysis.image import Image
from otanalysis.surrogate.kernel import otprune_kernel
from otanalysis.transport import ExactTransport, wasserstein2

# log det of a perturbed matrix moves by tr(A^-1 E), at most m |E| / lambda_min, and elimination is exact for
# a matrix off by some m ulps of its largest entry: m ulps times the condition, with 16 in reserve for the
# four determinants of a comparison and the powers of m that hide in elimination.
ROUNDING_FACTOR = 16.0
EPSILON = float(np.finfo(np.float64).eps)

Generator = np.random.Generator


@dataclass(frozen=True, eq=False)
class Kernel:
    """A symmetric positive definite matrix under a log-determinant.

    Attributes
    ----------
    label : str
    matrix : ndarray [m, m]
    tokens : ndarray [m, d] or None
        The tokens that it was made of, normalised, if it is the paper's.
    gamma : float or None
        The factor of the released code that it was made with, if it is the paper's.

    Examples
    --------
    >>> from otanalysis.theorem import GreedyRatio, MonotoneEverywhere, SubmodularEverywhere
    >>> two = Kernel("two items", np.diag([1.0, 2.0]))
    >>> [check(two).violations for check in (MonotoneEverywhere(), SubmodularEverywhere(), GreedyRatio())]
    [0, 0, 0]
    """

    label: str
    matrix: FloatArray
    tokens: FloatArray | None = None
    gamma: float | None = None

    @classmethod
    def of_tokens(cls, label: str, tokens: FloatArray | Image, gamma: float) -> Kernel:
        """Make the paper's kernel of tokens [m, d] that are already normalised."""
        image = Image.of(tokens)
        matrix = otprune_kernel(image, gamma=gamma, normalise="none")
        return cls(f"{label}, gamma {gamma:.3g}", matrix, image.host, gamma)

    @cached_property
    def rounding(self) -> float:
        """What rounding may do to a difference of log-determinants."""
        return ROUNDING_FACTOR * len(self.matrix) * EPSILON * float(np.linalg.cond(self.matrix))


@dataclass(frozen=True, eq=False)
class Cloud:
    """The tokens of one image, real or drawn, under a name that says which."""

    label: str
    image: Image

    def normalised(self, how: Normalisation) -> Cloud:
        """Return the same tokens normalised."""
        return Cloud(f"{self.label}, {how}", self.image.normalised(how))

    @property
    def tokens(self) -> FloatArray:
        """The tokens [m, d]."""
        return self.image.host

    @cached_property
    def scale(self) -> float:
        """The largest squared norm of a token, the size of the terms that cancel in a distance."""
        return float(np.max(np.sum(self.tokens**2, axis=1))) or 1.0


@dataclass(frozen=True, eq=False)
class KeptSet:
    r"""A subset of a cloud and a factor :math:`\gamma` of the paper's surrogate."""

    cloud: Cloud
    kept: npt.NDArray[np.int64]
    gamma: float = 1.0

    @property
    def label(self) -> str:
        """Cloud, number of kept tokens and gamma."""
        return f"{self.cloud.label}, {len(self.kept)} kept, gamma {self.gamma:.3g}"

    @cached_property
    def transport(self) -> ExactTransport:
        """The exact transport, solved once for all checks."""
        return wasserstein2(self.cloud.image, self.kept)


def _random(m: int, generator: Generator) -> FloatArray:
    factor = generator.standard_normal((m, m + 2))
    return np.asarray(factor @ factor.T)


def _low_rank_plus_identity(m: int, generator: Generator) -> FloatArray:
    factor = 3.0 * generator.standard_normal((m, max(1, m // 3)))
    return np.asarray(np.eye(m) + factor @ factor.T)


def _ill_conditioned(m: int, generator: Generator) -> FloatArray:
    basis, _ = np.linalg.qr(generator.standard_normal((m, m)))
    matrix = (basis * np.logspace(0, -8, m)) @ basis.T
    return np.asarray((matrix + matrix.T) / 2)


def _integer(m: int, generator: Generator) -> FloatArray:
    factor = generator.integers(-3, 4, size=(m, m)).astype(np.float64)
    return np.asarray(np.eye(m) + factor @ factor.T)


MATRICES: Mapping[str, Callable[[int, Generator], FloatArray]] = MappingProxyType(
    {
        "random": _random,
        "low rank plus identity": _low_rank_plus_identity,
        "ill-conditioned": _ill_conditioned,
        "integer": _integer,
    }
)
"""Families of positive definite matrices [m, m]; only the second and the last have all eigenvalues >= 1."""


def _clustered(m: int, d: int, generator: Generator) -> FloatArray:
    centres = 3.0 * generator.standard_normal((3, d))
    return np.asarray(centres[generator.integers(3, size=m)] + 0.1 * generator.standard_normal((m, d)))


def _duplicated(m: int, d: int, generator: Generator) -> FloatArray:
    cloud = generator.standard_normal((m, d))
    norms = np.linalg.norm(cloud, axis=1)
    # The copies are the longest: whoever looks at lengths alone picks one token again and again.
    cloud[: (m + 1) // 2] = cloud[0] * (1.5 * norms.max() / norms[0])
    return np.asarray(cloud)


def _with_zeros(m: int, d: int, generator: Generator) -> FloatArray:
    cloud = generator.standard_normal((m, d))
    cloud[::3] = 0.0
    cloud[:, ::4] = 0.0
    return np.asarray(cloud)


def _with_outlier(m: int, d: int, generator: Generator) -> FloatArray:
    cloud = generator.standard_normal((m, d))
    cloud[-1] *= 100.0
    return np.asarray(cloud)


def _off_centre(m: int, d: int, generator: Generator) -> FloatArray:
    return np.asarray(generator.standard_normal((m, d)) + 5.0 * generator.standard_normal(d))


CLOUDS: Mapping[str, Callable[[int, int, Generator], FloatArray]] = MappingProxyType(
    {
        "gaussian": lambda m, d, generator: generator.standard_normal((m, d)),
        "clustered": _clustered,
        "duplicated": _duplicated,
        "with zeros": _with_zeros,
        "with an outlier": _with_outlier,
        "off centre": _off_centre,
    }
)
"""Families of token clouds [m, d]."""
