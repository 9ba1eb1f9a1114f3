r"""A search for the instance on which greedy does worst.

Every kernel with eigenvalues of at least one is :math:`I + P` with :math:`P \succeq 0`, and so the paper's kernel
of some tokens: those with Gram matrix :math:`(P / \gamma)^{1/2}`. Two ways of writing such kernels are searched
all the same, since a search finds other instances in other coordinates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from otanalysis.surrogate.kernel import otprune_kernel
from otanalysis.theorem.check import Tally
from otanalysis.theorem.greedy import GUARANTEE, RATIO_TOLERANCE, Greedy, greedy_ratios, released_greedy
from otanalysis.theorem.setfunctions import Masks, best_by_size, logdet_table
from otanalysis.transport.cost import FloatArray

__all__ = ["Arena", "GreedyUnderAttack", "greedy_masks", "kernel_of"]

RELEASED_GAMMA = 0.01
FORMS = ("tokens", "factor")

# A step that succeeds is lengthened and one that fails shortened so that one success in five keeps the
# length (Rechenberg's rule): 1.5 * 0.9036**4 = 1.
_LENGTHEN = 1.5
_SHORTEN = _LENGTHEN**-0.25
_SHARE_MOVED = 0.3
_EXCHANGES = 4


@dataclass(frozen=True)
class Arena:
    """Where and how long to search.

    Attributes
    ----------
    form : {"tokens", "factor"}
        ``tokens``: tokens [m, d], columns normalised, the released gamma. ``factor``: ``I + A A'`` with ``A``
        [m, d].
    m, d : int
        Shape of what is searched.
    climbers, steps : int
        Points that climb side by side, and steps of each.
    seed : int
    """

    form: str
    m: int
    d: int
    climbers: int
    steps: int
    seed: int

    @property
    def label(self) -> str:
        """Form, shape and seed."""
        return f"search over {self.form} {self.m} x {self.d}, seed {self.seed}"


def kernel_of(form: str, matrix: FloatArray) -> FloatArray:
    """Return the kernel [m, m] of a point [m, d] of the search.

    Parameters
    ----------
    form : {"tokens", "factor"}
        As in :class:`Arena`.
    matrix : ndarray [m, d]
    """
    if form == "tokens":
        return np.asarray(otprune_kernel(matrix, gamma=RELEASED_GAMMA, normalise="columns"))
    return np.asarray(np.eye(len(matrix)) + matrix @ matrix.T)


def greedy_masks(tables: FloatArray) -> Masks:
    """Run greedy by definition on tables of set functions [n, 2**m]; return its sets of 1..m items [n, m]."""
    m = tables.shape[-1].bit_length() - 1
    items = 1 << np.arange(m, dtype=np.int64)
    masks = np.zeros((len(tables), 1), dtype=np.int64)
    for _ in range(m):
        longer = masks[:, -1:] | items
        values = np.take_along_axis(tables, longer, axis=-1)
        values[longer == masks[:, -1:]] = -np.inf
        best = np.argmax(values, axis=-1)[:, None]
        masks = np.concatenate([masks, np.take_along_axis(longer, best, axis=-1)], axis=-1)
    return masks[:, 1:]


@dataclass(frozen=True)
class GreedyUnderAttack:
    """Greedy keeps its guarantee on the worst instances that a search finds.

    The search climbs on greedy by definition, on many points at once; what it found is then given to the
    greedy under test, and that ratio counts.

    Parameters
    ----------
    rule : callable
        Greedy by definition on tables, as :func:`greedy_masks`: what the search climbs on.
    greedy : callable
        The greedy under test.
    """

    rule: Callable[[FloatArray], Masks] = greedy_masks
    greedy: Greedy = released_greedy

    def __call__(self, instance: Arena) -> Tally:
        """Return the margin of every climber's best instance; the witness is the worst point [m, d]."""
        points = _climb(instance, self.rule)
        ratios = [float(greedy_ratios(kernel_of(instance.form, one), self.greedy).min()) for one in points]
        witness = (instance, points[int(np.argmin(ratios))])
        return Tally.of(np.array(ratios) - GUARANTEE, RATIO_TOLERANCE, witness=witness)


def _climb(arena: Arena, rule: Callable[[FloatArray], Masks]) -> FloatArray:
    """Return the worst point [m, d] that each climber met."""
    generator = np.random.default_rng(arena.seed)
    shape = (arena.climbers, arena.m, arena.d)
    # Kernels between almost linear and almost volume: the hard ones lie in between.
    points = generator.standard_normal(shape) * 10.0 ** generator.uniform(-1.0, 1.0, (arena.climbers, 1, 1))
    ratios = _ratios(arena.form, points, rule)
    lengths = np.full(arena.climbers, 0.3)
    for step in range(arena.steps):
        moved = generator.random(shape) < _SHARE_MOVED
        size = lengths[:, None, None] * np.sqrt(np.mean(points**2, axis=(1, 2), keepdims=True))
        trial = points + moved * size * generator.standard_normal(shape)
        reached = _ratios(arena.form, trial, rule)
        better = reached <= ratios
        points = np.where(better[:, None, None], trial, points)
        ratios = np.where(better, reached, ratios)
        lengths = np.clip(lengths * np.where(better, _LENGTHEN, _SHORTEN), 1e-6, 1.0)
        if (step + 1) % (arena.steps // _EXCHANGES + 1) == 0:
            # The lower half starts again from the upper half, with long steps.
            order = np.argsort(ratios)
            half = arena.climbers // 2
            points[order[-half:]], ratios[order[-half:]] = points[order[:half]], ratios[order[:half]]
            lengths[order[-half:]] = 0.3
    return points


def _ratios(form: str, points: FloatArray, rule: Callable[[FloatArray], Masks]) -> FloatArray:
    """Return the worst ratio of each point over all numbers of items."""
    tables = logdet_table(_kernels(form, points))
    best = best_by_size(tables)[0][:, 1:]
    reached = np.take_along_axis(tables, rule(tables), axis=-1)
    nothing = best <= RATIO_TOLERANCE
    return np.asarray(np.where(nothing, 1.0, reached / np.where(nothing, 1.0, best)).min(axis=-1))


def _kernels(form: str, points: FloatArray) -> FloatArray:
    """Return :func:`kernel_of` for many points at once."""
    m = points.shape[1]
    if form == "factor":
        return np.asarray(np.eye(m) + points @ points.swapaxes(1, 2))
    norms = np.linalg.norm(points, axis=1, keepdims=True)
    unit = points / np.where(norms > 0, norms, 1.0)
    gram = unit @ unit.swapaxes(1, 2)
    return np.asarray(np.eye(m) + RELEASED_GAMMA * (gram @ gram))

