"""Compose scenes: which objects lie where, and the picture of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from otanalysis.mini.digits import DigitBank
from otanalysis.mini.geometry import COLOURS, GRID, PALETTE, PATCH, SHAPES, SIZES, shape_mask


@dataclass(frozen=True)
class SceneObject:
    """A digit or a shape; ``row``, ``column`` (of its upper left corner) and ``size`` are in patches."""

    label: str
    colour: str
    size: int
    row: int
    column: int

    @property
    def is_digit(self) -> bool:
        """Whether the object is a handwritten digit."""
        return self.label.isdigit()

    @property
    def cell(self) -> int | None:
        """The one of nine 8 x 8-patch cells that holds the whole object, or None if it crosses a border."""
        third = GRID // 3
        first = (self.row // third, self.column // third)
        last = ((self.row + self.size - 1) // third, (self.column + self.size - 1) // third)
        return first[0] * 3 + first[1] if first == last else None


@dataclass(frozen=True)
class Scene:
    """The objects of a square scene of ``grid`` x ``grid`` patches."""

    objects: tuple[SceneObject, ...]
    grid: int = GRID

    @property
    def digits(self) -> tuple[SceneObject, ...]:
        """The handwritten digits among the objects."""
        return tuple(thing for thing in self.objects if thing.is_digit)

    @property
    def shapes(self) -> tuple[SceneObject, ...]:
        """The shapes among the objects."""
        return tuple(thing for thing in self.objects if not thing.is_digit)

    @property
    def covered(self) -> NDArray[np.bool_]:
        """Whether a patch lies in the square of an object [grid * grid], row by row."""
        patches = np.zeros((self.grid, self.grid), dtype=np.bool_)
        for thing in self.objects:
            patches[thing.row : thing.row + thing.size, thing.column : thing.column + thing.size] = True
        return patches.ravel()


def _label(generator: np.random.Generator, shape_share: float) -> str:
    if generator.random() < shape_share:
        return str(generator.choice(SHAPES))
    return str(generator.integers(10))


def _scatter(generator: np.random.Generator) -> Scene:
    """6 to 10 objects (fewer where no room is left) anywhere; the share of digits varies between scenes."""
    wanted = int(generator.integers(6, 11))
    shape_share = generator.uniform(0.0, 0.8)
    free = np.ones((GRID, GRID), dtype=bool)
    objects: list[SceneObject] = []
    for size in sorted(generator.choice(SIZES, size=wanted), reverse=True):
        for _ in range(30):
            row, column = (int(x) for x in generator.integers(0, GRID - size + 1, size=2))
            box = (slice(row, row + size), slice(column, column + size))
            if free[box].all():
                free[box] = False
                label, colour = _label(generator, shape_share), str(generator.choice(COLOURS))
                objects.append(SceneObject(label, colour, int(size), row, column))
                break
    return Scene(tuple(objects))


def _cells(generator: np.random.Generator) -> Scene:
    """6 to 9 objects, each within a cell of its own of the 3 x 3 places."""
    third = GRID // 3
    cells = generator.permutation(9)[: int(generator.integers(6, 10))]
    objects = []
    for cell in cells:
        size = int(generator.choice(SIZES))
        row, column = (int(x) for x in generator.integers(0, third - size + 1, size=2))
        row, column = row + third * int(cell // 3), column + third * int(cell % 3)
        label, colour = _label(generator, 0.25), str(generator.choice(COLOURS))
        objects.append(SceneObject(label, colour, size, row, column))
    return Scene(tuple(objects))


def _row(generator: np.random.Generator) -> Scene:
    """3 to 5 digits, one in each vertical strip, at any height; every other strip may hold a shape too."""
    count = int(generator.integers(3, 6))
    width = GRID // count
    objects = []
    for strip in range(count):
        size = int(generator.choice([s for s in SIZES if s <= width]))
        row = int(generator.integers(0, GRID - size + 1))
        column = strip * width + int(generator.integers(0, width - size + 1))
        objects.append(
            SceneObject(str(generator.integers(10)), str(generator.choice(COLOURS)), size, row, column)
        )
        shape_row = int(generator.integers(0, GRID - 3 + 1))
        if generator.random() < 0.5 and not row - 3 < shape_row < row + size:
            shape, colour = str(generator.choice(SHAPES)), str(generator.choice(COLOURS))
            objects.append(SceneObject(shape, colour, 3, shape_row, strip * width))
    return Scene(tuple(objects))


def _mosaic(generator: np.random.Generator) -> Scene:
    """36 objects in 6 x 6 tiles that cover the whole scene; one colour is more likely than the others."""
    favourite = int(generator.integers(len(COLOURS)))
    chances = np.full(len(COLOURS), 0.7 / (len(COLOURS) - 1))
    chances[favourite] = 0.3
    colours = generator.choice(COLOURS, size=36, p=chances)
    objects = []
    for tile, colour in enumerate(colours):
        row, column = 4 * (tile // 6), 4 * (tile % 6)
        objects.append(SceneObject(_label(generator, 0.4), str(colour), 4, row, column))
    return Scene(tuple(objects))


LAYOUTS: Final[dict[str, Callable[[np.random.Generator], Scene]]] = {
    "scatter": _scatter,
    "cells": _cells,
    "row": _row,
    "mosaic": _mosaic,
}
"""Layout name -> function that draws a scene, from sparse (``row``) to dense (``mosaic``)."""


_shape = lru_cache(maxsize=64)(shape_mask)


def _background(side: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Return a dark texture of shape ``[side, side, 3]``: waves, checks, a gradient or plain, and a tint."""
    axis = np.arange(side, dtype=np.float32)
    angle = generator.uniform(0, np.pi)
    along = np.cos(angle) * axis[:, None] + np.sin(angle) * axis[None, :]
    kind = generator.integers(4)
    period = generator.uniform(8, 48)
    if kind == 0:
        pattern = np.sin(2 * np.pi * along / period)
    elif kind == 1:
        pattern = np.sign(
            np.sin(2 * np.pi * axis[:, None] / period) * np.sin(2 * np.pi * axis[None, :] / period)
        )
    elif kind == 2:
        pattern = 2 * (along - along.min()) / max(float(np.ptp(along)), 1.0) - 1
    else:
        pattern = np.zeros((side, side), dtype=np.float32)
    tint = generator.uniform(20, 75, size=3).astype(np.float32)
    strength = np.float32(generator.uniform(6, 22))
    return np.asarray(tint + strength * pattern[:, :, None].astype(np.float32), dtype=np.float32)


def paint(scene: Scene, bank: DigitBank, generator: np.random.Generator) -> NDArray[np.uint8]:
    """Paint a scene.

    Parameters
    ----------
    scene
        What to paint.
    bank
        The handwriting to take the digits from.
    generator
        Source of the texture, the handwriting and the noise.

    Returns
    -------
    numpy.ndarray
        RGB picture, ``uint8`` of shape ``[8 * grid, 8 * grid, 3]``.
    """
    side = scene.grid * PATCH
    picture = _background(side, generator)
    for thing in scene.objects:
        mask = (
            bank.draw(int(thing.label), thing.size, generator)
            if thing.is_digit
            else _shape(thing.label, thing.size)
        )
        opacity = mask[:, :, None].astype(np.float32) / 255.0
        colour = np.asarray(PALETTE[thing.colour], dtype=np.float32) + generator.normal(0, 10, 3).astype(
            np.float32
        )
        box = (
            slice(PATCH * thing.row, PATCH * (thing.row + thing.size)),
            slice(PATCH * thing.column, PATCH * (thing.column + thing.size)),
        )
        picture[box] = (1 - opacity) * picture[box] + opacity * colour
    noise = generator.standard_normal(picture.shape, dtype=np.float32) * np.float32(6)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)
