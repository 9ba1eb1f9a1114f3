"""Certificates of the surrogate: upper bounds of the log-determinant over all subsets of one size."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from otanalysis.arrays import Array, to_numpy
from otanalysis.errors import InputError
from otanalysis.image import FloatArray
from otanalysis.normalise import Normalisation
from otanalysis.surrogate.greedy import check_kernel, greedy_logdet
from otanalysis.surrogate.kernel import otprune_kernel
from otanalysis.surrogate.relaxation import Majorant, solve_relaxation

__all__ = ["LogdetBound", "kernel_upper_bound", "logdet_upper_bound"]

# The computed kernel, its eigenvalues and its Cholesky residuals differ from the exact ones by a small
# multiple of m ulps of the largest eigenvalue (backward stability); 8 covers the three together.
ROUNDING_FACTOR = 8.0
# Eigenvalues so close above the smallest one that treating them as one loosens the bound by at most this
# share of the best single token's value: they only cost time.
NEGLIGIBLE = 1e-7


@dataclass(frozen=True, eq=False)
class LogdetBound:
    r"""An upper bound of :math:`\max_{|C| = k} \log\det K_{CC}`, with what it takes to check it.

    Attributes
    ----------
    value : float
        The bound in nats, rounding allowance included: no k-subset has a larger log-determinant.
    kind : str
        The part that gave it: ``"prefix"``, ``"eigenvalue"`` or ``"factorisation"``.
    parts : Mapping
        Kind to bound; each of them is valid alone.
    weights : ndarray [m], float64
        The point x of the relaxation, :math:`0 \le x \le 1`, :math:`\sum_i x_i = k`: how far the relaxation
        would keep each token.
    majorant : Majorant
        Affine function of the kept set, at least the log-determinant of **every** k-subset; its largest value
        is ``parts["factorisation"]``.
    rounding : float
        The allowance, in nats, that each part contains.
    greedy : float
        Log-determinant of the greedy k-subset, in nats.
    """

    value: float
    kind: str
    parts: Mapping[str, float]
    weights: FloatArray
    majorant: Majorant
    rounding: float
    greedy: float

    @property
    def greedy_ratio(self) -> float:
        """Share of the best value that greedy certainly reaches; one where every subset's value is zero."""
        return self.greedy / self.value if self.value > self.rounding else 1.0


def logdet_upper_bound(
    tokens: Array, keep: int, *, gamma: float = 0.01, normalise: Normalisation = "columns"
) -> LogdetBound:
    r"""Bound the surrogate of OTPrune over all subsets of ``keep`` tokens from above.

    The kernel is that of :func:`~otanalysis.surrogate.kernel.otprune_kernel` (arXiv:2602.20205); see
    :func:`kernel_upper_bound` for the bounds.

    Parameters
    ----------
    tokens : array [m, d]
        NumPy or torch.
    keep : int
        Size of the subsets, in ``1..m``.
    gamma : float
        Positive factor of the Gram term, as in the released code; for the paper's own factor
        :math:`\gamma / (mk)` pass that number.
    normalise : {"none", "columns", "rows"}
        Normalisation of the tokens before the kernel.

    Returns
    -------
    LogdetBound

    Raises
    ------
    InputError
        If an argument is not as described.

    Examples
    --------
    >>> import numpy as np
    >>> tokens = np.random.default_rng(0).standard_normal((60, 8))
    >>> bound = logdet_upper_bound(tokens, 10)
    >>> bound.kind, bound.greedy <= bound.value, bound.greedy_ratio > 0.95
    ('factorisation', True, True)
    """
    return kernel_upper_bound(otprune_kernel(tokens, gamma=gamma, normalise=normalise), keep)


def kernel_upper_bound(kernel: Array, keep: int) -> LogdetBound:
    r"""Bound :math:`\log\det K_{CC}` over all subsets of ``keep`` items from above, for :math:`K \succeq I`.

    Three bounds, the smallest of which is the value:

    ``prefix``
        :math:`\min_i F(S_i) + {}` the k largest marginal gains at :math:`S_i`, over the prefixes :math:`S_i`
        of greedy: :math:`F(C) \le F(C \cup S_i) \le F(S_i) + \sum_{c \in C} (F(S_i + c) - F(S_i))`, since F
        is monotone and submodular (Lemma 1 of arXiv:2602.20205; Nemhauser, Wolsey and Fisher, 1978).
    ``eigenvalue``
        The sum of the logarithms of the k largest eigenvalues of K: Cauchy's interlacing.
    ``factorisation``
        The augmented factorisation relaxation of :math:`K = \delta (I + A A^\top)`, see
        :func:`~otanalysis.surrogate.relaxation.majorant_at`: :math:`F(C) = k \log\delta + \log\det(I +
        \sum_{i \in C} a_i a_i^\top)`, maximising which is D-optimal data fusion.

    In the last one, eigenvalues that are nearly the smallest are raised to a common :math:`\delta`: then
    :math:`K \preceq \delta (I + A A^\top)`, and determinants are monotone in that order.

    Parameters
    ----------
    kernel : array [m, m]
        Symmetric, every eigenvalue at least one; NumPy or torch.
    keep : int
        Size of the subsets, in ``1..m``.

    Returns
    -------
    LogdetBound

    Raises
    ------
    InputError
        If the kernel is not as described, or ``keep`` is out of range.

    Notes
    -----
    Time :math:`O(m^3)` a Newton step, some 20 steps. Rounding moves the kernel by a matrix E of norm at most
    :math:`\varepsilon`, a few m ulps of the largest eigenvalue. Since :math:`K \succeq I`,
    :math:`K + E \preceq (1 + \varepsilon) K`: no log-determinant of k items moves by more than :math:`k
    \log(1 + \varepsilon)`. Each part contains twice that, for itself and for the value compared with it.

    Examples
    --------
    >>> import numpy as np
    >>> bound = kernel_upper_bound(np.diag([1.0, 2.0, 3.0, 4.0]), 2)
    >>> bool(abs(bound.value - np.log(12)) < 1e-4)
    True
    """
    m = check_kernel(kernel)
    if not 1 <= operator.index(keep) <= m:
        raise InputError(f"keep must lie in 1..{m}, the number of items; got {keep}.")
    matrix = np.asarray(to_numpy(kernel), dtype=np.float64)
    if not (np.isfinite(matrix).all() and np.allclose(matrix, matrix.T)):
        raise InputError("kernel must be finite and symmetric: pass for instance otprune_kernel(tokens).")
    spectrum, basis = np.linalg.eigh(matrix)
    error = ROUNDING_FACTOR * m * float(np.finfo(np.float64).eps) * float(spectrum[-1])
    if spectrum[0] < 1.0 - error:
        raise InputError(
            f"Every eigenvalue of the kernel must be at least one; the smallest is {spectrum[0]:.6g}: "
            "divide the kernel by it, which lowers every log-determinant by keep times its logarithm."
        )
    spectrum = np.clip(spectrum, 1.0, None)
    greedy, prefix = _prefix_bound(matrix, keep)
    weights, majorant = _factorisation_bound(matrix, spectrum, basis, keep)
    rounding = 2.0 * keep * float(np.log1p(error))
    parts = {
        "prefix": prefix + rounding,
        "eigenvalue": float(np.log(spectrum[m - keep :]).sum()) + rounding,
        "factorisation": majorant.maximum + rounding,
    }
    kind = min(parts, key=parts.__getitem__)
    certified = Majorant(majorant.intercept + rounding, majorant.slopes, keep)
    return LogdetBound(parts[kind], kind, MappingProxyType(parts), weights, certified, rounding, greedy)


def _prefix_bound(kernel: FloatArray, keep: int) -> tuple[float, float]:
    """Return the value of greedy and the prefix bound."""
    order, gains = greedy_logdet(kernel, keep, floor=1.0)
    rows = np.zeros((keep, len(kernel)))
    residual = np.diag(kernel).copy()
    reached, best = 0.0, np.inf
    for step in range(keep + 1):
        left = np.log(residual)
        left[order[:step]] = 0.0
        best = min(best, reached + float(np.sort(left)[-keep:].sum()))
        if step < keep:
            pick = order[step]
            rows[step] = (kernel[pick] - rows[:step, pick] @ rows[:step]) / np.sqrt(residual[pick])
            residual = np.clip(residual - rows[step] ** 2, 1.0, None)
            reached += float(gains[step])
    return reached, best


def _factorisation_bound(
    kernel: FloatArray, spectrum: FloatArray, basis: FloatArray, keep: int
) -> tuple[FloatArray, Majorant]:
    """Return the relaxation's weights and majorant, of the kernel itself."""
    slack = NEGLIGIBLE * float(np.log(np.diag(kernel).max())) / keep
    apart = spectrum > spectrum[0] + slack
    # The largest eigenvalue that is not treated as apart: at least all of the others.
    base = float(spectrum[~apart][-1])
    factor = basis[:, apart] * np.sqrt(spectrum[apart] / base - 1.0)
    weights, majorant = solve_relaxation(factor, keep)
    return weights, Majorant(majorant.intercept + keep * float(np.log(base)), majorant.slopes, keep)
