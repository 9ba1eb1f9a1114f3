"""Greedy picks on matrices between tokens: the one loop of the methods that look at rows of a matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from array_api_compat import array_namespace, device

from otanalysis.arrays import Array


class Absorb(Protocol):
    """What becomes of the state of every token when one is picked."""

    def __call__(self, state: Array, rows: Array, step: int) -> Array:
        """Return the state [images, m] after the pick of a step, whose rows are ``rows`` [images, m]."""


def pick_greedily(
    matrices: Array,
    keep: int,
    state: Array,
    *,
    gain: Callable[[Array, int], Array],
    absorb: Absorb,
    rounding: float = 0.0,
) -> tuple[Array, Array]:
    """Pick the token of the largest gain, ``keep`` times; ties go to the lowest index, none is picked twice.

    No Python branch depends on a value, so that an accelerator is never waited for.

    Parameters
    ----------
    matrices : array [images, m, m]
        Symmetric; NumPy or torch.
    keep : int
        In ``1..m``.
    state : array [images, m]
        What is known of every token before the first pick.
    gain : callable
        From the state and the number of picks before, to the gain of every token [images, m]. What it adds up
        must not be added in another order when there are more images, or ties that rounding decides would go
        one way alone and another in a stack.
    absorb : Absorb
        Changes the state by a pick.
    rounding : float
        By which gains that are equal may differ: the first of those so near the largest is picked.

    Returns
    -------
    pick_order : array [images, keep], int64
    gains : array [images, keep], float64
        Of every pick at its time.
    """
    xp, where = array_namespace(matrices), device(matrices)
    images, m = matrices.shape[:2]
    every = xp.arange(images, device=where)
    order = xp.zeros((images, keep), dtype=xp.int64, device=where)
    gains = xp.zeros((images, keep), dtype=xp.float64, device=where)
    taken = xp.zeros((images, m), dtype=xp.float64, device=where)
    for step in range(keep):
        worth = gain(state, step)
        left = worth + taken
        if rounding > 0.0:
            nearly = left >= xp.max(left, axis=1, keepdims=True) - rounding
            left = xp.astype(nearly, xp.int8)
        pick = xp.argmax(left, axis=1)
        order[:, step] = pick
        gains[:, step] = worth[every, pick]
        state = absorb(state, matrices[every, pick, :], step)
        taken[every, pick] = -xp.inf
    return order, gains


def of_each_image(make: Callable[[Array], Array], matrices: Array) -> Array:
    """Return ``make`` of the matrix of each image, stacked: with the additions of one image alone."""
    return array_namespace(matrices).stack([make(matrices[image, ...]) for image in range(len(matrices))])
