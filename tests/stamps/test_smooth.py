"""The smooth style: every backdrop against its definition, and what is drawn how often."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from otanalysis.stamps.backgrounds import open_style
from otanalysis.stamps.geometry import SIDE
from otanalysis.stamps.smooth import Gradient, SmoothStage, SoftNoise, SoftPhotograph
from otanalysis.stamps.style import Crop, Photograph


def test_a_gradient_goes_linearly_from_one_colour_to_the_other() -> None:
    first, last = np.array([40, 200, 100]), np.array([240, 0, 101])
    picture = np.asarray(Gradient(first, last, np.array([1.0, 0.0])).paint()).astype(float)
    for x in (0, 100, SIDE - 1):
        wanted = first + (last - first) * x / (SIDE - 1)
        np.testing.assert_allclose(picture[:, x], np.broadcast_to(wanted, (SIDE, 3)), atol=1)
    steep = np.asarray(Gradient(first, last, np.array([0.0, 3.0])).paint())
    np.testing.assert_array_equal(steep[0, 5], first)
    np.testing.assert_array_equal(steep[-1, 5], last)


def test_noise_is_a_few_colours_drawn_out_without_an_edge() -> None:
    noise = SoftNoise(np.array([[[10, 20, 30], [200, 20, 30]], [[10, 20, 30], [200, 20, 30]]], np.uint8))
    picture = np.asarray(noise.paint()).astype(int)
    assert picture.shape == (SIDE, SIDE, 3)
    assert (np.diff(picture[0, :, 0]) >= 0).all()
    assert np.abs(np.diff(picture[:, :, 0], axis=1)).max() <= 3
    assert picture[0, 0, 0] <= 12
    assert picture[0, -1, 0] >= 198


def test_a_soft_photograph_has_less_contrast_and_another_brightness() -> None:
    (photograph, *_) = open_style("smooth", "test").photographs
    crop = Crop(photograph, 100, 50, 250)
    plain, soft = (
        np.asarray(SoftPhotograph(crop, *how).paint()).astype(float)
        for how in ((None, 1.0, 1.0), (4.0, 0.5, 0.8))
    )
    assert soft.std() < 0.5 * plain.std()
    assert soft.mean() == pytest.approx(0.8 * plain.mean(), abs=1.5)


def test_backdrops_come_in_their_shares() -> None:
    style, generator = open_style("smooth", "test"), np.random.default_rng(0)
    seen = Counter(type(style.draw_stage(generator).backdrop) for _ in range(2000))
    assert seen[SoftPhotograph] / 2000 == pytest.approx(0.35, abs=0.04)
    assert seen[SoftNoise] / 2000 == pytest.approx(0.40, abs=0.04)
    assert seen[Gradient] / 2000 == pytest.approx(0.25, abs=0.04)


def test_the_fewer_objects_the_larger() -> None:
    style = open_style("smooth", "test")
    bounds = [(style.sizes(count).low, style.sizes(count).top) for count in range(1, 16)]
    assert bounds == sorted(bounds, reverse=True)
    assert (bounds[0], bounds[-1]) == ((64.0, 150.0), (42.0, 80.0))
    generator = np.random.default_rng(0)
    drawn = [style.sizes(3).draw(generator) for _ in range(200)]
    assert 64 <= min(drawn) < 70
    assert 124 < max(drawn) <= 130


def test_signs_are_never_mirrored_and_others_half_of_the_time() -> None:
    stage = SmoothStage(Gradient(np.zeros(3), np.zeros(3), np.zeros(2)))
    generator = np.random.default_rng(0)
    signs, tools = (
        [stage.draw_look(generator, kind, 50, 50) for _ in range(400)] for kind in ("sign", "tool")
    )
    assert not any(look.mirrored for look in signs)
    assert 150 < sum(look.mirrored for look in tools) < 250
    assert 150 < sum(look.brightness is None for look in tools) < 250


def test_a_crop_lies_inside_its_photograph() -> None:
    (photograph, *_) = open_style("smooth", "test").photographs
    assert photograph == Photograph(photograph.file, (640, 427))
    generator = np.random.default_rng(0)
    for _ in range(200):
        crop = Crop.draw(generator, (photograph,), 200)
        assert 200 <= crop.side <= 427
        assert 0 <= crop.x <= 640 - crop.side
        assert 0 <= crop.y <= 427 - crop.side
