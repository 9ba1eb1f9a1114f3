"""Gaussian relaxations of the distance: rungs 1 to 3 of the ladder from exact transport to the surrogate."""

from __future__ import annotations

import numpy as np

from otanalysis.arrays import Array, FloatArray, IntArray, check_indices
from otanalysis.image import Image, rescaled_number

# Powers of two of the largest entry within which no square overflows or vanishes.
_ORDINARY = 100
# Share of the traces below which their difference has lost digits that the residual still has.
_CANCELLATION = 1e-6
_EPS = float(np.finfo(np.float64).eps)


class TokenMoments:
    r"""What the Gaussian distances of all subsets of one image share.

    Pass it in place of the tokens to :func:`gelbrich_squared`, :func:`bures_squared` and
    :func:`trace_objective` when many subsets of one image are measured, or pass an
    :class:`~otanalysis.image.Image`, which keeps its own: each subset then costs little more than the
    singular values of a matrix of ``min(m, d)`` rows and ``k`` columns.

    Parameters
    ----------
    tokens : array [m, d] or Image
        All tokens; NumPy or torch. Where an image has weights, they are the masses in the moments of all
        tokens; the kept ones are uniform.

    Attributes
    ----------
    tokens : ndarray [m, d], float64
        The tokens on the host.
    exponent : int
        Power of two that they are divided by where their squares would overflow or vanish; else zero.

    Raises
    ------
    InputError
        If the tokens are not a finite matrix.

    Examples
    --------
    >>> moments = TokenMoments([[0.0], [2.0], [4.0]])
    >>> bures_squared(moments, [0, 1, 2]), gelbrich_squared(moments, [1])
    (0.0, 2.6666666666666665)
    """

    def __init__(self, tokens: Array | Image) -> None:
        image = Image.of(tokens).on_host
        self.tokens: FloatArray = image.host
        # Squares of what is left after division by a power of two neither overflow nor vanish.
        self.exponent: int = image.shared(_exponent)
        self._image = image if self.exponent == 0 else image.shared(_divided)

    @property
    def mean(self) -> FloatArray:
        """Mean token [d]."""
        return np.ldexp(self._image.shared(_mean), self.exponent)

    @property
    def raw(self) -> NuclearProducts:
        """The tokens over ``2**exponent``."""
        return self._image.shared(NuclearProducts)

    @property
    def centred(self) -> NuclearProducts:
        """The tokens over ``2**exponent`` with their mean removed."""
        return self._image.shared(_centred)

    def shift(self, kept: IntArray) -> float:
        """Return the squared distance of the kept tokens' mean to that of all, over ``4**exponent``."""
        return float(np.sum((self._image.shared(_mean) - self._image.host[kept].mean(axis=0)) ** 2))

    def squared(self, unit: float) -> float:
        """Return a squared distance from what it is over ``4**exponent``; raise where it overflows."""
        return rescaled_number(unit, 2 * self.exponent)


class NuclearProducts:
    r"""A matrix with what makes its nuclear products with kept rows cheap.

    These are :math:`\lVert X Y^\top \rVert_*` for the matrix :math:`X` [m, d] and rows :math:`Y` [k, d] of
    it. Where ``m > d`` the triangle of :math:`X = QR` takes the place of :math:`X`, since :math:`Q` does not
    change singular values; where ``m <= d`` the product is read off the Gram matrix. With masses
    :math:`w_i` of the image the rows of :math:`X` are those of the tokens times :math:`\sqrt{m w_i}`.
    """

    def __init__(self, image: Image) -> None:
        rows, masses = image.host, image.weights
        m, d = rows.shape
        self._rows = rows
        self._read_gram = m <= d
        self._all = rows if masses is None else np.sqrt(m * masses)[:, None] * rows
        self._factor: FloatArray
        if not self._read_gram:
            self._factor = np.asarray(np.linalg.qr(self._all, mode="r"))
        else:
            self._factor = image.gram if masses is None else np.sqrt(m * masses)[:, None] * image.gram
        self._square_norms = image.square_norms
        self._trace = float(self._square_norms.mean() if masses is None else masses @ self._square_norms)

    def trace_product(self, kept: IntArray, *, centre_kept: bool) -> float:
        r"""Return :math:`\mathrm{tr} (\Sigma^{1/2} \Sigma_C \Sigma^{1/2})^{1/2}`."""
        m, k = len(self._rows), len(kept)
        cross = self._factor[:, kept] if self._read_gram else self._factor @ self._rows[kept].T
        if centre_kept:
            cross = cross - cross.mean(axis=1, keepdims=True)
        return float(np.linalg.svd(cross, compute_uv=False).sum()) / float(np.sqrt(m * k))

    def bures(self, kept: IntArray, *, centre_kept: bool, product: float | None = None) -> float:
        """Return the squared Bures distance between the covariances of all rows and of the kept ones.

        ``product`` is :meth:`trace_product` of the same arguments, if it is at hand.
        """
        if product is None:
            product = self.trace_product(kept, centre_kept=centre_kept)
        trace_kept = float(self._square_norms[kept].mean())
        if centre_kept:
            trace_kept -= float(np.sum(self._rows[kept].mean(axis=0) ** 2))
        traces = self._trace + trace_kept
        squared = traces - 2.0 * product
        if squared < _CANCELLATION * traces:
            return self._residual(kept, centre_kept=centre_kept, traces=traces)
        return squared

    def _residual(self, kept: IntArray, *, centre_kept: bool, traces: float) -> float:
        r"""Return the squared Bures distance where it is small against the traces.

        With the singular value decomposition :math:`X Y^\top / \sqrt{mk} = U S W^\top` it is
        :math:`\lVert X / \sqrt m - U W^\top Y / \sqrt k \rVert_F^2` (the orthogonal Procrustes problem):
        a sum of squares, whose rounding is relative to the tokens and not to their squares. The product is
        taken in the bases of both factors, where it is graded, and decomposed by Jacobi's rotations, which
        keep the small singular vectors of such a matrix (Drmac and Veselic, 2008).
        """
        from scipy.linalg.lapack import dgejsv

        some = self._rows[kept]
        if centre_kept:
            some = some - some.mean(axis=0)
        _, size, basis = np.linalg.svd(self._all / np.sqrt(len(self._all)), full_matrices=False)
        _, kept_size, kept_basis = np.linalg.svd(some / np.sqrt(len(kept)), full_matrices=False)
        graded = size[:, None] * (basis @ kept_basis.T) * kept_size
        _, left, right, *_ = dgejsv(graded, joba=2, jobu=0, jobv=0, jobr=1, jobt=0, jobp=0)
        turned = (left[:, : len(kept_size)] @ right.T) @ (kept_size[:, None] * kept_basis)
        squared = float(np.sum((size[:, None] * basis - turned) ** 2))
        # What rounding leaves of zero, as where all tokens are kept.
        return squared if squared > sum(self._rows.shape) * (8.0 * _EPS) ** 2 * traces else 0.0


def gelbrich_squared(tokens: Array | Image | TokenMoments, indices: Array) -> float:
    r"""Return the squared Gelbrich distance between all tokens and the kept ones (rung 1).

    .. math:: \lVert \mu - \mu_C \rVert^2 + \mathrm{tr} S + \mathrm{tr} S_C
              - 2 \, \mathrm{tr} (S^{1/2} S_C S^{1/2})^{1/2} \leq W_2^2(P, Q_C)

    with the means and the centred covariances: :math:`W_2^2` of the Gaussians of the same moments. The last
    term is computed as a nuclear norm, :math:`\lVert X X_C^\top \rVert_* / \sqrt{mk}`, which stays exact when
    the covariance of the kept tokens is singular.

    Parameters
    ----------
    tokens : array [m, d], Image or TokenMoments
        All tokens.
    indices : array [k]
        Positions of the kept tokens, distinct.

    Returns
    -------
    float
        Squared unit of the tokens.

    Raises
    ------
    InputError
        If tokens or indices are not as described, or the result overflows.

    Examples
    --------
    >>> round(gelbrich_squared([[0.0], [2.0], [4.0]], [0, 2]), 4)  # equal means: (2 - sqrt(8/3))^2
    0.1347
    """
    moments, kept = _prepare(tokens, indices)
    return moments.squared(moments.shift(kept) + moments.centred.bures(kept, centre_kept=True))


def bures_squared(tokens: Array | Image | TokenMoments, indices: Array) -> float:
    r"""Return the squared :math:`W_2` of the zero-mean Gaussians with the tokens' second moments (rung 2).

    .. math:: \mathrm{tr} \Sigma + \mathrm{tr} \Sigma_C
              - 2 \, \mathrm{tr} (\Sigma^{1/2} \Sigma_C \Sigma^{1/2})^{1/2}, \quad \Sigma = V^\top V / m, \;
              \Sigma_C = V_C^\top V_C / k

    Equation 3 of arXiv:2602.20205; it never exceeds :func:`gelbrich_squared`.

    Parameters
    ----------
    tokens : array [m, d], Image or TokenMoments
        All tokens.
    indices : array [k]
        Positions of the kept tokens, distinct.

    Returns
    -------
    float
        Squared unit of the tokens.

    Raises
    ------
    InputError
        If tokens or indices are not as described, or the result overflows.

    Examples
    --------
    >>> round(bures_squared([[3.0, 0.0], [0.0, 4.0]], [0]), 4)  # 25/2 + 9 - 2 * 9 / sqrt(2)
    8.7721
    """
    moments, kept = _prepare(tokens, indices)
    return moments.squared(moments.raw.bures(kept, centre_kept=False))


def trace_objective(tokens: Array | Image | TokenMoments, indices: Array) -> float:
    r"""Return :math:`T(C) = \lVert V V_C^\top \rVert_* / \sqrt{mk}` (rung 3).

    Equation 4 of arXiv:2602.20205 maximises its square. Rung 2 is :math:`\mathrm{tr} \Sigma + \mathrm{tr}
    \Sigma_C - 2 T(C)`. The paper drops :math:`\mathrm{tr} \Sigma_C`, which is the same for all subsets only
    if all tokens have the same norm.

    Parameters
    ----------
    tokens : array [m, d], Image or TokenMoments
        All tokens.
    indices : array [k]
        Positions of the kept tokens, distinct.

    Returns
    -------
    float
        Squared unit of the tokens.

    Raises
    ------
    InputError
        If tokens or indices are not as described, or the result overflows.

    Examples
    --------
    >>> trace_objective([[3.0, 0.0], [0.0, 4.0]], [0])
    6.363961030678928
    """
    moments, kept = _prepare(tokens, indices)
    return moments.squared(moments.raw.trace_product(kept, centre_kept=False))


def zero_mean_rungs(tokens: Array | Image | TokenMoments, indices: Array) -> tuple[float, float]:
    """Return rungs 2 and 3, :func:`bures_squared` and :func:`trace_objective`, from one decomposition.

    Raises
    ------
    InputError
        If tokens or indices are not as described there, or a result overflows.
    """
    moments, kept = _prepare(tokens, indices)
    product = moments.raw.trace_product(kept, centre_kept=False)
    bures = moments.raw.bures(kept, centre_kept=False, product=product)
    return moments.squared(bures), moments.squared(product)


def _exponent(image: Image) -> int:
    exponent = int(np.frexp(max(image.host.max(), -image.host.min()))[1])
    return 0 if abs(exponent) <= _ORDINARY else exponent


def _divided(image: Image) -> Image:
    return Image.of_checked(np.ldexp(image.host, -image.shared(_exponent)), image.weights)


def _mean(image: Image) -> FloatArray:
    return np.asarray(image.host.mean(axis=0) if image.weights is None else image.weights @ image.host)


def _centred(image: Image) -> NuclearProducts:
    return NuclearProducts(image.moved(-image.shared(_mean)))


def _prepare(tokens: Array | Image | TokenMoments, indices: Array) -> tuple[TokenMoments, IntArray]:
    moments = tokens if isinstance(tokens, TokenMoments) else TokenMoments(tokens)
    return moments, check_indices(indices, len(moments.tokens))
