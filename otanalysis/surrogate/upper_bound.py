"""Certificates of the surrogate: upper bounds of the log-determinant over all subsets of one size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from otanalysis.arrays import Array, FloatArray, Normalisation, check_keep, to_numpy
from otanalysis.defaults import RELEASED_GAMMA
from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.surrogate.kernel import otprune_kernel
from otanalysis.surrogate.logdet import check_kernel, greedy_logdet

# The ascent stops once the bound is this close to the best that the relaxation can give, relative to it.
RELATIVE_GAP = 1e-5
# Newton steps; 12 to 20 are usual. The bound is valid wherever the ascent stops.
STEP_LIMIT = 60
# Interior-point constants, the usual ones: none of them touches validity.
TO_BOUNDARY = 0.95
ARMIJO = 1e-4
SMALLEST_STEP = 1e-6
CENTRED = 0.5
BARRIER_CUT = 0.1
BARRIER_CUT_SHORT = 0.4


@dataclass(frozen=True)
class Majorant:
    r"""An affine function of the kept set that lies on or above the log-determinant of every k-subset.

    .. math:: \log\det\Bigl(I + \sum_{i \in C} a_i a_i^\top\Bigr) \le
              \mathrm{intercept} + \sum_{i \in C} \mathrm{slopes}_i \quad\text{for all } |C| = k

    Attributes
    ----------
    intercept : float
        Nats.
    slopes : ndarray [m], float64
        Nats a token, non-negative.
    keep : int
        The size k of the subsets.
    """

    intercept: float
    slopes: FloatArray
    keep: int

    @property
    def maximum(self) -> float:
        """The largest value over all k-subsets: an upper bound of the best log-determinant."""
        largest = np.partition(self.slopes, len(self.slopes) - self.keep)[-self.keep :]
        return self.intercept + float(largest.sum())


@dataclass(frozen=True)
class _Point:
    """The relaxation at one weight vector: its value, the levelled spectrum, the factor in its eigenbasis."""

    value: float
    levels: FloatArray  # eigenvalues [r], descending, with the averaged ones replaced by their level
    rotated: FloatArray  # factor in the eigenbasis [m, r]
    head: int  # eigenvalues that stand alone; the others share one level

    @property
    def theta(self) -> FloatArray:
        """Eigenvalues of the supergradient, ascending."""
        return 1.0 / (1.0 + self.levels)

    @property
    def slopes(self) -> FloatArray:
        result: FloatArray = (self.rotated**2) @ self.theta
        return result


def majorant_at(factor: FloatArray, weights: FloatArray, keep: int) -> Majorant:
    r"""Return the majorant that touches the augmented factorisation relaxation at ``weights``.

    For a k-subset C the matrix :math:`X_C = \sum_{i \in C} a_i a_i^\top` has at most k eigenvalues
    :math:`\lambda_1 \ge \lambda_2 \ge \dots` that are not zero. Take **any** positive definite
    :math:`\Theta`, its eigenvalues ascending: :math:`\theta_1 \le \theta_2 \le \dots`

    1. :math:`\log(1+t) \le \theta (1+t) - 1 - \log\theta` for all :math:`t \ge 0`, :math:`\theta > 0`: the
       tangent of the logarithm at :math:`1/\theta`.
    2. :math:`\sum_i \theta_i \lambda_i \le \mathrm{tr}\, \Theta X_C`: opposite order is the smallest pairing
       (von Neumann's trace inequality).

    Hence, with :math:`n = \min(k, r)`,

    .. math:: \log\det(I + X_C) = \sum_{i \le n} \log(1 + \lambda_i) \le
              \sum_{i \le n} (\theta_i - 1 - \log\theta_i) + \sum_{i \in C} a_i^\top \Theta a_i

    which is an affine function of the set. Nothing was assumed of :math:`\Theta`, so the majorant is valid
    for any weights, converged or not. Here :math:`\Theta` is the supergradient of

    .. math:: \Gamma_k(X) = \sum_{j \le \iota} \log(1+\lambda_j) + (k-\iota) \log(1 + \ell), \quad
              \ell = \frac{1}{k-\iota} \sum_{j > \iota} \lambda_j

    at :math:`X = \sum_i x_i a_i a_i^\top`, where :math:`\iota < k` is the index with :math:`\lambda_\iota >
    \ell \ge \lambda_{\iota+1}`; for :math:`k \ge r`, :math:`\Gamma_k = \log\det(I + X)`. It has the
    eigenvectors of X and the eigenvalues :math:`1/(1+\lambda_j)`, from :math:`\iota + 1` on
    :math:`1/(1+\ell)`; there both steps are equalities, so the majorant touches :math:`\Gamma_k` at x.
    For other :math:`\Theta` the right-hand side, with :math:`\mathrm{tr}\, \Theta X` in the place of the sum
    over C, is not below :math:`\Gamma_k(X)`: no eigenvalue after :math:`\iota` exceeds :math:`\ell`, so
    :math:`\sum_{i > \iota} \theta_i \lambda_i` is least when their mass fills the places :math:`\iota+1` to k
    up to :math:`\ell`, and step 1 does the rest. Hence :math:`\Gamma_k` is a minimum of affine functions,
    so it is concave, and its maximum over the weights is the best bound that any :math:`\Theta` gives.

    :math:`\Gamma_k` is the factorisation bound of Nikolov (arXiv:1412.0036) in the augmented form of Li
    (arXiv:2410.10078), which keeps a multiple of the identity apart; with it, maximum-entropy sampling is the
    D-optimal data fusion of Li, Fampa, Lee, Qiu, Xie and Yao (exact and approximation algorithms, 2022).

    Parameters
    ----------
    factor : ndarray [m, r], float64
        Row i is :math:`a_i`.
    weights : ndarray [m], float64
        :math:`x_i`, non-negative; best if they sum to ``keep``.
    keep : int
        Size of the subsets, in ``1..m``.

    Returns
    -------
    Majorant

    Examples
    --------
    >>> import numpy as np
    >>> factor = np.random.default_rng(0).standard_normal((8, 5))
    >>> bound = majorant_at(factor, np.full(8, 3 / 8), 3)
    >>> kept = [0, 3, 6]
    >>> value = np.linalg.slogdet(np.eye(3) + factor[kept] @ factor[kept].T)[1]
    >>> bool(value <= bound.intercept + bound.slopes[kept].sum() <= bound.maximum)
    True
    """
    return _majorant(_evaluate(factor, weights, keep), keep)


def solve_relaxation(factor: FloatArray, keep: int) -> tuple[FloatArray, Majorant]:
    r"""Maximise the augmented factorisation relaxation over :math:`0 \le x \le 1, \sum_i x_i = k`.

    A primal barrier method: Newton steps on :math:`\Gamma_k(x) + \mu \sum_i \log x_i (1 - x_i)` with
    :math:`\mu` falling. The Hessian is that of :math:`\log\det(I + X)`, with the block of the averaged
    eigenvalues replaced by its own, so that it is never flatter than the true one. Each step costs
    :math:`O(m^3 + m^2 r)`; 12 to 20 steps reach a relative gap of 1e-5.

    Parameters
    ----------
    factor : ndarray [m, r], float64
        Row i is :math:`a_i`.
    keep : int
        Size of the subsets, in ``1..m``.

    Returns
    -------
    weights : ndarray [m], float64
        The point of the smallest bound met.
    majorant : Majorant
        The affine bound there; valid even if the ascent was cut off.
    """
    weights = np.full(len(factor), keep / len(factor))
    point = _evaluate(factor, weights, keep)
    best = weights, _majorant(point, keep)
    if keep == len(factor):
        return best
    barrier = None
    for _ in range(STEP_LIMIT):
        majorant = _majorant(point, keep)
        if majorant.maximum < best[1].maximum:
            best = weights, majorant
        gap = majorant.maximum - point.value
        if gap <= RELATIVE_GAP * best[1].maximum:
            break
        barrier = gap / (10 * len(factor)) if barrier is None else barrier
        direction, decrement = _newton_direction(point, weights, barrier, keep)
        length, weights, point = _line_search(factor, point, weights, direction, decrement, barrier, keep)
        if decrement < CENTRED * barrier * len(factor):
            barrier *= BARRIER_CUT if length > CENTRED else BARRIER_CUT_SHORT
    return best


def _evaluate(factor: FloatArray, weights: FloatArray, keep: int) -> _Point:
    """Evaluate the relaxation: one eigendecomposition of [r, r]."""
    spectrum, basis = np.linalg.eigh(factor.T @ (factor * weights[:, None]))
    spectrum = np.clip(spectrum[::-1], 0.0, None)
    rotated = factor @ basis[:, ::-1]
    if keep >= len(spectrum):
        return _Point(float(np.log1p(spectrum).sum()), spectrum, rotated, len(spectrum))
    tails = np.cumsum(spectrum[::-1])[::-1][:keep] / np.arange(keep, 0, -1)
    head = int(np.argmax(spectrum[:keep] <= tails))
    levels = np.concatenate([spectrum[:head], np.full(len(spectrum) - head, tails[head])])
    return _Point(float(np.log1p(levels[:keep]).sum()), levels, rotated, head)


def _majorant(point: _Point, keep: int) -> Majorant:
    """Evaluate the affine bound from the eigenvalues of its matrix alone, so that it holds as computed."""
    levels = point.levels[:keep]
    # theta - 1 - log(theta) at theta = 1 / (1 + level), free of cancellation for small levels.
    return Majorant(float((np.log1p(levels) - levels / (1.0 + levels)).sum()), point.slopes, keep)


def _newton_direction(
    point: _Point, weights: FloatArray, barrier: float, keep: int
) -> tuple[FloatArray, float]:
    """Return the Newton direction of zero sum, and the squared Newton decrement."""
    scaled = point.rotated * np.sqrt(point.theta)
    curvature = (scaled @ scaled.T) ** 2
    if point.head < len(point.theta):
        tail = scaled[:, point.head :]
        moved = (tail**2).sum(axis=1)
        curvature += np.outer(moved, moved) / (keep - point.head) - (tail @ tail.T) ** 2
    curvature[np.diag_indices_from(curvature)] += barrier * (weights**-2 + (1.0 - weights) ** -2)
    gradient = point.slopes + barrier * (1.0 / weights - 1.0 / (1.0 - weights))
    solved = cho_solve(cho_factor(curvature), np.column_stack([gradient, np.ones_like(gradient)]))
    direction: FloatArray = solved[:, 0] - solved[:, 1] * (solved[:, 0].sum() / solved[:, 1].sum())
    return direction, float(gradient @ direction)


def _line_search(
    factor: FloatArray,
    point: _Point,
    weights: FloatArray,
    direction: FloatArray,
    decrement: float,
    barrier: float,
    keep: int,
) -> tuple[float, FloatArray, _Point]:
    """Go along the direction, inside the box, until the barrier function has risen enough."""

    def merit(value: float, at: FloatArray) -> float:
        return value + barrier * float(np.sum(np.log(at) + np.log1p(-at)))

    with np.errstate(divide="ignore", over="ignore"):
        room = np.where(direction < 0.0, -weights / direction, (1.0 - weights) / direction)
    length = min(1.0, TO_BOUNDARY * float(room.min()))
    start = merit(point.value, weights)
    while True:
        there = weights + length * direction
        found = _evaluate(factor, there, keep)
        if merit(found.value, there) >= start + ARMIJO * length * decrement or length < SMALLEST_STEP:
            return length, there, found
        length /= 2.0


# The computed kernel, its eigenvalues and its Cholesky residuals differ from the exact ones by a small
# multiple of m ulps of the largest eigenvalue (backward stability); 8 covers the three together.
ROUNDING_FACTOR = 8.0
# Eigenvalues so close above the smallest one that treating them as one loosens the bound by at most this
# share of the best single token's value: they only cost time.
NEGLIGIBLE = 1e-7


@dataclass(frozen=True, eq=False)
class LogdetBound:
    r"""An upper bound of :math:`\max_{|C| = k} \log\det K_{CC}`, with what it takes to check it.

    See :func:`logdet_upper_bound`.

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
    tokens: Array | Image, keep: int, *, gamma: float = RELEASED_GAMMA, normalise: Normalisation = "columns"
) -> LogdetBound:
    r"""Bound the surrogate of OTPrune over all subsets of ``keep`` tokens from above.

    The kernel is that of :func:`~otanalysis.surrogate.kernel.otprune_kernel` (arXiv:2602.20205); see
    :func:`kernel_upper_bound` for the bounds.

    Parameters
    ----------
    tokens : array [m, d] or Image
        NumPy or torch.
    keep : int
        Size of the subsets, in ``1..m``.
    gamma : float
        Positive factor of the Gram term, as in the released code; for the paper's own :math:`\gamma` pass
        :math:`\gamma m / k` with normalised columns.
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
        is submodular (Proposition 1 of arXiv:2602.20205) and, with :math:`K \succeq I`, monotone (Nemhauser,
        Wolsey and Fisher, 1978).
    ``eigenvalue``
        The sum of the logarithms of the k largest eigenvalues of K: Cauchy's interlacing.
    ``factorisation``
        The augmented factorisation relaxation of :math:`K = \delta (I + A A^\top)`, see
        :func:`~otanalysis.surrogate.upper_bound.majorant_at`: :math:`F(C) = k \log\delta + \log\det(I +
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
    matrix = np.asarray(to_numpy(check_kernel(kernel)), dtype=np.float64)
    m = len(matrix)
    keep = check_keep(m, keep, of="items")
    if not np.allclose(matrix, matrix.T):
        raise InputError("kernel must be symmetric: pass for instance otprune_kernel(tokens).")
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
