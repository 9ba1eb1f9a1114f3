"""Paint composed scenes of stamps, and say how much of every patch objects cover."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from otanalysis.arrays import FloatArray
from otanalysis.stamps.geometry import GRID, PATCH, SIDE
from otanalysis.stamps.objects import ObjectBank
from otanalysis.stamps.scenes import StampScene


def paint(scene: StampScene, bank: ObjectBank) -> tuple[NDArray[np.uint8], FloatArray]:
    """Paint a scene.

    Parameters
    ----------
    scene
        What to paint.
    bank
        The photographs with which it was composed.

    Returns
    -------
    picture : array, shape ``[336, 336, 3]``, uint8
        RGB.
    covered : array, shape ``[576]``
        Share of every patch that objects cover, between 0 and 1, row by row.
    """
    canvas = scene.backdrop.paint()
    bare = np.ones((SIDE, SIDE))
    for thing in scene.objects:
        cutout = bank.cutouts[thing.name][thing.photograph]
        opacity = thing.look.paste(canvas, cutout, (thing.x, thing.y, thing.width, thing.height))
        box = slice(thing.y, thing.y + thing.height), slice(thing.x, thing.x + thing.width)
        bare[box] *= 1 - np.asarray(opacity) / 255
    patches = bare.reshape(GRID, PATCH, GRID, PATCH).mean(axis=(1, 3))
    return np.asarray(canvas), 1 - patches.ravel()
