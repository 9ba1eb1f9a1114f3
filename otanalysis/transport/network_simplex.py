"""POT's network simplex: its warnings made errors, and no thread held up by another."""

from __future__ import annotations

import warnings
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from otanalysis.arrays import FloatArray
from otanalysis.errors import ConvergenceError

if TYPE_CHECKING:
    from scipy.sparse import coo_array


class _Hushed:
    """UserWarning unheard in a ``with`` block that several threads may be in at once.

    The filters of warnings belong to all threads, and two that set and restore them at once would leave them
    changed: the first one in sets them, the last one out restores them, and POT, which lets go of the
    interpreter while it solves, is not held up meanwhile.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.simplefilter("ignore", UserWarning)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._filters.__exit__(None, None, None)


_HUSHED = _Hushed()


def network_simplex(
    cost: FloatArray | coo_array, a: FloatArray, b: FloatArray, max_pivots: int
) -> tuple[FloatArray, FloatArray]:
    """Return an optimal plan [m, k] between masses [m] and [k], and prices of the columns [k].

    Parameters
    ----------
    cost : ndarray or sparse array [m, k]
        Of size one: reduced costs are compared with an absolute threshold. Entries that a sparse array lacks
        carry nothing.
    a, b : ndarray [m] and ndarray [k]
        The masses.
    max_pivots : int
        Pivots before giving up.

    Raises
    ------
    ConvergenceError
        If the solver stopped early.
    """
    # POT loads torch and scikit-learn where they are installed; importing otanalysis must not.
    import ot

    with _HUSHED:
        # POT only warns when it gives up. That warning is raised as an error below, from the result code.
        plan, log = ot.emd(a, b, cost, numItermax=max_pivots, log=True)
    if log["warning"] is not None:
        m, k = cost.shape
        raise ConvergenceError(
            f"Exact transport of {m} tokens to {k} kept ones was wanted, but the solver stopped early "
            f"({str(log['warning']).split('.')[0]}): check that cost holds squared distances, "
            f"or raise otanalysis.transport.exact.MAX_PIVOTS (now {max_pivots})."
        )
    return plan if isinstance(plan, np.ndarray) else plan.toarray(), np.asarray(log["v"])
