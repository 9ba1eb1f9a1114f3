r"""The ladder from exact transport to the log-det surrogate: every step of it, for any kept set of one image.

.. list-table::
   :header-rows: 1

   * - rung
     - quantity
     - what the step down to it gives up
   * - 0
     - exact :math:`W_2^2(P, Q_C)`
     -
   * - 1
     - Gelbrich distance: means and covariances
     - everything but the first two moments; a lower bound of rung 0
   * - 2
     - the same of zero-mean Gaussians with second moments :math:`\Sigma, \Sigma_C`
     - the means; a lower bound of rung 1
   * - 3
     - :math:`T(C) = \mathrm{tr} (\Sigma^{1/2} \Sigma_C \Sigma^{1/2})^{1/2}`, to be maximised
     - :math:`\mathrm{tr} \Sigma_C`, constant only where all tokens have one length
   * - 4
     - :math:`F(C) = \log\det (I + \gamma \Sigma^{1/2} \Sigma_C \Sigma^{1/2})`, to be maximised
     - the square root: :math:`\log(1 + t)` takes its place
   * - 5
     - :math:`F(C)` as the released code has it: on column-normalised tokens
     - the tokens themselves, unless they are normalised by columns

Rungs 4 and 5 are computed from the kept block of the kernel (Sylvester's identity).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from otanalysis.arrays import Array, FloatArray, Normalisation, check_indices, of_unit_size
from otanalysis.defaults import RELEASED_GAMMA, GammaOf
from otanalysis.image import Image
from otanalysis.scalars import check_gamma_of
from otanalysis.surrogate.kernel import check_gamma, released_factor
from otanalysis.surrogate.logdet import GramLogdet
from otanalysis.transport import gelbrich_squared, quantisation_error, wasserstein2
from otanalysis.transport.gaussian import zero_mean_rungs


@dataclass(frozen=True)
class Rung:
    """One step of the ladder.

    Attributes
    ----------
    number : int
        0 (exact) to 5 (released surrogate).
    column : str
        Key in :meth:`Ladder.values` and column in tables.
    label : str
        A few words for tables and figures.
    maximised : bool
        Whether a larger value means a better kept set.

    Examples
    --------
    >>> [rung.column for rung in RUNGS if rung.maximised]
    ['trace_objective', 'logdet_same_tokens', 'logdet']
    """

    number: int
    column: str
    label: str
    maximised: bool

    def badness(self, values: FloatArray) -> FloatArray:
        """Return the values with the sign that makes smaller better, as for the exact distance."""
        return -values if self.maximised else values


RUNGS: tuple[Rung, ...] = (
    Rung(0, "w2_squared", "exact W2 squared", False),
    Rung(1, "gelbrich_w2_squared", "Gaussian (Gelbrich)", False),
    Rung(2, "bures_w2_squared", "zero-mean Gaussian", False),
    Rung(3, "trace_objective", "trace term alone", True),
    Rung(4, "logdet_same_tokens", "log-det, same tokens", True),
    Rung(5, "logdet", "log-det as released", True),
)


class Ladder:
    r"""Every rung of any kept set of one image; a set that was measured is not measured again.

    Parameters
    ----------
    tokens : array [m, d] or Image
        All tokens, as the model gave them; NumPy or torch. Weights of an image are masses of all tokens in
        rungs 0 to 3; the log-determinants of rungs 4 and 5 are those of OTPrune, which knows no weights.
    normalise : {"none", "columns", "rows"}
        Normalisation under rungs 0 to 4. Rung 5 always normalises the columns, as the released code does.
    gamma : float
        Of rungs 4 and 5. Rung 4 scales the tokens to the Frobenius norm :math:`\sqrt d` that column
        normalisation gives, so that gamma means the same on both.
    gamma_of : {"released", "paper"}
        Whose gamma that is: the released code's, a factor for all kept sets, or the paper's, which is another
        factor for each number of kept tokens (:func:`~otanalysis.surrogate.kernel.paper_factor`).

    Raises
    ------
    InputError
        If the tokens are not a finite matrix, or another argument is not as described.

    Examples
    --------
    >>> import numpy as np
    >>> tokens = np.random.default_rng(0).standard_normal((30, 4))
    >>> values = Ladder(tokens, normalise="rows").values([0, 7, 21])
    >>> values["bures_w2_squared"] <= values["gelbrich_w2_squared"] <= values["w2_squared"]
    True
    >>> round(values["kept_second_moment"], 12)
    1.0
    """

    def __init__(
        self,
        tokens: Array | Image,
        *,
        normalise: Normalisation = "none",
        gamma: float = RELEASED_GAMMA,
        gamma_of: GammaOf = "released",
    ) -> None:
        self._given = Image.of(tokens).on_host
        self.normalise: Normalisation = normalise
        self.gamma, self.gamma_of = check_gamma(gamma), check_gamma_of(gamma_of)
        self.image = self._given.normalised(normalise)
        self._distances: dict[bytes, dict[str, float]] = {}

    @property
    def tokens(self) -> FloatArray:
        """The normalised tokens [m, d]."""
        return self.image.host

    @property
    def cost(self) -> FloatArray:
        """Squared distances [m, m] between the normalised tokens."""
        return self.image.squared_distances

    def factor(self, keep: int) -> float:
        """Return the factor of rungs 4 and 5 in the released code's kernel for so many kept tokens."""
        return released_factor(self.gamma, len(self.image), keep, gamma_of=self.gamma_of)

    def distances(self, indices: Array) -> dict[str, float]:
        """Return the distances of a kept set: rungs 0 to 3 and what goes with them.

        Parameters
        ----------
        indices : array [k]
            Positions of the kept tokens, distinct.

        Returns
        -------
        dict
            ``w2`` (unit of the normalised tokens); ``w2_squared``, ``quantisation_error``,
            ``gelbrich_w2_squared``, ``bures_w2_squared``, ``trace_objective`` and ``duality_gap`` (squared
            unit). A set that was measured before is not measured again.

        Raises
        ------
        InputError
            If the indices are not as described.
        ConvergenceError
            If the exact distance could not be certified.
        """
        kept = check_indices(indices, len(self.image))
        key = np.sort(kept).tobytes()
        if key not in self._distances:
            transport = wasserstein2(self.image, kept)
            bures, trace = zero_mean_rungs(self.image, kept)
            self._distances[key] = {
                "w2": transport.distance,
                "w2_squared": transport.squared_distance,
                "quantisation_error": quantisation_error(self.image, kept),
                "gelbrich_w2_squared": gelbrich_squared(self.image, kept),
                "bures_w2_squared": bures,
                "trace_objective": trace,
                "duality_gap": transport.duality_gap,
            }
        return dict(self._distances[key])

    def values(self, indices: Array) -> dict[str, float]:
        r"""Return every rung of a kept set, and the term that the step from rung 2 to rung 3 drops.

        Parameters
        ----------
        indices : array [k]
            Positions of the kept tokens, distinct.

        Returns
        -------
        dict
            What :meth:`distances` returns, with ``kept_second_moment`` (:math:`\mathrm{tr} \Sigma_C`, squared
            unit), ``logdet_same_tokens`` and ``logdet``.

        Raises
        ------
        InputError, ConvergenceError
            As for :meth:`distances`.
        """
        kept = check_indices(indices, len(self.tokens))
        factor = self.factor(len(kept))
        return self.distances(kept) | {
            "kept_second_moment": float(np.mean(np.sum(self.tokens[kept] ** 2, axis=1))),
            "logdet_same_tokens": self._scaled_gram.value(kept, factor),
            "logdet": self.released.value(kept, factor),
        }

    @cached_property
    def released(self) -> GramLogdet:
        """The surrogate of the released code on these tokens (rung 5), for any factor."""
        return GramLogdet(self._given.normalised("columns"))

    @cached_property
    def _scaled_gram(self) -> GramLogdet:
        if self.normalise == "columns":
            return self.released
        tokens = of_unit_size(self.tokens)
        norm = float(np.linalg.norm(tokens))
        factor = np.sqrt(tokens.shape[1]) / norm if norm else 1.0
        return GramLogdet(Image.of_checked(tokens * factor))
