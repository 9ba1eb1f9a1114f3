"""The eleven benchmarks of stamps, with the pictures that a user has chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count as counted, islice
from typing import Any, ClassVar, Final

import numpy as np

from otanalysis.errors import InputError
from otanalysis.scenes.benchmark import Item, Question, SceneBenchmark, Split
from otanalysis.side import OBJECTS
from otanalysis.stamps.backgrounds import open_style
from otanalysis.stamps.objects import ObjectBank
from otanalysis.stamps.painting import paint
from otanalysis.stamps.questions import QUESTIONS
from otanalysis.stamps.scenes import StampScene, compose
from otanalysis.stamps.settings import StampSettings, told

QUESTIONS_A_SCENE: Final = 4
"""Questions that a picture gets at most."""

_TRIES = 12  # draws of a scene's questions; the same one may come twice
_BARREN = 1000  # scenes in a row that admit no question: none ever will

TURNS: Final = (*QUESTIONS, "list", "largest", "majority", "leftof", "list")
"""Whose scenes follow one another in training: what is learned last comes more often."""

PREFIX: Final = "stamps"
"""What the names of pictures begin with, so that no other world has the same."""


@dataclass(frozen=True)
class StampBenchmark(SceneBenchmark[StampScene]):
    """Scenes of stamps, each with up to four questions of one kind; deterministic in split and settings.

    Attributes
    ----------
    name, metric
        As for :class:`~otanalysis.scenes.SceneBenchmark`; the name is also that of the kind of question.
    settings
        What the pictures are made of.
    """

    settings: StampSettings

    longest_answer: ClassVar[int] = 24  # three names of two words

    @property
    def about(self) -> Mapping[str, Any]:
        """What else than the name decides the items."""
        return told(self.settings)

    def items(self, count: int, split: Split = "test", *, start: int = 0) -> Iterator[Item[StampScene]]:
        """Yield the items from ``start`` up to ``count``: scene by scene, and question by question."""
        number = 0
        for drawn in self._drawn(split):
            wanted = range(max(start - number, 0), min(len(drawn.questions), count - number))
            if wanted:
                yield from self._painted(drawn, split, wanted)
            number += len(drawn.questions)
            if number >= count:
                return

    def scenes(self, count: int, split: Split = "test") -> Iterator[Item[StampScene]]:
        """Yield the first item of each of the first ``count`` scenes that admit a question."""
        for drawn in islice(self._drawn(split), count):
            yield from self._painted(drawn, split, range(1))

    def questions(self, split: Split = "test") -> Iterator[Question]:
        """Yield the questions of the items without end, and paint no picture."""
        return (question for drawn in self._drawn(split) for question in drawn.questions)

    def _drawn(self, split: Split) -> Iterator[_Drawn]:
        """Yield the scenes that admit a question, without end."""
        bank, composed = self.settings.bank(split), composer(self.settings, split)
        barren = 0
        for number in counted():
            generator = self._generator(split, number)
            scene = composed(generator, self.name)
            questions = ask(self.name, scene, bank, generator)
            if questions:
                yield _Drawn(f"{PREFIX}-{self.name}-{split}-{number:05d}", scene, questions)
            barren = 0 if questions else barren + 1
            if barren == _BARREN:
                raise InputError(
                    f"None of {_BARREN} scenes admits a question of the benchmark {self.name!r}: take more "
                    "kinds of objects, or less extreme settings."
                )

    def _generator(self, split: Split, number: int) -> np.random.Generator:
        if split == "test":
            return self.settings.generator(split, list(QUESTIONS).index(self.name), number)
        turns = [turn for turn, name in enumerate(TURNS) if name == self.name]
        rounds, turn = divmod(number, len(turns))
        return self.settings.generator(split, len(TURNS) * rounds + turns[turn])

    def _painted(self, drawn: _Drawn, split: Split, wanted: range) -> Iterator[Item[StampScene]]:
        picture, covered = paint(drawn.scene, self.settings.bank(split))
        for place in wanted:
            name = f"{drawn.identifier}-{place}"
            question, side = drawn.questions[place], {OBJECTS: covered}
            yield Item(name, drawn.identifier, picture, drawn.scene, question, side)


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A scene that is not painted, with its questions."""

    identifier: str
    scene: StampScene
    questions: tuple[Question, ...]


def composer(settings: StampSettings, split: Split) -> Callable[[np.random.Generator, str], StampScene]:
    """Return what composes the scenes of a split: from a source of draws and the name of a benchmark."""
    return partial(
        compose,
        bank=settings.bank(split),
        style=open_style(settings.backgrounds, split),
        object_size=settings.object_size,
        crowding=settings.crowding,
    )


def ask(
    name: str,
    scene: StampScene,
    bank: ObjectBank,
    generator: np.random.Generator,
    *,
    most: int = QUESTIONS_A_SCENE,
    tries: int = _TRIES,
) -> tuple[Question, ...]:
    """Draw up to ``most`` questions of one kind about a scene, no text twice; none where it admits none."""
    asked: dict[str, Question] = {}
    for _ in range(tries):
        question = QUESTIONS[name](scene.objects, bank, generator)
        if question is not None:
            asked.setdefault(question.text, question)
        if len(asked) == most:
            break
    return tuple(asked.values())


def stamp_benchmarks(settings: StampSettings = StampSettings()) -> dict[str, StampBenchmark]:  # noqa: B008
    """Return the eleven benchmarks by name, in the order in which figures show them.

    Parameters
    ----------
    settings : StampSettings
        What the pictures are made of.

    Raises
    ------
    InputError
        If the photographs are not there, or too few of them.
    MissingDependencyError
        If a package whose photographs are wanted is not installed.
    """
    benchmarks = {name: StampBenchmark(name, "exact_match", settings) for name in QUESTIONS}
    for split in ("train", "test"):  # what is missing is said before anything runs
        settings.bank(split)
        open_style(settings.backgrounds, split)
    return benchmarks
