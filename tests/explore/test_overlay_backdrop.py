"""The picture behind a token grid: components as colours, pixels checked, a grid that the tokens fill."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from otanalysis.errors import InputError
from otanalysis.explore import pca_rgb
from otanalysis.explore.overlay import backdrop_of
from otanalysis.tokens import DumpWriter, Sample, open_dump

ROUNDING = 1e-9  # two singular value decompositions of rotated or permuted tokens


def cloud(seed: int = 0, m: int = 24, d: int = 6) -> np.ndarray:
    generator = np.random.default_rng(seed)
    # An exponential law: every component has a clear skewness, so its sign is fixed by more than rounding.
    return generator.exponential(size=(m, d)) * np.geomspace(9, 1, d)


def test_colours_lie_in_the_unit_cube_and_follow_the_grid() -> None:
    colours = pca_rgb(cloud(), (4, 6))
    assert colours.shape == (4, 6, 3)
    assert colours.min() >= 0.0
    assert colours.max() <= 1.0
    assert np.ptp(colours, axis=(0, 1)).min() > 0.2


def test_colours_belong_to_tokens_not_to_places() -> None:
    order = np.random.default_rng(1).permutation(24)
    straight = pca_rgb(cloud(), (4, 6)).reshape(24, 3)
    moved = pca_rgb(cloud()[order], (4, 6)).reshape(24, 3)
    np.testing.assert_allclose(moved, straight[order], atol=ROUNDING)
    assert np.abs(moved - straight).max() > 0.1


@pytest.mark.parametrize("change", ["rotate", "mirror", "scale", "shift"])
def test_colours_do_not_change_with_the_coordinates(change: str) -> None:
    tokens, generator = cloud(), np.random.default_rng(2)
    rotation, _ = np.linalg.qr(generator.standard_normal((6, 6)))
    other = {
        "rotate": tokens @ rotation,
        "mirror": -tokens,
        "scale": 1e-6 * tokens,
        "shift": tokens + generator.standard_normal(6),
    }[change]
    same = np.abs(pca_rgb(other, (4, 6)) - pca_rgb(tokens, (4, 6))).max() < ROUNDING
    # Mirrored tokens have mirrored skewness: the sign follows it, so the picture stays.
    assert same


def test_lightness_is_the_first_component() -> None:
    tokens = cloud()
    first = np.linalg.svd(tokens - tokens.mean(axis=0), full_matrices=False)[0][:, 0]
    light = pca_rgb(tokens, (4, 6)).reshape(24, 3) @ [0.2126, 0.7152, 0.0722]
    assert abs(np.corrcoef(first, light)[0, 1]) > 0.9


@pytest.mark.parametrize("tokens", [np.ones((4, 3)), np.zeros((4, 3)), np.arange(4.0)[:, None] * np.ones(3)])
def test_tokens_without_three_components_have_colours_too(tokens: np.ndarray) -> None:
    colours = pca_rgb(tokens, (2, 2))
    assert np.isfinite(colours).all()
    distinct = len(np.unique(tokens, axis=0))
    assert len(np.unique(colours.reshape(4, 3).round(6), axis=0)) == distinct


def test_one_outlier_does_not_grey_out_the_others() -> None:
    tokens = cloud(m=100)
    tokens[0] *= 1e3
    colours = pca_rgb(tokens, (10, 10)).reshape(100, 3)[1:]
    assert colours.std(axis=0).min() > 0.02


def test_a_sample_is_drawn_by_its_picture_if_there_is_one(tmp_path: Path) -> None:
    picture = np.full((8, 12, 3), 51, dtype=np.uint8)
    sample = Sample("one", cloud().astype(np.float32), (4, 6), {})
    assert not backdrop_of(sample).is_image
    folder = tmp_path / "dump"
    with DumpWriter(folder, model="m", benchmark="b", grid=(4, 6)) as writer:
        writer.add("one", cloud(), thumbnail=picture)
    for backdrop in (backdrop_of(sample, picture=picture), backdrop_of(open_dump(folder)[0])):
        assert backdrop.is_image
        assert backdrop.grid == (4, 6)
        np.testing.assert_allclose(backdrop.pixels, 0.2, atol=1 / 255)


def test_what_does_not_fit_is_refused() -> None:
    picture = np.zeros((8, 8, 3))
    for wrong, message in [
        (lambda: backdrop_of(picture), "pass grid"),
        (lambda: backdrop_of(picture, grid=(0, 4)), "at least 1"),
        (lambda: backdrop_of(picture[..., :2], grid=(2, 2)), "red, green, blue"),
        (lambda: backdrop_of(picture + 2, grid=(2, 2)), r"floats in \[0, 1\]"),
        (lambda: backdrop_of(picture.astype(int), grid=(2, 2)), "bytes"),
        (lambda: pca_rgb(cloud(), (5, 5)), "25 patches, but there are 24 tokens"),
        (lambda: pca_rgb(cloud()), "fill no square"),
        (lambda: pca_rgb(np.full((4, 2), np.nan)), "finite"),
        (lambda: backdrop_of({}, picture=picture), "tokens must"),
        (lambda: backdrop_of(np.ones(4), picture=picture), "tokens must"),
    ]:
        with pytest.raises(InputError, match=message):
            wrong()
