"""The eleven benchmarks: a layout, a kind of question and a metric each, with scenes of their own.

An answer gets between 0 and 1 by its metric, :data:`METRICS`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final, cast
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from otanalysis.errors import InputError
from otanalysis.mini.digits import Split, digit_bank
from otanalysis.mini.questions import QUESTIONS, Question
from otanalysis.mini.scenes import LAYOUTS, Scene, paint


def exact_match(answer: str, truth: str) -> float:
    """Return 1 if the words agree, else 0."""
    return float(answer.split() == truth.split())


def count_score(answer: str, truth: str) -> float:
    r"""Return :math:`\max(0, 1 - |a - t| / \max(t, 1))` for counts, 0 for an answer that is no count.

    >>> count_score("3", "4")
    0.75
    """
    if not answer.strip().isdigit():
        return 0.0
    return max(0.0, 1.0 - abs(int(answer) - int(truth)) / max(int(truth), 1))


def edit_similarity(answer: str, truth: str) -> float:
    """Return 1 minus the Levenshtein distance between the words, divided by the longer length.

    >>> edit_similarity("1 2 4", "1 2 3 4")
    0.75
    """
    a, b = answer.split(), truth.split()
    distances = np.arange(len(b) + 1)
    for row, word in enumerate(a, start=1):
        previous, distances = distances, np.empty_like(distances)
        distances[0] = row
        for column, other in enumerate(b, start=1):
            distances[column] = min(
                previous[column] + 1, distances[column - 1] + 1, previous[column - 1] + (word != other)
            )
    return 1.0 - float(distances[-1]) / max(len(a), len(b), 1)


METRICS: Final[dict[str, Callable[[str, str], float]]] = {
    "exact_match": exact_match,
    "count_score": count_score,
    "edit_similarity": edit_similarity,
}
"""Metric name -> function of an answer and the truth."""


@dataclass(frozen=True)
class Item:
    """An item of a :class:`Benchmark`: a picture (uint8, [192, 192, 3]), its scene and a question on it."""

    identifier: str
    picture: NDArray[np.uint8]
    scene: Scene
    question: Question


@dataclass(frozen=True)
class Benchmark:
    """A family of scenes with one kind of question; iterating is deterministic in the split.

    Attributes
    ----------
    name
        Name of the benchmark, and of its kind of question in :data:`~otanalysis.mini.questions.QUESTIONS`.
    layout
        Name of the layout of its scenes in :data:`~otanalysis.mini.scenes.LAYOUTS`.
    metric
        Name of its metric in :data:`METRICS`.

    Examples
    --------
    >>> item = next(BENCHMARKS["presence"].items(1))
    >>> item.picture.shape, item.question.text, BENCHMARKS["presence"].score("no", item.question.answer)
    ((192, 192, 3), 'is there a 4 ?', 1.0)
    """

    name: str
    layout: str
    metric: str

    def items(self, count: int, split: Split = "test") -> Iterator[Item]:
        """Yield ``count`` items, each with a scene of its own; item ``i`` does not depend on ``count``."""
        return (self.item(number, split) for number in range(count))

    def item(self, number: int, split: Split = "test") -> Item:
        """Return the item of a number, from 0 on."""
        generator = self._generator(split, number)
        scene, question = self._draw(generator)
        picture = paint(scene, digit_bank(split), generator)
        return Item(f"{self.name}-{split}-{number:05d}", picture, scene, question)

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

    def score(self, answer: str, truth: str) -> float:
        """Score an answer with the benchmark's metric, between 0 and 1."""
        return METRICS[self.metric](answer, truth)

    def majority_answer(self) -> str:
        """Return the commonest answer over the questions of 2,000 training scenes."""
        return _majority_answer(self, 2000)


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


@lru_cache(maxsize=32)
def _majority_answer(benchmark: Benchmark, count: int) -> str:
    drawn = (benchmark._draw(benchmark._generator("train", number)) for number in range(count))
    answers = Counter(question.answer for _, question in drawn)
    return answers.most_common(1)[0][0]


BENCHMARKS: Final[Mapping[str, Benchmark]] = MappingProxyType(
    {
        benchmark.name: benchmark
        for benchmark in (
            Benchmark("presence", "scatter", "exact_match"),
            Benchmark("count-digits", "scatter", "count_score"),
            Benchmark("corner-digit", "cells", "exact_match"),
            Benchmark("digit-colour", "scatter", "exact_match"),
            Benchmark("digit-place", "cells", "exact_match"),
            Benchmark("largest-digit", "cells", "exact_match"),
            Benchmark("count-colour", "scatter", "exact_match"),
            Benchmark("read-row", "row", "edit_similarity"),
            Benchmark("shape-colour", "scatter", "exact_match"),
            Benchmark("colour-digit", "cells", "exact_match"),
            Benchmark("mosaic-majority", "mosaic", "exact_match"),
        )
    }
)
"""The eleven benchmarks by name, in the order in which figures show them."""
