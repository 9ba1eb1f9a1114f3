"""The natural style: light, shadows and edges of one object on a plain canvas, and sharp backdrops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from otanalysis.stamps.backgrounds import open_style
from otanalysis.stamps.geometry import SIDE
from otanalysis.stamps.natural import Light, NaturalLook, SharpPhotograph
from otanalysis.stamps.style import Crop, Photograph

LOOK = NaturalLook(False, 1.0, np.ones(3), Light(4, 5, 0.4), shadow=None, edge=None)
TILE = Image.new("RGBA", (160, 160), (100, 100, 100, 255))
BOX = (100, 120, 40, 40)
INSIDE = (slice(120, 160), slice(100, 140))


def pasted(look: NaturalLook, behind: int = 200, tile: Image.Image = TILE) -> tuple[np.ndarray, np.ndarray]:
    canvas = Image.new("RGB", (SIDE, SIDE), (behind, behind, behind))
    opacity = look.paste(canvas, tile, BOX)
    return np.asarray(canvas).astype(int), np.asarray(opacity)


@pytest.mark.parametrize(("behind", "gain"), [(0, 0.82), (100, 0.82 + 0.36 * 100 / 255), (255, 1.12)])
def test_an_object_is_brighter_where_it_is_bright_behind_it(behind: int, gain: float) -> None:
    picture, opacity = pasted(LOOK, behind)
    assert picture[140, 120].tolist() == [int(100 * gain)] * 3
    outside = np.ones((SIDE, SIDE), bool)
    outside[INSIDE] = False
    assert (picture[outside] == behind).all()
    assert (opacity == 255).all()


def test_exposure_and_tint_are_factors_of_the_colours() -> None:
    plain, _ = pasted(LOOK)
    tinted, _ = pasted(replace(LOOK, exposure=0.9, tint=np.array([1.0, 0.95, 1.05])))
    ratio = tinted[140, 120] / plain[140, 120]
    np.testing.assert_allclose(ratio, [0.9, 0.855, 0.945], atol=0.02)


def test_a_shadow_darkens_its_side_only() -> None:
    picture, _ = pasted(replace(LOOK, shadow=2.0))
    assert (picture <= 200).all()
    assert picture[162, 120, 0] < 160, "below: the light comes from the upper left"
    assert picture[140, 142, 0] < 175
    assert (picture[:117] == 200).all()
    picture[INSIDE] = 200
    assert 200 * 0.6 - 1 <= picture.min() < 200 * 0.8


def test_a_soft_edge_stays_within_the_outline() -> None:
    hard, opacity = pasted(LOOK)
    soft, same = pasted(replace(LOOK, edge=1.2))
    np.testing.assert_array_equal(opacity, same)
    changed = (hard != soft).any(axis=2)
    assert changed[INSIDE].any()
    assert not changed[INSIDE][3:-3, 3:-3].any()
    changed[INSIDE] = False
    assert not changed.any()


def test_a_backdrop_is_a_sharp_part_of_its_photograph(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photograph.png")
    crop = Crop(Photograph(tmp_path / "photograph.png", (SIDE, SIDE)), 0, 0, SIDE)
    np.testing.assert_array_equal(np.asarray(SharpPhotograph(crop, False, None, None).paint()), pixels)
    np.testing.assert_array_equal(
        np.asarray(SharpPhotograph(crop, True, None, None).paint()), pixels[:, ::-1]
    )
    dull = ImageEnhance.Color(ImageEnhance.Brightness(Image.fromarray(pixels)).enhance(0.9)).enhance(0.5)
    np.testing.assert_array_equal(
        np.asarray(SharpPhotograph(crop, False, 0.9, 0.5).paint()), np.asarray(dull)
    )


def test_every_fifth_object_is_small_and_thin_ones_keep_their_edge(photographs: Path) -> None:
    style, generator = open_style(str(photographs), "train"), np.random.default_rng(0)
    drawn = np.array([style.sizes(5).draw(generator) for _ in range(1000)])
    assert 24 <= drawn.min() < 27
    assert 107 < drawn.max() <= 110
    assert np.mean(drawn < 42) == pytest.approx(0.18, abs=0.04)
    stage = style.draw_stage(generator)
    looks = [stage.draw_look(generator, "animal", 14, 60) for _ in range(50)]
    assert all(look.edge is None for look in looks)
    assert any(stage.draw_look(generator, "animal", 15, 60).edge for _ in range(50))
    assert {look.light for look in looks} == {stage.light}
