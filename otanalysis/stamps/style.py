"""What a style of scenes decides: sizes, backdrops, and what is done to the photographs of objects.

:mod:`otanalysis.stamps.smooth` and :mod:`otanalysis.stamps.natural` have one each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from PIL import Image

UPRIGHT: Final = "sign"
"""The kind that is never mirrored, since one reads it."""

SMALLEST_PHOTOGRAPH: Final = 230
"""Shorter side of the smallest photograph that may lie behind a scene, in pixels."""


class Scenery(Protocol):
    """What lies behind the objects."""

    def paint(self) -> Image.Image:
        """Return it as an RGB picture of the size of a scene."""


class Look(Protocol):
    """What is done to the photograph of an object."""

    def paste(self, canvas: Image.Image, cutout: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
        """Paint a photograph into a box (x, y, width, height); return its opacity in the box (mode L)."""


class Stage(Protocol):
    """What all objects of one scene share."""

    @property
    def backdrop(self) -> Scenery:
        """What lies behind them."""

    def draw_look(self, generator: np.random.Generator, kind: str, width: int, height: int) -> Look:
        """Draw the look of an object of a kind, in pixels so large."""


class Sizes(Protocol):
    """Longer sides of the objects of one scene, in pixels."""

    @property
    def smallest(self) -> float:
        """What an object shrinks to at most where room is scarce."""

    def draw(self, generator: np.random.Generator) -> float:
        """Draw the size of one object."""


class Style(Protocol):
    """A family of scenes; its draws come in a fixed order."""

    def sizes(self, count: int) -> Sizes:
        """Return the sizes for scenes of so many objects."""

    def draw_stage(self, generator: np.random.Generator) -> Stage:
        """Draw what all objects of a scene share."""


@dataclass(frozen=True)
class Photograph:
    """A photograph on disk; ``size`` is its width and height in pixels."""

    file: Path
    size: tuple[int, int]


@dataclass(frozen=True)
class Crop:
    """A square of a photograph: upper left corner and side, in its pixels."""

    photograph: Photograph
    x: int
    y: int
    side: int

    @classmethod
    def draw(cls, generator: np.random.Generator, photographs: Sequence[Photograph], smallest: int) -> Crop:
        """Draw a photograph and a square in it, whose side is ``smallest`` at least."""
        chosen = photographs[int(generator.integers(len(photographs)))]
        side = int(generator.integers(smallest, min(chosen.size) + 1))
        x, y = (int(generator.integers(length - side + 1)) for length in chosen.size)
        return cls(chosen, x, y, side)

    def resized(self, side: int, filter_: Image.Resampling) -> Image.Image:
        """Return the square with another side."""
        box = (self.x, self.y, self.x + self.side, self.y + self.side)
        return _decoded(self.photograph.file).crop(box).resize((side, side), filter_)


@lru_cache(maxsize=16)
def _decoded(file: Path) -> Image.Image:
    with Image.open(file) as picture:
        return picture.convert("RGB")


def draw_mirrored(generator: np.random.Generator, kind: str) -> bool:
    """Draw whether an object is mirrored; nothing is drawn for what is read."""
    return kind != UPRIGHT and bool(generator.random() < 0.5)


def mirrored(picture: Image.Image) -> Image.Image:
    """Return a picture with left and right exchanged."""
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
