"""Side information of an image: kept by everything that makes an image of it, and by nothing else changed."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import pytest

from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.tokens.read import Sample

TOKENS = np.random.default_rng(0).standard_normal((7, 3))
SIDE = {"cls_attention": np.arange(7.0), "mine": -np.ones(7)}
WEIGHTS = np.arange(1.0, 8.0)


def same(side: object) -> bool:
    assert isinstance(side, dict)
    return list(side) == list(SIDE) and all(np.array_equal(side[name], SIDE[name]) for name in SIDE)


@pytest.mark.parametrize(
    "make",
    [
        lambda image: image,
        lambda image: image.normalised("rows"),
        lambda image: image.normalised("columns").normalised("none"),
        lambda image: image.on_host,
        lambda image: image.with_weights([1, 2, 3, 4, 5, 6, 7]),
        lambda image: pickle.loads(pickle.dumps(image)),
        lambda image: Image.of_checked(image.tokens, image.weights, side=image.side),
    ],
)
def test_side_information_survives(make: Callable[[Image], Image]) -> None:
    torch = pytest.importorskip("torch")
    for tokens in (TOKENS, torch.from_numpy(TOKENS)):
        image = make(Image(tokens, weights=WEIGHTS, side=SIDE))
        assert same(image.side)
        assert image.weights is not None
        np.testing.assert_allclose(image.weights, WEIGHTS / 28)


def test_an_image_without_any_has_none() -> None:
    for image in (Image(TOKENS), Image.of(TOKENS), Image.of_checked(TOKENS), Image(TOKENS, side={})):
        assert image.side == {}
    assert "cls_attention, mine" in repr(Image(TOKENS, side=SIDE))


def test_the_image_of_a_sample_has_what_the_sample_brings() -> None:
    sample = Sample("a", TOKENS.astype(np.float32), None, {}, weights=WEIGHTS, side=SIDE)
    image = Image.of_sample(sample)
    assert same(image.side)
    np.testing.assert_allclose(image.weights, WEIGHTS / 28)
    np.testing.assert_array_equal(image.host, TOKENS.astype(np.float32))
    other = Image.of_sample(sample, weights=WEIGHTS[::-1])
    np.testing.assert_allclose(other.weights, WEIGHTS[::-1] / 28)
    assert same(other.side)


def test_side_information_of_other_tokens_is_refused() -> None:
    with pytest.raises(InputError, match=r"side\['a'\] must be 7 numbers"):
        Image(TOKENS, side={"a": np.ones(6)})
