"""Wrong things on purpose: what the controls put in the place of the right ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from otanalysis.arrays import Array, FloatArray, IntArray
from otanalysis.surrogate import logdet_value, paper_objective
from otanalysis.theorem.exact_arithmetic import ExactKernel, Subsets, determinants, load_flint
from otanalysis.theorem.instances import KeptSet
from otanalysis.theorem.setfunctions import logdet_table, subset_sizes
from otanalysis.transport import ExactTransport, gelbrich_squared, trace_objective

# Small enough that a slack check would let it pass.
_SHIFT = 1e-6


def supermodular_table(matrix: FloatArray) -> FloatArray:
    """Return a supermodular set function: the log-determinant with its sign changed."""
    return -logdet_table(matrix)


def supermodular_value(matrix: Array, indices: Array) -> float:
    """Return one value of the supermodular function."""
    return -logdet_value(matrix, indices)


def shrunk_table(matrix: FloatArray) -> FloatArray:
    """Return a log-determinant that isn't monotone: a quarter of the matrix has eigenvalues below one."""
    return logdet_table(matrix / 4.0)


def shrunk_value(matrix: Array, indices: Array) -> float:
    """Return one value of the log-determinant that isn't monotone."""
    return logdet_value(matrix / 4.0, indices)


def twice_the_identity(tokens: FloatArray, gamma: float, weights: FloatArray) -> float:
    """Return a surrogate with ``2 I`` for the identity: not zero for the empty set."""
    cross = tokens @ tokens.T
    return float(np.linalg.slogdet(2.0 * np.eye(len(tokens)) + gamma * (cross.T * weights) @ cross)[1])


def longest_first(kernel: FloatArray, keep: int) -> tuple[IntArray, FloatArray]:
    """Run a greedy that never updates its residuals: it keeps the largest entries of the diagonal."""
    diagonal = np.diagonal(kernel)
    order = np.argsort(-diagonal, kind="stable")[:keep]
    return order.astype(np.int64), np.log(diagonal[order])


def longest_comparisons(m: int, keep: int) -> list[IntArray]:
    """Return what the greedy without updates compares: each item left, alone."""
    return [np.arange(step, m)[:, None] for step in range(keep)]


def forgetful_greedy(kernel: FloatArray, keep: int) -> tuple[IntArray, FloatArray]:
    """Run a greedy whose new Cholesky row forgets the rows before it."""
    residual = np.diagonal(kernel).astype(np.float64)
    order, gains = np.zeros(keep, dtype=np.int64), np.zeros(keep)
    taken = np.zeros(len(kernel))
    for step in range(keep):
        pick = int(np.argmax(residual + taken))
        order[step], gains[step] = pick, np.log(residual[pick])
        residual = np.maximum(residual - kernel[pick] ** 2 / residual[pick], 1.0)
        taken[pick] = -np.inf
    return order, gains


def shifted_transport(instance: KeptSet) -> ExactTransport:
    """Return the exact transport with potentials a millionth of the largest cost too high."""
    found = instance.transport
    u, v = found.potentials
    shift = _SHIFT * (float(instance.cloud.image.squared_distances.max()) or 1.0)
    return replace(found, potentials=(u + shift, v))


def unsquared_quantisation(instance: KeptSet) -> float:
    """Return the mean distance to the nearest kept token where the squared one is meant."""
    return float(np.sqrt(instance.cloud.image.squared_distances[:, instance.kept].min(axis=1)).mean())


def gelbrich_without_two(instance: KeptSet) -> float:
    """Return rung 1 with the cross term taken once in place of twice."""
    tokens, kept = instance.cloud.tokens, instance.kept
    centred, kept_centred = tokens - tokens.mean(axis=0), tokens[kept] - tokens[kept].mean(axis=0)
    spread = float(np.mean(np.sum(centred**2, axis=1)) + np.mean(np.sum(kept_centred**2, axis=1)))
    return (gelbrich_squared(instance.cloud.image, kept) + _mean_shift(instance) + spread) / 2.0


def gelbrich_without_means(instance: KeptSet) -> float:
    """Return rung 1 without the distance of the means."""
    return gelbrich_squared(instance.cloud.image, instance.kept) - _mean_shift(instance)


def with_constant_trace(instance: KeptSet) -> float:
    r"""Return rung 2 as if :math:`\mathrm{tr} \Sigma_C` were :math:`\mathrm{tr} \Sigma` for every set."""
    every = float(np.mean(np.sum(instance.cloud.tokens**2, axis=1)))
    return 2.0 * every - 2.0 * trace_objective(instance.cloud.image, instance.kept)


def surrogate_without_count(instance: KeptSet) -> float:
    """Return the surrogate with gamma over ``m`` where gamma over ``m k`` is meant."""
    gamma = instance.gamma * len(instance.kept)
    return paper_objective(instance.cloud.tokens, instance.kept, gamma=gamma, normalise="none")


def supermodular_determinants(kernel: ExactKernel) -> Subsets:
    """Return the whole numbers ``2**(size**2)``, whose logarithm is supermodular."""
    sizes = subset_sizes(len(kernel.entries))
    return Subsets([load_flint().fmpz(1) << int(size) ** 2 for size in sizes], 0)


def shrunk_determinants(kernel: ExactKernel) -> Subsets:
    """Return the determinants of a quarter of the kernel."""
    exact = determinants(kernel)
    return Subsets(exact.values, exact.shift + 2)


def three_quarters() -> Any:
    """Return a ball around 3/4, less than the constant of the square-root bound."""
    return load_flint().arb(3) / 4


def _mean_shift(instance: KeptSet) -> float:
    tokens = instance.cloud.tokens
    return float(np.sum((tokens.mean(axis=0) - tokens[instance.kept].mean(axis=0)) ** 2))
