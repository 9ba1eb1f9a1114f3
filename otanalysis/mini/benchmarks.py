"""The eleven benchmarks: a layout, a kind of question and a metric each, with scenes of their own.

An answer gets between 0 and 1 by its metric, :data:`~otanalysis.scenes.metrics.METRICS`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count as counted
from types import MappingProxyType
from typing import Any, Final, cast
from zlib import crc32

import numpy as np

from otanalysis.errors import InputError
from otanalysis.mini.digits import digit_bank
from otanalysis.mini.questions import QUESTIONS
from otanalysis.mini.scenes import LAYOUTS, Scene, paint
from otanalysis.scenes.benchmark import Item, Question, SceneBenchmark, Split, named


@dataclass(frozen=True)
class Benchmark(SceneBenchmark[Scene]):
    """A family of scenes of digits, each with one question of one kind; deterministic in the split.

    Attributes
    ----------
    name
        Name of the benchmark, and of its kind of question in :data:`~otanalysis.mini.questions.QUESTIONS`.
    metric
        Name of its metric in :data:`~otanalysis.scenes.metrics.METRICS`.
    layout
        Name of the layout of its scenes in :data:`~otanalysis.mini.scenes.LAYOUTS`.

    Examples
    --------
    >>> item = next(BENCHMARKS["presence"].items(1))
    >>> item.picture.shape, item.question.text, BENCHMARKS["presence"].score("no", item.question.answer)
    ((192, 192, 3), 'is there a 4 ?', 1.0)
    """

    layout: str

    def items(self, count: int, split: Split = "test", *, start: int = 0) -> Iterator[Item[Scene]]:
        """Yield the items from ``start`` up to ``count``, each with a scene of its own."""
        return (self.item(number, split) for number in range(start, count))

    def scenes(self, count: int, split: Split = "test") -> Iterator[Item[Scene]]:
        """Yield the items of the first ``count`` scenes, which are all items."""
        return self.items(count, split)

    def questions(self, split: Split = "test") -> Iterator[Question]:
        """Yield the questions of the items without end, and paint no picture."""
        return (self._draw(self._generator(split, number))[1] for number in counted())

    def item(self, number: int, split: Split = "test") -> Item[Scene]:
        """Return the item of a number, from 0 on."""
        generator = self._generator(split, number)
        scene, question = self._draw(generator)
        picture = paint(scene, digit_bank(split), generator)
        name = f"{self.name}-{split}-{number:05d}"
        return Item(name, name, picture, scene, question)

    def _generator(self, split: Split, number: int) -> np.random.Generator:
        return np.random.default_rng([crc32(self.name.encode()), split == "test", number])

    def _draw(self, generator: np.random.Generator) -> tuple[Scene, Question]:
        """Draw scenes until one admits the question."""
        for _ in range(1000):
            scene = LAYOUTS[self.layout](generator)
            question = QUESTIONS[self.name](scene, generator)
            if question is not None:
                return scene, question
        raise InputError(f"benchmark {self.name!r}: none of 1000 scenes of layout {self.layout!r} admits it")


def find_scene(identifier: str) -> Scene | None:
    """Return the scene of an item by its identifier, without painting it; None if no benchmark has it.

    Examples
    --------
    >>> item = next(BENCHMARKS["presence"].items(1))
    >>> find_scene(item.identifier) == item.scene, find_scene("photograph")
    (True, None)
    """
    found = re.fullmatch(r"(.+)-(train|test)-(\d+)", identifier)
    benchmark = BENCHMARKS.get(found[1]) if found else None
    if found is None or benchmark is None:
        return None
    return benchmark._draw(benchmark._generator(cast(Split, found[2]), int(found[3])))[0]


def given_benchmarks(given: Iterable[str | SceneBenchmark[Any]]) -> list[SceneBenchmark[Any]]:
    """Return benchmarks: those of digits by their names, those of any world as they are.

    Raises
    ------
    InputError
        If no benchmark of digits has a name.
    """
    return [named([one], BENCHMARKS)[0] if isinstance(one, str) else one for one in given]


BENCHMARKS: Final[Mapping[str, Benchmark]] = MappingProxyType(
    {
        benchmark.name: benchmark
        for benchmark in (
            Benchmark("presence", "exact_match", "scatter"),
            Benchmark("count-digits", "count_score", "scatter"),
            Benchmark("corner-digit", "exact_match", "cells"),
            Benchmark("digit-colour", "exact_match", "scatter"),
            Benchmark("digit-place", "exact_match", "cells"),
            Benchmark("largest-digit", "exact_match", "cells"),
            Benchmark("count-colour", "exact_match", "scatter"),
            Benchmark("read-row", "edit_similarity", "row"),
            Benchmark("shape-colour", "exact_match", "scatter"),
            Benchmark("colour-digit", "exact_match", "cells"),
            Benchmark("mosaic-majority", "exact_match", "mosaic"),
        )
    }
)
"""The eleven benchmarks by name, in the order in which figures show them."""
