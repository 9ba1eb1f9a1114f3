"""Placeholders are told apart by image: in broken rows, in tiles between words, in several prompts."""

from __future__ import annotations

import pytest
import torch

from otanalysis.errors import InputError
from otanalysis.vlm.grouping import (
    PlaceholderRun,
    from_first_tile,
    one_part_each,
    one_word_apart,
    until_global,
)

NO_IDS = torch.zeros(1, 0)


def runs_of(*texts: str) -> list[PlaceholderRun]:
    """Return the runs of the letter ``i`` in prompts."""
    found = []
    for prompt, text in enumerate(texts):
        start = None
        for place, letter in enumerate(text + " "):
            if letter == "i" and start is None:
                start = place
            if letter != "i" and start is not None:
                found.append(PlaceholderRun(prompt, start, place))
                start = None
    return found


def places(images: list[list[PlaceholderRun]]) -> list[list[tuple[int, int, int]]]:
    return [[(run.prompt, run.start, run.stop) for run in image] for image in images]


def test_images_side_by_side_share_a_run_and_rows_of_one_image_are_several() -> None:
    runs = runs_of("aiii", "biibiibiii")
    assert places(one_part_each(NO_IDS, runs, [1, 2, 4, 3])) == [
        [(0, 1, 2)],
        [(0, 2, 4)],
        [(1, 1, 3), (1, 4, 6)],
        [(1, 7, 10)],
    ]


@pytest.mark.parametrize(
    ("lengths", "wanted"), [([3, 7], "has fewer"), ([4], "3 image placeholders more"), ([5, 2], "has fewer")]
)
def test_an_image_never_goes_on_in_another_prompt_and_nothing_is_left_over(
    lengths: list[int], wanted: str
) -> None:
    runs = runs_of("iiii", "iii")
    assert len(one_part_each(NO_IDS, runs, [4, 3])) == 2
    with pytest.raises(InputError, match=wanted):
        one_part_each(NO_IDS, runs, lengths)


def test_one_word_stands_between_tiles_and_more_between_images() -> None:
    runs = runs_of("iiTii##ii", "iiTii")
    assert places(one_word_apart(NO_IDS, runs, [])) == [
        [(0, 0, 2), (0, 3, 5)],
        [(0, 7, 9)],
        [(1, 0, 2), (1, 3, 5)],
    ]


def test_an_image_ends_with_the_view_that_the_last_word_announces() -> None:
    text = "TiiTiiGiiGii"
    ids = torch.tensor([[ord(letter) for letter in text]])
    assert [len(image) for image in until_global(ids, runs_of(text), [])] == [3, 1]


def test_an_image_begins_with_the_tile_that_the_first_word_announces() -> None:
    """Two tiles and a global view, then a small picture of one tile; and in another prompt another word."""
    texts = ("1ii2ii\nGii1ii", "xii\nGiixii#")
    width = max(map(len, texts))
    ids = torch.tensor([[ord(letter) for letter in text.ljust(width)] for text in texts])
    images = from_first_tile(ids, runs_of(*texts), [])
    assert [len(image) for image in images] == [3, 1, 2, 1]
    assert [image[0].prompt for image in images] == [0, 0, 1, 1]
    assert [len(image) for image in from_first_tile(ids[:, 1:], runs_of("ii2ii"), [])] == [2]
