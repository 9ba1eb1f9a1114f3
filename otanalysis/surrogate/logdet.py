"""The log-determinant surrogate of a kept set: rungs 4 and 5 of the ladder."""

from __future__ import annotations

import numpy as np
from array_api_compat import array_namespace, device

from otanalysis.arrays import Array, check_indices
from otanalysis.image import FloatArray
from otanalysis.normalise import Normalisation, normalise_tokens
from otanalysis.surrogate.greedy import check_kernel
from otanalysis.surrogate.kernel import check_gamma

__all__ = ["GramLogdet", "logdet_value", "paper_objective"]


class GramLogdet:
    r"""The surrogate :math:`\log\det (I_k + \gamma \tilde V_C \tilde V_C^\top)` of many subsets of one image.

    Only the kept block of the kernel is formed, and one Gram matrix serves every gamma.

    Parameters
    ----------
    tokens : ndarray [m, d], float64
        Tokens as they enter the kernel: the released code normalises their columns.
    """

    def __init__(self, tokens: FloatArray) -> None:
        gram = tokens @ tokens.T
        self._gram: FloatArray = gram @ gram.T

    def value(self, kept: np.ndarray[tuple[int], np.dtype[np.int64]], gamma: float) -> float:
        """Return the surrogate of the positions ``kept`` [k], with the factor of the released code."""
        block = np.eye(len(kept)) + gamma * self._gram[np.ix_(kept, kept)]
        return logdet_value(block, np.arange(len(kept)))


def logdet_value(kernel: Array, indices: Array) -> float:
    r"""Return :math:`\log\det K_{CC}` of a positive semi-definite kernel.

    Parameters
    ----------
    kernel : array [m, m]
        For instance :func:`~otanalysis.surrogate.kernel.otprune_kernel`; NumPy or torch.
    indices : array [k]
        Positions of the kept tokens, distinct.

    Returns
    -------
    float
        Minus infinity if the determinant vanishes.

    Raises
    ------
    InputError
        If the kernel is not square or the indices do not fit it.

    Examples
    --------
    >>> import numpy as np
    >>> round(logdet_value(np.diag([1.0, 2.0, 3.0]), [1, 2]), 6)
    1.791759
    """
    m = check_kernel(kernel)
    xp = array_namespace(kernel)
    kept = xp.asarray(check_indices(indices, m), device=device(kernel))
    block = xp.take(xp.take(xp.astype(kernel, xp.float64), kept, axis=0), kept, axis=1)
    sign, logdet = xp.linalg.slogdet(block)
    return float(logdet) if float(sign) > 0 else -float("inf")


def paper_objective(
    tokens: Array, indices: Array, *, gamma: float, normalise: Normalisation = "columns"
) -> float:
    r"""Return the surrogate with the paper's own factor (rung 5, equal to rung 4 by Sylvester's identity).

    .. math:: F(C) = \log\det \Bigl(I_k + \tfrac{\gamma}{mk} \tilde V_C \tilde V_C^\top\Bigr)
              = \log\det (I + \gamma \Sigma^{1/2} \Sigma_C \Sigma^{1/2}), \quad \tilde V = V V^\top

    of arXiv:2602.20205. Unlike the kernel of the released code, the factor depends on ``k``.

    Parameters
    ----------
    tokens : array [m, d]
        NumPy or torch.
    indices : array [k]
        Positions of the kept tokens, distinct.
    gamma : float
        Positive.
    normalise : {"none", "columns", "rows"}
        Normalisation of the tokens.

    Returns
    -------
    float
        Non-negative.

    Raises
    ------
    InputError
        If an argument is not as described.
    """
    check_gamma(gamma)
    unit = normalise_tokens(tokens, normalise)
    xp = array_namespace(unit)
    m = unit.shape[0]
    kept = check_indices(indices, m)
    cross = xp.take(unit, xp.asarray(kept, device=device(unit)), axis=0) @ unit.T
    identity = xp.eye(len(kept), dtype=xp.float64, device=device(unit))
    return float(xp.linalg.slogdet(identity + (gamma / (m * len(kept))) * (cross @ cross.T))[1])
