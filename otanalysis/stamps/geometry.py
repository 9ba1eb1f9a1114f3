"""Sizes and places that scenes, questions and painting share, all in pixels."""

from __future__ import annotations

from typing import Final

SIDE: Final = 336
"""Side of a picture."""

PATCH: Final = 14
"""Side of a patch; one visual token a patch."""

GRID: Final = SIDE // PATCH
"""Patches along a side: 24 x 24 = 576 tokens."""

CELL: Final = SIDE // 3
"""Side of each of the nine cells."""

CELLS: Final = (
    *("top left", "top center", "top right"),
    *("middle left", "center", "middle right"),
    *("bottom left", "bottom center", "bottom right"),
)
"""The nine cells, row by row."""

BORDER: Final = 9
"""Nearer to the border of a cell the centre of an object is in no cell that can be asked about."""
