"""Compose scenes of stamps: which objects lie where, behind them what, and how each of them looks.

Composing draws every number that a picture needs, and touches no pixel; :mod:`otanalysis.stamps.painting`
paints what was composed and draws nothing. The order of the draws is part of a scene: it is the one with
which the model of pretrained parts was trained, so that the same seed gives the same picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from otanalysis.stamps.geometry import BORDER, CELL, SIDE
from otanalysis.stamps.objects import ObjectBank
from otanalysis.stamps.style import Look, Scenery, Style

_AGAIN = 0.08  # chance that a name which is in the scene already is taken again
_OVERLAP = 0.06  # largest share of the smaller box that two objects may share
_TRIES = 80  # places that are tried for an object, which shrinks after every 20


class Amount(NamedTuple):
    """How many objects and kinds a scene has; ``most`` is what crowding may raise the objects to."""

    fewest: int
    largest: int
    kinds: int
    most: int


AMOUNTS: Final = {
    "presence": Amount(4, 12, 7, 24),
    "place": Amount(3, 9, 7, 24),
    "where": Amount(3, 9, 7, 24),
    "count": Amount(3, 10, 4, 24),
    "category": Amount(4, 10, 7, 24),
    "largest": Amount(2, 6, 7, 24),
    "leftof": Amount(3, 6, 7, 24),
    "list": Amount(2, 3, 7, 3),
    "more": Amount(6, 14, 4, 24),
    "either": Amount(1, 5, 7, 24),
    "majority": Amount(7, 14, 4, 24),
}
"""Kind of question -> how full its scenes are. ``list`` has no name for more than three objects."""


@dataclass(frozen=True, eq=False)
class StampObject:
    """An object of a :class:`StampScene`.

    Attributes
    ----------
    name, kind : str
        What it is: a lion, an animal.
    x, y, width, height : int
        Its box in pixels, from the upper left corner of the picture.
    photograph : int
        Which of the photographs of its name.
    look : Look
        What is done to the photograph.
    """

    name: str
    kind: str
    x: int
    y: int
    width: int
    height: int
    photograph: int
    look: Look

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the box, x and y in pixels."""
        return self.x + self.width / 2, self.y + self.height / 2

    @property
    def area(self) -> int:
        """Area of the box in square pixels."""
        return self.width * self.height

    @property
    def cell(self) -> int | None:
        """Number of the cell in which the centre lies, None if that is near the border of another."""
        if any(abs(value - edge) < BORDER for value in self.centre for edge in (CELL, 2 * CELL)):
            return None
        column, row = (int(value // CELL) for value in self.centre)
        return 3 * row + column


@dataclass(frozen=True, eq=False)
class StampScene:
    """Objects in the order in which they are painted, and what lies behind them."""

    objects: tuple[StampObject, ...]
    backdrop: Scenery


def compose(
    generator: np.random.Generator,
    benchmark: str,
    bank: ObjectBank,
    style: Style,
    *,
    object_size: float = 1.0,
    crowding: float = 1.0,
) -> StampScene:
    """Draw a scene.

    Parameters
    ----------
    generator
        Source of every draw.
    benchmark
        Name in :data:`AMOUNTS`, which says how full the scene is.
    bank
        The photographs.
    style
        Of the backdrop, the sizes and the looks.
    object_size, crowding
        Factors of the objects' sizes and of their number; 1 draws what the bundled adapter was trained on.
    """
    amount = AMOUNTS[benchmark]
    wanted = int(generator.integers(amount.fewest, amount.largest + 1))
    wanted = max(1, min(round(wanted * crowding), amount.most))
    draw = _NameDraw(generator, bank, int(generator.integers(2, amount.kinds + 1)))
    stage = style.draw_stage(generator)
    sizes = style.sizes(wanted)
    objects: list[StampObject] = []
    for _ in range(wanted):
        name = draw.name(objects)
        size = sizes.draw(generator) * object_size
        box = _find_room(generator, bank, name, size, sizes.smallest * object_size, objects)
        if box is not None:
            kind = bank.kind_of[name]
            look = stage.draw_look(generator, kind, box.width, box.height)
            objects.append(StampObject(name, kind, *box, look))
    return StampScene(tuple(objects), stage.backdrop)


class _NameDraw:
    """Draws the names of a scene's objects: some kinds, of unequal shares."""

    def __init__(self, generator: np.random.Generator, bank: ObjectBank, count: int) -> None:
        self._generator, self._bank = generator, bank
        kinds = list(bank.names)
        self._kinds = [kinds[place] for place in generator.permutation(len(kinds))[:count]]
        self._shares = generator.dirichlet(np.full(len(self._kinds), 1.2))

    def name(self, there: Sequence[StampObject]) -> str:
        """Return a name; one that is there already is mostly drawn again, up to 20 times."""
        used = Counter(thing.name for thing in there)
        name = ""
        for _ in range(20):
            kind = self._kinds[self._generator.choice(len(self._kinds), p=self._shares)]
            names = self._bank.names[kind]
            name = names[self._generator.integers(len(names))]
            if not used[name] or self._generator.random() < _AGAIN:
                break
        return name


class _Box(NamedTuple):
    x: int
    y: int
    width: int
    height: int
    photograph: int


def _find_room(
    generator: np.random.Generator,
    bank: ObjectBank,
    name: str,
    size: float,
    smallest: float,
    there: Sequence[StampObject],
) -> _Box | None:
    """Return a place where a photograph hides little of the others and they of it; None if none is found.

    ``size`` is the longer side in pixels; after every 20 places that did not do it becomes smaller.
    """
    cutouts = bank.cutouts[name]
    photograph = int(generator.integers(len(cutouts)))
    cutout = cutouts[photograph]
    for attempt in range(_TRIES):
        if attempt % 20 == 19:
            size = max(smallest, size * 0.88)
        scale = size / max(cutout.size)
        width, height = (min(SIDE, max(6, round(side * scale))) for side in cutout.size)
        x, y = int(generator.integers(0, SIDE - width + 1)), int(generator.integers(0, SIDE - height + 1))
        if not any(_crowds(thing, x, y, width, height) for thing in there):
            return _Box(x, y, width, height, photograph)
    return None


def _crowds(thing: StampObject, x: int, y: int, width: int, height: int) -> bool:
    """Tell whether a box shares too much of an object's."""
    across = min(x + width, thing.x + thing.width) - max(x, thing.x)
    down = min(y + height, thing.y + thing.height) - max(y, thing.y)
    return across > 0 and down > 0 and across * down > _OVERLAP * min(width * height, thing.area)
