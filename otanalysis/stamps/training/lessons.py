"""What the adapter learns from: the scenes of the training, each with questions of every kind it admits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from otanalysis.scenes import Question
from otanalysis.stamps.benchmarks import TURNS, ask, composer
from otanalysis.stamps.painting import paint
from otanalysis.stamps.questions import QUESTIONS
from otanalysis.stamps.scenes import StampScene
from otanalysis.stamps.settings import StampSettings

_OTHERS: Final = 2  # questions of every kind but the scene's own, at most
_TRIES: Final = 5  # draws of them

Lesson = tuple[Tensor, tuple[Question, ...]]
"""A picture as the model sees it, ``[3, h, w]``, and the questions."""


@dataclass(frozen=True)
class Lessons(Dataset[Lesson]):
    """The first scenes of the training, by number; a map-style data set of torch.

    Attributes
    ----------
    settings
        What the pictures are made of.
    count
        How many there are.
    images
        Image processor of the model, which makes its input of a picture.
    """

    settings: StampSettings
    count: int
    images: Any

    def __len__(self) -> int:
        """Return how many there are."""
        return self.count

    def __getitem__(self, number: int) -> Lesson:
        """Return a picture with its questions; the same number always has the same."""
        scene, questions = self.drawn(number)
        picture, _ = paint(scene, self.settings.bank("train"))
        return self.images(picture, return_tensors="pt")["pixel_values"][0], questions

    def drawn(self, number: int) -> tuple[StampScene, tuple[Question, ...]]:
        """Return a scene that is not painted, and its questions: those of its own kind first."""
        generator, bank = self.settings.generator("train", number), self.settings.bank("train")
        own = TURNS[number % len(TURNS)]
        scene = composer(self.settings, "train")(generator, own)
        asked = {one.text: one for one in ask(own, scene, bank, generator)}
        first = len(asked)
        for name in _shuffled(list(QUESTIONS), generator):
            if name != own:
                for one in ask(name, scene, bank, generator, most=_OTHERS, tries=_TRIES):
                    asked.setdefault(one.text, one)
        questions = list(asked.values())
        return scene, (*questions[:first], *_shuffled(questions[first:], generator))


def _shuffled(things: list[Any], generator: np.random.Generator) -> list[Any]:
    return [things[place] for place in generator.permutation(len(things))]
