"""Questions about a scene of stamps, each with the one right answer; ``None`` where a scene admits none.

Words, answers and the order of the draws are those that the bundled adapter was trained on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise, permutations
from types import MappingProxyType
from typing import Final, TypeVar

import numpy as np

from otanalysis.scenes.benchmark import Question
from otanalysis.stamps.catalogue import plural
from otanalysis.stamps.geometry import BORDER, CELL, CELLS
from otanalysis.stamps.objects import ObjectBank
from otanalysis.stamps.scenes import StampObject

T = TypeVar("T")
Objects = Sequence[StampObject]
Ask = Callable[[Objects, ObjectBank, np.random.Generator], Question | None]

_NEAR = 22  # pixels: centres nearer than this across have no order that could be told
_LEFT, _LEVEL = 30, 65  # pixels: from here on to the left, up to here above or below
_DOUBTFUL_LEFT, _DOUBTFUL_LEVEL = -8, 85  # pixels: what may be meant as well, and is not to be there
_LARGER = 1.35  # times the area of the second largest
_LEAD = 2  # objects by which the commonest kind leads
_MOST = 6  # objects of a kind that are asked to be counted
_MOST_OF_ALL = 9  # objects of all kinds


def presence(objects: Objects, bank: ObjectBank, generator: np.random.Generator) -> Question | None:
    """Ask whether something is there; what is not there is half of the time of a kind that is."""
    there = sorted({thing.name for thing in objects})
    if generator.random() < 0.5:
        return Question(f"Is there {_with_article(_pick(there, generator))} in the picture?", "yes")
    kinds = {thing.kind for thing in objects}
    alike = generator.random() < 0.5
    absent = [
        name for name in bank.kind_of if name not in there and (not alike or bank.kind_of[name] in kinds)
    ]
    if not absent:
        return None
    return Question(f"Is there {_with_article(_pick(absent, generator))} in the picture?", "no")


def place(objects: Objects, bank: ObjectBank, generator: np.random.Generator) -> Question | None:  # noqa: ARG001
    """Ask what is in one of the nine cells."""
    found = _draw_from_cells(objects, generator)
    return Question(f"What is in the {found[1]}?", found[0].name) if found else None


def category(objects: Objects, bank: ObjectBank, generator: np.random.Generator) -> Question | None:  # noqa: ARG001
    """Ask what kind of thing is in one of the nine cells."""
    found = _draw_from_cells(objects, generator)
    return Question(f"What kind of thing is in the {found[1]}?", found[0].kind) if found else None


def where(objects: Objects, bank: ObjectBank, generator: np.random.Generator) -> Question | None:  # noqa: ARG001
    """Ask in which cell something is."""
    found = [(thing.name, thing.cell) for thing in _only_ones(objects) if thing.cell is not None]
    if not found:
        return None
    name, cell = _pick(found, generator)
    return Question(f"Where is the {name}?", CELLS[cell])


def count(objects: Objects, bank: ObjectBank, generator: np.random.Generator) -> Question | None:
    """Ask how many there are of a kind, each count equally likely but a rarer 0; or of all."""
    if generator.random() < 0.2:
        total = str(len(objects))
        return Question("How many objects are there?", total) if len(objects) <= _MOST_OF_ALL else None
    seen = Counter(thing.kind for thing in objects)
    by_count: dict[int, list[str]] = {}
    for kind in bank.names:
        if seen[kind] <= _MOST:
            by_count.setdefault(seen[kind], []).append(kind)
    if not by_count:
        return None
    counts = sorted(by_count)
    number = _pick(counts, generator)
    if number == 0 and len(counts) > 1 and generator.random() < 0.65:
        number = _pick(counts[1:], generator)
    return Question(f"How many {plural(_pick(by_count[number], generator))} are there?", str(number))


def largest(objects: Objects, bank: ObjectBank, generator: np.random.Generator) -> Question | None:  # noqa: ARG001
    """Ask what is largest, where one object is larger than every other by a third."""
    ordered = sorted(objects, key=lambda thing: -thing.area)
    if len(ordered) < 2 or ordered[0].area < _LARGER * ordered[1].area:
        return None
    return Question("What is the largest object?", ordered[0].name)


def leftof(objects: Objects, bank: ObjectBank, generator: np.random.Generator) -> Question | None:  # noqa: ARG001
    """Ask what is to the left of something, where one object alone can be meant."""
    found = []
    for thing in _only_ones(objects):
        x, y = thing.centre
        near = [
            other
            for other in objects
            if other is not thing
            and x - other.centre[0] > _DOUBTFUL_LEFT
            and abs(other.centre[1] - y) < _DOUBTFUL_LEVEL
        ]
        if len(near) == 1 and x - near[0].centre[0] > _LEFT and abs(near[0].centre[1] - y) < _LEVEL:
            found.append((thing.name, near[0].name))
    if not found:
        return None
    name, left = _pick(found, generator)
    return Question(f"What is to the left of the {name}?", left)


def list_(objects: Objects, bank: ObjectBank, generator: np.random.Generator) -> Question | None:  # noqa: ARG001
    """Ask for the two or three objects from left to right, where their order can be told."""
    ordered = sorted(objects, key=lambda thing: thing.centre[0])
    apart = all(right.centre[0] - left.centre[0] >= _NEAR for left, right in pairwise(ordered))
    if not 2 <= len(ordered) <= 3 or not apart:
        return None
    return Question("What is there, from left to right?", ", ".join(thing.name for thing in ordered))


def more(objects: Objects, bank: ObjectBank, generator: np.random.Generator) -> Question | None:
    """Ask whether there are more of a kind than of another: yes or no, equally often."""
    seen = Counter(thing.kind for thing in objects)

    def asked(kind: str, other: str) -> bool:
        """Tell whether two kinds can be asked about; one that is not there seldom is."""
        if seen[kind] and seen[other]:
            return True
        return generator.random() < 0.1 and seen[kind] + seen[other] > 0

    pairs = [pair for pair in permutations(bank.names, 2) if seen[pair[0]] != seen[pair[1]] and asked(*pair)]
    yes = bool(generator.random() < 0.5)
    fitting = [(kind, other) for kind, other in pairs if (seen[kind] > seen[other]) == yes]
    if not fitting:
        return None
    kind, other = _pick(fitting, generator)
    return Question(f"Are there more {plural(kind)} than {plural(other)}?", "yes" if yes else "no")


def either(objects: Objects, bank: ObjectBank, generator: np.random.Generator) -> Question | None:
    """Ask which of two things is there; what is not there is often of the same kind."""
    there = sorted({thing.name for thing in objects})
    right = _pick(there, generator)
    absent = [
        name
        for name in bank.kind_of
        if name not in there and (generator.random() < 0.5 or bank.kind_of[name] == bank.kind_of[right])
    ]
    if not absent:
        return None
    wrong = _pick(absent, generator)
    first, second = (right, wrong) if generator.random() < 0.5 else (wrong, right)
    return Question(f"Which is there, {_with_article(first)} or {_with_article(second)}?", right)


def majority(objects: Objects, bank: ObjectBank, generator: np.random.Generator) -> Question | None:  # noqa: ARG001
    """Ask for the commonest kind of at least six objects, where it leads the second by two."""
    counted = Counter(thing.kind for thing in objects).most_common(2)
    if len(objects) < 6 or (len(counted) == 2 and counted[0][1] - counted[1][1] < _LEAD):
        return None
    return Question("What kind of thing is most common?", counted[0][0])


def _with_article(name: str) -> str:
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _pick(candidates: Sequence[T], generator: np.random.Generator) -> T:
    return candidates[int(generator.integers(len(candidates)))]


def _only_ones(objects: Objects) -> list[StampObject]:
    """Return the objects whose name no other has."""
    seen = Counter(thing.name for thing in objects)
    return [thing for thing in objects if seen[thing.name] == 1]


def _draw_from_cells(objects: Objects, generator: np.random.Generator) -> tuple[StampObject, str] | None:
    """Draw an object, with its cell, in which and just outside of which no other's centre is."""
    found = []
    for thing in objects:
        cell = thing.cell
        if cell is not None and sum(_is_near(other, cell) for other in objects) == 1:
            found.append((thing, CELLS[cell]))
    return _pick(found, generator) if found else None


def _is_near(thing: StampObject, cell: int) -> bool:
    row, column = divmod(cell, 3)
    x, y = thing.centre
    return all(
        start * CELL - BORDER <= value <= (start + 1) * CELL + BORDER
        for start, value in ((column, x), (row, y))
    )


QUESTIONS: Final[Mapping[str, Ask]] = MappingProxyType(
    {
        "presence": presence,
        "place": place,
        "where": where,
        "count": count,
        "category": category,
        "largest": largest,
        "leftof": leftof,
        "list": list_,
        "more": more,
        "either": either,
        "majority": majority,
    }
)
"""Question kind -> function that asks one about the objects of a scene, drawing from a bank's names."""
