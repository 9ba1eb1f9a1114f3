"""Composed scenes: within the picture, hardly overlapping, and those that the adapter was trained on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from otanalysis.stamps.backgrounds import open_style
from otanalysis.stamps.benchmarks import ask
from otanalysis.stamps.catalogue import catalogue
from otanalysis.stamps.geometry import CELL, SIDE
from otanalysis.stamps.natural import NaturalStyle
from otanalysis.stamps.objects import ObjectBank
from otanalysis.stamps.scenes import AMOUNTS, StampObject, StampScene, compose
from otanalysis.stamps.smooth import SmoothLook, SmoothStyle
from otanalysis.stamps.style import Photograph, Style

PLAIN = SmoothLook(mirrored=False, brightness=None)


def drawn(bank: ObjectBank, benchmark: str, count: int, **options: float) -> Iterator[StampScene]:
    style = open_style("smooth", "test")
    for seed in range(count):
        yield compose(np.random.default_rng(seed), benchmark, bank, style, **options)


def boxes(scene: StampScene) -> list[tuple[object, ...]]:
    return [(one.name, one.x, one.y, one.width, one.height, one.photograph) for one in scene.objects]


def pixels(thing: StampObject) -> np.ndarray:
    inside = np.zeros((SIDE, SIDE), bool)
    inside[thing.y : thing.y + thing.height, thing.x : thing.x + thing.width] = True
    return inside


@pytest.mark.parametrize("benchmark", AMOUNTS)
def test_objects_lie_inside_and_share_little_of_their_boxes(bank: ObjectBank, benchmark: str) -> None:
    for scene in drawn(bank, benchmark, 6):
        assert 1 <= len(scene.objects) <= AMOUNTS[benchmark].largest
        for thing in scene.objects:
            assert pixels(thing).sum() == thing.width * thing.height == thing.area
            cutout = bank.cutouts[thing.name][thing.photograph]
            assert abs(thing.width / cutout.width - thing.height / cutout.height) <= 1 / min(cutout.size)
        for one, other in combinations(scene.objects, 2):
            assert (pixels(one) & pixels(other)).sum() <= 0.06 * min(one.area, other.area)


def test_the_same_seed_gives_the_same_scene_and_another_seed_another(bank: ObjectBank) -> None:
    first, again = ([boxes(scene) for scene in drawn(bank, "count", 5)] for _ in range(2))
    assert first == again
    assert len({str(scene) for scene in first}) == 5


def test_objects_become_larger_and_more_as_asked(bank: ObjectBank) -> None:
    def mean(**options: float) -> tuple[float, float]:
        scenes = list(drawn(bank, "presence", 25, **options))
        areas = [thing.area for scene in scenes for thing in scene.objects]
        return float(np.mean(areas)), float(np.mean([len(scene.objects) for scene in scenes]))

    area, number = mean()
    assert mean(object_size=0.5)[0] < 0.4 * area
    assert mean(object_size=1.3)[0] > 1.2 * area
    assert mean(crowding=2.0)[1] > 1.4 * number
    assert mean(crowding=0.5)[1] < 0.6 * number


def test_a_list_has_three_objects_at_most_however_crowded(bank: ObjectBank) -> None:
    assert {len(scene.objects) for scene in drawn(bank, "list", 12, crowding=4.0)} == {3}


@pytest.mark.parametrize(
    ("x", "y", "cell"),
    [
        (56, 56, 0),
        (168, 56, 1),
        (280, 280, 8),
        (102, 56, 0),
        (104, 56, None),
        (121, 230, None),
        (122, 234, 7),
    ],
)
def test_the_cell_is_that_of_the_centre_unless_another_is_near(x: int, y: int, cell: int | None) -> None:
    thing = StampObject("cat", "animal", x - 10, y - 10, 20, 20, 0, PLAIN)
    near = {int(a // CELL) + 3 * int(b // CELL) for a in (x - 8, x + 8) for b in (y - 8, y + 8)}
    assert thing.cell == cell
    assert (len(near) == 1) == (cell is not None)


RECORDED = json.loads((Path(__file__).parents[1] / "data" / "stamp_scenes.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def blank() -> ObjectBank:
    """Return the catalogue with empty photographs of the right sizes: the real ones may not be passed on."""
    cutouts: dict[str, tuple[Image.Image, ...]] = {}
    for entry, size in zip(catalogue(), RECORDED["sizes"], strict=True):
        cutouts[entry.name] = (*cutouts.get(entry.name, ()), Image.new("RGBA", tuple(size)))
    return ObjectBank({entry.name: entry.kind for entry in catalogue()}, cutouts, checksum="")


TWO = (Photograph(Path("one.jpg"), (640, 427)), Photograph(Path("other.jpg"), (640, 427)))
"""Behind scenes that are not painted."""


@pytest.mark.parametrize(
    ("name", "style", "stream"), [("smooth", SmoothStyle(TWO), 2), ("natural", NaturalStyle(TWO), 12)]
)
def test_scenes_and_questions_are_those_that_the_adapters_were_measured_on(
    blank: ObjectBank, name: str, style: Style, stream: int
) -> None:
    """Recorded from the code of the training, whose accuracies are bundled."""
    assert len(RECORDED[name]) == 22
    for recorded in RECORDED[name]:
        kind = recorded["kind"]
        generator = np.random.default_rng((stream, list(AMOUNTS).index(kind), recorded["number"]))
        scene = compose(generator, kind, blank, style)
        found = [[one.name, one.x, one.y, one.width, one.height] for one in scene.objects]
        assert found == recorded["objects"]
        asked = [[one.text, one.answer] for one in ask(kind, scene, blank, generator)]
        assert asked == recorded["questions"]
