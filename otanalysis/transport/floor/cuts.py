r"""Capacity cuts: what a whole number of kept tokens can serve of a group of tokens.

In units of tokens every kept token serves :math:`q = m/k` of them. Let :math:`g_{ij} \in [0, 1]` be the share
of token :math:`i` that kept token :math:`j` serves and :math:`y_j \in \{0, 1\}` say whether :math:`j` is
kept. For a group :math:`A` of tokens and a group :math:`B` of possible kept ones let
:math:`|A| = q f + q r` with a whole number :math:`f` and a rest :math:`0 \leq r < 1`, and let :math:`n =
\sum_{j \in B} y_j`. What :math:`B` serves of :math:`A` is at most :math:`|A|` and at most :math:`q n`. If
:math:`n \geq f + 1` then :math:`|A| \leq |A| + q r (n - f - 1)`, and if :math:`n \leq f` then
:math:`q n \leq |A| - q r (f + 1 - n)`, since :math:`|A| - q r (f + 1 - n) - q n = (1 - r) q (f - n) \geq 0`.
So for every whole :math:`n`

.. math:: \sum_{i \in A, j \in B} g_{ij} - q r \sum_{j \in B} y_j \leq q f (1 - r).

This is the residual capacity inequality of network design (Magnanti, Mirchandani and Vachani, 1993). Without
it a relaxation may keep 1.56 tokens for a group of 16 tokens where :math:`q = 10.3`; with it the relaxation
knows that with one kept token 5.7 are served from elsewhere, and with two, that 4.6 of elsewhere must fill
the second.

Tokens of other weights are so many tokens, :math:`s_i = m w_i`: all of the above holds with amounts
:math:`0 \leq f_{ij} \leq s_i` in place of the shares, and with :math:`|A| = \sum_{i \in A} s_i`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from otanalysis.arrays import BoolArray, FloatArray, IntArray

# A group whose size is a multiple of q up to this share gives a cut that cannot be violated.
_LEAST_REST = 1e-9
# A cluster is worth a cut if its neighbours are farther than its own members by this factor: groups that
# differ by one token give nearly the same cut, and nearly equal cuts slow the ascent down.
_LEAST_PERSISTENCE = 1.2
_LEAST_VIOLATION = 0.02  # tokens


@dataclass(frozen=True, eq=False)
class CapacityCuts:
    """Some capacity cuts of one image.

    Attributes
    ----------
    served : ndarray [c, m], bool
        The group ``A`` of every cut.
    keepers : ndarray [c, m], bool
        The group ``B`` of every cut.
    capacity : float
        Tokens that one kept token serves, ``q = m / k``.
    sizes : ndarray [m], optional
        How many tokens each one is: its weight over the mean weight; by default one.

    Examples
    --------
    >>> len(CapacityCuts.none(m=6, keep=2)), CapacityCuts.none(m=6, keep=2).capacity
    (0, 3.0)
    """

    served: BoolArray
    keepers: BoolArray
    capacity: float
    sizes: FloatArray | None = None

    @classmethod
    def none(cls, m: int, keep: int, sizes: FloatArray | None = None) -> CapacityCuts:
        """Return no cuts, of an image of ``m`` tokens of which ``keep`` are kept."""
        nobody = np.zeros((0, m), dtype=np.bool_)
        return cls(nobody, nobody, m / keep, sizes)

    def __len__(self) -> int:
        """Return the number of cuts."""
        return len(self.served)

    @cached_property
    def _share(self) -> FloatArray:
        """Size of every group, in kept tokens [c]."""
        return group_sizes(self.served, self.sizes) / self.capacity

    @cached_property
    def rest(self) -> FloatArray:
        """The rest ``r`` of every group, in kept tokens [c]."""
        return np.asarray(self._share - np.floor(self._share))

    @cached_property
    def limit(self) -> FloatArray:
        """Right-hand sides ``q f (1 - r)`` [c], in tokens."""
        return np.asarray(self.capacity * np.floor(self._share) * (1.0 - self.rest))

    @cached_property
    def _rebates(self) -> FloatArray:
        return np.asarray(self.capacity * self.rest[:, None] * self.keepers)

    def surcharge(self, multipliers: FloatArray) -> FloatArray:
        """Return what the multipliers [c] add to the cost of keeping ``j`` (row) to serve ``i`` [m, m]."""
        priced = multipliers > 0.0
        # Tokens that are in the same groups get the same: there are about a hundred kinds.
        first_keeper, keeper_kind = distinct_columns(self.keepers[priced])
        first_token, token_kind = distinct_columns(self.served[priced])
        keepers = self.keepers[priced][:, first_keeper] * multipliers[priced, None]
        of_kinds = keepers.T @ self.served[priced][:, first_token].astype(np.float64)
        return np.asarray(of_kinds[keeper_kind].take(token_kind, axis=1))

    def rebate(self, multipliers: FloatArray) -> FloatArray:
        """Return what the multipliers [c] take off the cost of keeping every token [m]."""
        return np.asarray(multipliers @ self._rebates)

    def take(self, which: IntArray) -> CapacityCuts:
        """Return some of the cuts."""
        return CapacityCuts(self.served[which], self.keepers[which], self.capacity, self.sizes)

    def join(self, other: CapacityCuts) -> CapacityCuts:
        """Return these cuts and the others behind them."""
        return CapacityCuts(
            np.vstack([self.served, other.served]),
            np.vstack([self.keepers, other.keepers]),
            self.capacity,
            self.sizes,
        )


def group_sizes(groups: BoolArray, sizes: FloatArray | None) -> FloatArray:
    """Return how many tokens groups [c, m] are, of the given sizes [m] or of one each."""
    return np.asarray(groups.sum(axis=1) if sizes is None else groups @ sizes, dtype=np.float64)


def distinct_columns(groups: BoolArray) -> tuple[IntArray, IntArray]:
    """Give the distinct columns of groups [c, m] a number each.

    Returns
    -------
    first : ndarray [n]
        Where each is met first.
    kind : ndarray [m]
        Which of them every column is.
    """
    bits = np.ascontiguousarray(np.packbits(groups, axis=0).T)
    if not bits.size:
        return np.zeros(1, dtype=np.int64), np.zeros(groups.shape[1], dtype=np.int64)
    keys = bits.view(np.dtype((np.void, bits.shape[1])))[:, 0]
    _, first, kind = np.unique(keys, return_index=True, return_inverse=True)
    return first, kind


def dendrogram(cost: FloatArray) -> tuple[BoolArray, FloatArray, FloatArray]:
    """Cluster the tokens by average linkage of their distances.

    Parameters
    ----------
    cost : ndarray [m, m]
        Squared distances.

    Returns
    -------
    groups : ndarray [m - 1, m], bool
        Every cluster, in the order of merging; the last holds all tokens.
    persistence : ndarray [m - 1]
        Height at which a cluster is merged into a larger one, over its own height; infinite for the last and
        for clusters of duplicates.
    linkage : ndarray [m - 1, 4]
        As SciPy returns it.
    """
    from scipy.cluster.hierarchy import linkage as average_linkage
    from scipy.spatial.distance import squareform

    m = len(cost)
    tree = np.asarray(average_linkage(np.sqrt(squareform(cost, checks=False)), "average"))
    groups = np.zeros((m - 1, m), dtype=np.bool_)
    above = np.full(m - 1, np.inf)
    for row, (left, right) in enumerate(tree[:, :2].astype(np.int64)):
        for child in (left, right):
            if child < m:
                groups[row, child] = True
            else:
                groups[row] |= groups[child - m]
                above[child - m] = tree[row, 2]
    own = tree[:, 2]
    persistence = np.divide(above, own, out=np.full(m - 1, np.inf), where=own > 0)
    return groups, persistence, tree


def cluster_cuts(
    groups: BoolArray, persistence: FloatArray, keep: int, sizes: FloatArray | None = None
) -> CapacityCuts:
    """Return the cuts of the well-separated clusters, each with itself as keepers.

    Parameters
    ----------
    groups, persistence
        From :func:`dendrogram`.
    keep : int
        Number of kept tokens.
    sizes : ndarray [m], optional
        Of the tokens, as in :class:`CapacityCuts`.

    Returns
    -------
    CapacityCuts
        Of the clusters that more than one kept token must serve, but not a whole number of them.
    """
    capacity = groups.shape[1] / keep
    share = group_sizes(groups, sizes) / capacity
    rest = share - np.floor(share)
    wanted = (share > 1.0) & (rest > _LEAST_REST) & (rest < 1.0 - _LEAST_REST)
    chosen = groups[wanted & (persistence >= _LEAST_PERSISTENCE)]
    return CapacityCuts(chosen, chosen, capacity, sizes)


def violated_cuts(
    groups: BoolArray, shares: FloatArray, kept: FloatArray, most: int, sizes: FloatArray | None = None
) -> CapacityCuts:
    r"""Return the cuts that a fractional plan violates the most, with these groups as keepers.

    For keepers ``B`` with :math:`n = f + \varphi` kept tokens among them, a token raises the violation if
    more than the share :math:`\varphi` of it is served by ``B``; so the worst group ``A`` is exactly the
    tokens of which that holds.

    Parameters
    ----------
    groups : ndarray [b, m], bool
        Candidate groups of keepers.
    shares : ndarray [m, m]
        Share of token ``i`` (row) that ``j`` serves.
    kept : ndarray [m]
        Share to which each token is kept; sums to the number of kept tokens.
    most : int
        Number of cuts returned at most.
    sizes : ndarray [m], optional
        Of the tokens, as in :class:`CapacityCuts`.

    Returns
    -------
    CapacityCuts
        The most violated first.
    """
    m = len(kept)
    capacity = m / float(kept.sum())
    # With less than one kept token in a group, no token can be served by it more than that: no violation.
    groups = groups[groups @ kept >= 1.0]
    members = groups.astype(np.float64)
    number = members @ kept
    whole = np.floor(number)
    part = number - whole
    served_by = members @ shares.T
    served = served_by > part[:, None]
    over = np.where(served, served_by - part[:, None], 0.0)
    violation = (over.sum(axis=1) if sizes is None else over @ sizes) - capacity * whole * (1.0 - part)
    share = group_sizes(served, sizes) / capacity
    fits = (share > whole) & (share < whole + 1.0) & (violation > _LEAST_VIOLATION)
    order = np.flatnonzero(fits)[np.argsort(-violation[fits], kind="stable")][:most]
    return CapacityCuts(served[order], groups[order], capacity, sizes)
