"""A benchmark of scenes: numbered pictures, each with questions of one kind whose answers are known."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from otanalysis.arrays import FloatArray
from otanalysis.errors import InputError
from otanalysis.scenes.metrics import METRICS

Split = Literal["train", "test"]
"""What a model may learn from, and what it is asked about."""

SceneT = TypeVar("SceneT")
BenchmarkT = TypeVar("BenchmarkT", bound="SceneBenchmark[Any]")

_MAJORITY_QUESTIONS = 2000


@dataclass(frozen=True)
class Question:
    """A question and its answer, both as words separated by spaces; see :class:`SceneBenchmark`."""

    text: str
    answer: str


@dataclass(frozen=True, eq=False)
class Item(Generic[SceneT]):
    """An item of a :class:`SceneBenchmark`: a picture, its scene and a question on it.

    Attributes
    ----------
    identifier : str
        Name of the question, unique in its world.
    scene_identifier : str
        Name of the picture; several items of a benchmark may have one picture.
    picture : array, shape ``[h, w, 3]``, uint8
        RGB.
    scene : object
        What lies where, in the world's own terms.
    question : Question
        The words.
    side : mapping from str to array, shape ``[m]``
        What the scene knows of every token of the picture, such as how much of its patch objects cover.
    """

    identifier: str
    scene_identifier: str
    picture: NDArray[np.uint8]
    scene: SceneT
    question: Question
    side: Mapping[str, FloatArray] = field(default_factory=dict)


@dataclass(frozen=True)
class SceneBenchmark(ABC, Generic[SceneT]):
    """A family of scenes with one kind of question; iterating is deterministic in the split.

    A world makes it whole: ``items``, ``scenes`` and ``questions``.

    Attributes
    ----------
    name : str
        Name of the benchmark, unique in its world.
    metric : str
        Name of its metric in :data:`~otanalysis.scenes.metrics.METRICS`.

    Examples
    --------
    >>> from otanalysis.mini import BENCHMARKS
    >>> benchmark = BENCHMARKS["presence"]
    >>> isinstance(benchmark, SceneBenchmark), next(benchmark.items(1)).question
    (True, Question(text='is there a 4 ?', answer='no'))
    """

    name: str
    metric: str

    longest_answer: ClassVar[int] = 8
    """New tokens within which a model has said any right answer, and its end mark."""

    @property
    def about(self) -> Mapping[str, Any]:
        """What else than the name decides the items, as JSON values; empty if nothing does."""
        return {}

    @abstractmethod
    def items(self, count: int, split: Split = "test", *, start: int = 0) -> Iterator[Item[SceneT]]:
        """Yield the items from ``start`` up to ``count``; item ``i`` depends on neither."""

    @abstractmethod
    def scenes(self, count: int, split: Split = "test") -> Iterator[Item[SceneT]]:
        """Yield the first item of each of the first ``count`` scenes."""

    @abstractmethod
    def questions(self, split: Split = "test") -> Iterator[Question]:
        """Yield the questions of the items without end, and paint no picture."""

    def score(self, answer: str, truth: str) -> float:
        """Score an answer with the benchmark's metric, between 0 and 1."""
        return METRICS[self.metric](answer, truth)

    def majority_answer(self) -> str:
        """Return the commonest answer over 2,000 training questions."""
        return _majority_answer(self)


def named(names: Iterable[str], known: Mapping[str, BenchmarkT]) -> list[BenchmarkT]:
    """Return benchmarks by their names.

    Raises
    ------
    InputError
        If there is none of a name.

    Examples
    --------
    >>> from otanalysis.mini import BENCHMARKS
    >>> [one.metric for one in named(["read-row"], BENCHMARKS)]
    ['edit_similarity']
    """
    wanted = tuple(names)
    if unknown := [name for name in wanted if name not in known]:
        raise InputError(f"Unknown benchmark {unknown[0]!r}; known are {', '.join(known)}.")
    return [known[name] for name in wanted]


@lru_cache(maxsize=32)
def _majority_answer(benchmark: SceneBenchmark[Any]) -> str:
    drawn = islice(benchmark.questions("train"), _MAJORITY_QUESTIONS)
    return Counter(question.answer for question in drawn).most_common(1)[0][0]
