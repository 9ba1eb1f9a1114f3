"""Questions about a scene, each with the one right answer; ``None`` where a scene admits no such question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Final

import numpy as np

from otanalysis.mini.geometry import COLOURS, PLACES, SHAPES
from otanalysis.mini.scenes import Scene, SceneObject
from otanalysis.scenes.benchmark import Question


def _pick(items: Iterable[SceneObject], generator: np.random.Generator) -> SceneObject | None:
    candidates = list(items)
    return candidates[int(generator.integers(len(candidates)))] if candidates else None


def _alone(things: tuple[SceneObject, ...], by: Callable[[SceneObject], str]) -> list[SceneObject]:
    """Return the things that share what ``by`` says of them with no other thing."""
    seen = Counter(by(thing) for thing in things)
    return [thing for thing in things if seen[by(thing)] == 1]


def presence(scene: Scene, generator: np.random.Generator) -> Question | None:
    """Ask whether a digit is there: yes or no, equally often."""
    there = sorted({thing.label for thing in scene.digits})
    absent = sorted({str(digit) for digit in range(10)} - set(there))
    if not there or not absent:
        return None
    yes = bool(generator.random() < 0.5)
    asked = str(generator.choice(there if yes else absent))
    return Question(f"is there a {asked} ?", "yes" if yes else "no")


def count_digits(scene: Scene, generator: np.random.Generator) -> Question | None:  # noqa: ARG001
    """Ask how many digits there are (0 to 9)."""
    count = len(scene.digits)
    return Question("how many digits ?", str(count)) if count <= 9 else None


def corner_digit(scene: Scene, generator: np.random.Generator) -> Question | None:
    """Ask which digit is in a corner cell that holds one digit and nothing else."""
    corners = _alone(tuple(t for t in scene.objects if t.cell in (0, 2, 6, 8)), lambda t: str(t.cell))
    borderline = any(thing.cell is None for thing in scene.objects)
    thing = None if borderline else _pick((t for t in corners if t.is_digit), generator)
    if thing is None or thing.cell is None:
        return None
    return Question(f"which digit is {PLACES[thing.cell]} ?", thing.label)


def digit_colour(scene: Scene, generator: np.random.Generator) -> Question | None:
    """Ask for the colour of a digit that occurs once."""
    thing = _pick(_alone(scene.digits, lambda t: t.label), generator)
    return Question(f"what colour is the {thing.label} ?", thing.colour) if thing else None


def digit_place(scene: Scene, generator: np.random.Generator) -> Question | None:
    """Ask in which of the nine cells a digit that occurs once lies."""
    thing = _pick((t for t in _alone(scene.digits, lambda t: t.label) if t.cell is not None), generator)
    if thing is None or thing.cell is None:
        return None
    return Question(f"where is the {thing.label} ?", PLACES[thing.cell])


def largest_digit(scene: Scene, generator: np.random.Generator) -> Question | None:  # noqa: ARG001
    """Ask which digit is drawn largest, where one digit is larger than every other."""
    largest = sorted(scene.digits, key=lambda t: -t.size)
    if len(largest) < 2 or largest[0].size == largest[1].size:
        return None
    return Question("which digit is largest ?", largest[0].label)


def count_colour(scene: Scene, generator: np.random.Generator) -> Question | None:
    """Ask how many digits have a given colour (0 to 4); each count that occurs is equally likely."""
    seen = Counter(thing.colour for thing in scene.digits)
    by_count: dict[int, list[str]] = {}
    for colour in COLOURS:
        if seen[colour] <= 4:
            by_count.setdefault(seen[colour], []).append(colour)
    if not by_count:
        return None
    count = int(generator.choice(sorted(by_count)))
    return Question(f"how many {generator.choice(by_count[count])} digits ?", str(count))


def read_row(scene: Scene, generator: np.random.Generator) -> Question | None:  # noqa: ARG001
    """Ask for the digits from left to right, where there are 3 to 5 and none stand above each other."""
    ordered = sorted(scene.digits, key=lambda t: t.column)
    apart = all(a.column + a.size <= b.column for a, b in pairwise(ordered))
    if not 3 <= len(ordered) <= 5 or not apart:
        return None
    return Question("list digits left to right ?", " ".join(thing.label for thing in ordered))


def shape_colour(scene: Scene, generator: np.random.Generator) -> Question | None:
    """Ask for the colour of a shape that occurs once."""
    thing = _pick(_alone(scene.shapes, lambda t: t.label), generator)
    return Question(f"what colour is the {thing.label} ?", thing.colour) if thing else None


def colour_digit(scene: Scene, generator: np.random.Generator) -> Question | None:
    """Ask which digit has a colour that occurs once among the digits."""
    thing = _pick(_alone(scene.digits, lambda t: t.colour), generator)
    return Question(f"which digit is {thing.colour} ?", thing.label) if thing else None


def mosaic_majority(scene: Scene, generator: np.random.Generator) -> Question | None:  # noqa: ARG001
    """Ask for the commonest colour of a dense scene, where it leads the second by two objects or more."""
    counted = Counter(thing.colour for thing in scene.objects).most_common(2)
    if len(scene.objects) < 20 or (len(counted) == 2 and counted[0][1] - counted[1][1] < 2):
        return None
    return Question("which colour is commonest ?", counted[0][0])


QUESTIONS: Final[dict[str, Callable[[Scene, np.random.Generator], Question | None]]] = {
    "presence": presence,
    "count-digits": count_digits,
    "corner-digit": corner_digit,
    "digit-colour": digit_colour,
    "digit-place": digit_place,
    "largest-digit": largest_digit,
    "count-colour": count_colour,
    "read-row": read_row,
    "shape-colour": shape_colour,
    "colour-digit": colour_digit,
    "mosaic-majority": mosaic_majority,
}
"""Question kind -> function that asks one about a scene."""

WORDS: Final = (
    *(str(digit) for digit in range(10)),
    *COLOURS,
    *SHAPES,
    *PLACES,
    *(
        "yes",
        "no",
        "is",
        "there",
        "a",
        "?",
        "how",
        "many",
        "digits",
        "which",
        "digit",
        "what",
        "colour",
        "the",
    ),
    *("where", "largest", "list", "to", "commonest"),
)
"""Every word of every question and answer; ``left`` and ``right`` are also places."""
