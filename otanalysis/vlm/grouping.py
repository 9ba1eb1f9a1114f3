"""Which placeholders of a prompt make up an image: side by side, in rows, or in tiles between words."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

from otanalysis.errors import InputError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class PlaceholderRun:
    """Placeholders of one prompt that stand side by side: positions ``start`` to ``stop - 1``."""

    prompt: int
    start: int
    stop: int

    def __len__(self) -> int:
        """Return the number of placeholders."""
        return self.stop - self.start


ImageRuns: TypeAlias = list[PlaceholderRun]
"""The runs that make up one image: several where rows or tiles are separated by words."""


def one_part_each(_ids: torch.Tensor, runs: list[PlaceholderRun], lengths: list[int]) -> list[ImageRuns]:
    """Every part that the encoder returns is an image, and takes the next placeholders of one prompt.

    Images side by side share a run; words may stand between the rows of an image.

    Parameters
    ----------
    _ids : torch.Tensor, shape ``[B, L]``
        Ids of the prompts.
    runs
        All runs of placeholders, in order.
    lengths
        Number of tokens of each part.

    Raises
    ------
    InputError
        There are more or fewer placeholders than tokens.
    """
    images: list[ImageRuns] = []
    queue = list(runs)
    for length in lengths:
        image: ImageRuns = []
        while sum(map(len, image)) < length:
            if not queue or (image and queue[0].prompt != image[0].prompt):
                raise InputError(
                    f"An image of {length} visual tokens wants as many placeholders in one prompt, but the "
                    "prompt has fewer: make ids and pictures with one call of the processor."
                )
            first = queue.pop(0)
            stop = min(first.stop, first.start + length - sum(map(len, image)))
            image.append(PlaceholderRun(first.prompt, first.start, stop))
            if stop < first.stop:
                queue.insert(0, PlaceholderRun(first.prompt, stop, first.stop))
        images.append(image)
    if queue:
        raise InputError(
            f"The prompts have {sum(map(len, queue))} image placeholders more than there are visual tokens: "
            "make ids and pictures with one call of the processor."
        )
    return images


def one_run_each(_ids: torch.Tensor, runs: list[PlaceholderRun], _lengths: list[int]) -> list[ImageRuns]:
    """Tiles of an image stand side by side, images are separated by words."""
    return [[run] for run in runs]


def one_word_apart(_ids: torch.Tensor, runs: list[PlaceholderRun], _lengths: list[int]) -> list[ImageRuns]:
    """Tiles of an image have one word between them, images more."""
    images: list[ImageRuns] = [[run] for run in runs[:1]]
    for before, run in pairwise(runs):
        if run.prompt == before.prompt and run.start == before.stop + 1:
            images[-1].append(run)
        else:
            images.append([run])
    return images


def until_global(ids: torch.Tensor, runs: list[PlaceholderRun], _lengths: list[int]) -> list[ImageRuns]:
    """Tiles are separated by words; an image ends with the run that the word for the global view precedes.

    The last run of a prompt is always a global view, so that the word needs no tokenizer to be known.
    """
    images: list[ImageRuns] = []
    for prompt in sorted({run.prompt for run in runs}):
        own = [run for run in runs if run.prompt == prompt]
        before = [int(ids[prompt, run.start - 1]) if run.start else -1 for run in own]
        image: ImageRuns = []
        for run, word in zip(own, before, strict=True):
            image.append(run)
            if word == before[-1]:
                images.append(image)
                image = []
    return images


def from_first_tile(ids: torch.Tensor, runs: list[PlaceholderRun], _lengths: list[int]) -> list[ImageRuns]:
    """Tiles are separated by words; an image begins with the run that the word for the first tile precedes.

    The first run of a prompt is always a first tile, so that the word needs no tokenizer to be known; a small
    picture is one tile without a global view behind it.
    """
    images: list[ImageRuns] = []
    first: dict[int, int] = {}
    for run in runs:
        word = int(ids[run.prompt, run.start - 1]) if run.start else -1
        if word == first.setdefault(run.prompt, word):
            images.append([])
        images[-1].append(run)
    return images
