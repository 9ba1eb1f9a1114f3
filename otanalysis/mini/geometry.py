"""Sizes, colours and places that scenes, questions and the training recipe share."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

PATCH: Final = 8
"""Side of a patch in pixels; one visual token per patch."""

GRID: Final = 24
"""Patches along a side: 24 x 24 = 576 tokens, as in LLaVA-1.5."""

SIZES: Final = (3, 4, 6)
"""Sides of objects, in patches. Objects lie on the patch lattice, so that a very small ViT can read them."""

PALETTE: Final[dict[str, tuple[int, int, int]]] = {
    "red": (230, 60, 50),
    "green": (60, 200, 80),
    "blue": (80, 120, 250),
    "yellow": (240, 220, 60),
    "magenta": (220, 80, 220),
    "cyan": (70, 215, 220),
}
COLOURS: Final = tuple(PALETTE)
SHAPES: Final = ("circle", "square", "triangle", "diamond", "cross")
PLACES: Final = (
    "top-left",
    "top",
    "top-right",
    "left",
    "centre",
    "right",
    "bottom-left",
    "bottom",
    "bottom-right",
)
"""The nine cells of 8 x 8 patches, row by row."""


def shape_mask(name: str, size: int) -> NDArray[np.uint8]:
    """Opacity of a filled shape of ``size`` patches, ``uint8`` of shape ``[8 * size, 8 * size]``."""
    side = PATCH * size
    axis = (np.arange(side) + 0.5) / side * 2 - 1
    y, x = axis[:, None], axis[None, :]
    inside = {
        "circle": x**2 + y**2 < 0.75,
        "square": np.maximum(abs(x), abs(y)) < 0.75,
        "triangle": (abs(x) < (y + 0.85) / 1.9) & (y < 0.8),
        "diamond": abs(x) + abs(y) < 0.95,
        "cross": (np.minimum(abs(x), abs(y)) < 0.25) & (np.maximum(abs(x), abs(y)) < 0.85),
    }[name]
    return (inside * 255).astype(np.uint8)
