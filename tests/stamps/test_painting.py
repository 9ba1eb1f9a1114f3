"""Painted scenes: what objects cover, and that nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from otanalysis.stamps.backgrounds import open_style
from otanalysis.stamps.geometry import GRID, PATCH, SIDE
from otanalysis.stamps.objects import ObjectBank
from otanalysis.stamps.painting import paint
from otanalysis.stamps.scenes import StampObject, StampScene, compose
from otanalysis.stamps.smooth import Gradient, SmoothLook

GREY = Gradient(np.full(3, 90), np.full(3, 90), np.zeros(2))
SQUARE = ObjectBank(
    {"tile": "tool"}, {"tile": (Image.new("RGBA", (160, 160), (200, 10, 10, 255)),)}, checksum=""
)


def tile(x: int, y: int, size: int, brightness: float | None = None) -> StampObject:
    return StampObject("tile", "tool", x, y, size, size, 0, SmoothLook(mirrored=False, brightness=brightness))


def test_an_opaque_square_covers_just_its_pixels() -> None:
    picture, covered = paint(StampScene((tile(14, 28, 21),), GREY), SQUARE)
    wanted = np.full((SIDE, SIDE, 3), 90)
    wanted[28:49, 14:35] = (200, 10, 10)
    np.testing.assert_array_equal(picture, wanted)
    shares = {1: 1.0, 2: 0.5}
    expected = np.zeros((GRID, GRID))
    for row, down in ((2, 1.0), (3, 0.5)):
        for column, across in shares.items():
            expected[row, column] = down * across
    np.testing.assert_allclose(covered.reshape(GRID, GRID), expected, atol=1e-12)


def test_what_two_objects_cover_counts_once() -> None:
    _, one = paint(StampScene((tile(0, 0, 42),), GREY), SQUARE)
    _, both = paint(StampScene((tile(0, 0, 42), tile(14, 14, 28)), GREY), SQUARE)
    np.testing.assert_allclose(both, one)
    assert both.sum() == pytest.approx(9)


def test_brightness_changes_the_colour_and_not_the_outline() -> None:
    dark, covered = paint(StampScene((tile(50, 50, 30, 0.5),), GREY), SQUARE)
    assert dark[60, 60].tolist() == [100, 5, 5]
    np.testing.assert_array_equal(covered, paint(StampScene((tile(50, 50, 30),), GREY), SQUARE)[1])


@pytest.mark.parametrize("backgrounds", ["smooth", "photographs"])
def test_patches_under_no_object_and_no_shadow_are_those_of_the_backdrop(
    bank: ObjectBank, backgrounds: str, request: pytest.FixtureRequest
) -> None:
    folder = backgrounds if backgrounds == "smooth" else str(request.getfixturevalue("photographs"))
    style, reach = open_style(folder, "test"), 1 if backgrounds == "smooth" else 24
    for seed in range(3):
        scene = compose(np.random.default_rng(seed), "where", bank, style)
        picture, covered = paint(scene, bank)
        again, _ = paint(scene, bank)
        np.testing.assert_array_equal(picture, again)
        changed = (picture != np.asarray(scene.backdrop.paint())).any(axis=2)
        assert changed.reshape(GRID, PATCH, GRID, PATCH).any(axis=(1, 3)).ravel()[covered > 0.5].all()
        near = np.zeros((SIDE + 2 * reach, SIDE + 2 * reach), bool)
        for thing in scene.objects:
            near[
                thing.y : thing.y + thing.height + 2 * reach, thing.x : thing.x + thing.width + 2 * reach
            ] = True
        assert not changed[~near[reach:-reach, reach:-reach]].any()


def test_a_mirrored_object_is_mirrored() -> None:
    half = np.zeros((160, 160, 4), np.uint8)
    half[:, :80] = 255
    bank = ObjectBank({"tile": "tool"}, {"tile": (Image.fromarray(half),)}, checksum="")
    sides = []
    for mirrored in (False, True):
        thing = StampObject("tile", "tool", 0, 0, 28, 28, 0, SmoothLook(mirrored=mirrored, brightness=None))
        sides.append(paint(StampScene((thing,), GREY), bank)[1].reshape(GRID, GRID)[:2, :2].sum(axis=0))
    np.testing.assert_allclose(sides[0], sides[1][::-1], atol=0.05)
    assert sides[0][0] > 1.8
