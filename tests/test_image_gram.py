"""The Gram matrix that is read off the distances: as right as a product, and only where it is."""

from __future__ import annotations

import numpy as np
import pytest

from otanalysis.arrays import normalise_tokens
from otanalysis.image import Image
from otanalysis.selection import select
from otanalysis.surrogate import cosine_kernel
from otanalysis.transport import bures_squared, gelbrich_squared, squared_distances, trace_objective

EPS = float(np.finfo(np.float64).eps)


def wide(m: int = 72, d: int = 4096, *, shift: float = 0.5) -> np.ndarray:
    """Return tokens of many features, their lengths alike, two of them equal."""
    tokens = np.random.default_rng(0).standard_normal((m, d)) + shift
    tokens[1] = tokens[0]
    return tokens


def test_it_is_the_product_to_rounding_and_no_product_of_the_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = wide()
    image, product = Image(tokens), tokens @ tokens.T
    monkeypatch.setattr(Image, "_products_of", None)

    assert image.reads_gram
    lengths = np.sqrt(np.diagonal(product))
    assert np.abs((image.gram - product) / np.outer(lengths, lengths)).max() < 64 * EPS
    assert np.array_equal(image.gram, image.gram.T)
    assert np.array_equal(image.gram[0], image.gram[1])
    assert not image.gram.flags.writeable


def test_what_is_made_of_it_is_what_plain_tokens_give() -> None:
    tokens, kept = wide(), np.arange(0, 72, 9)
    image = Image(tokens)

    for measure in (trace_objective, bures_squared, gelbrich_squared):
        assert measure(image, kept) == pytest.approx(measure(tokens, kept), rel=1e-12), measure.__name__
    rows = normalise_tokens(tokens, "rows")
    np.testing.assert_allclose(cosine_kernel(image), rows @ rows.T, rtol=0, atol=64 * EPS)
    assert (np.diagonal(cosine_kernel(image)) == 1.0).all()
    for method in ("dpp", "divprune", "otprune"):
        assert (
            select(image, method, keep=9).pick_order.tolist()
            == select(tokens, method, keep=9).pick_order.tolist()
        )


def test_moved_tokens_keep_their_distances() -> None:
    image = Image(wide(shift=3.0))
    moved = image.moved(-image.host.mean(axis=0))

    assert moved.squared_distances is image.squared_distances
    assert moved.reads_gram
    np.testing.assert_allclose(
        moved.gram, moved.host @ moved.host.T, rtol=0, atol=64 * EPS * moved.gram.max() * 4
    )


@pytest.mark.parametrize(
    "image",
    [
        Image(wide() * np.r_[1e-2, np.ones(71)][:, None]),
        Image(wide() * np.r_[0.0, np.ones(71)][:, None]),
        Image(wide() * 1e200),
        Image(wide(m=600, d=500)),
        Image(wide(m=20, d=30)),
        Image.of(wide()),
        Image(wide()).normalised("columns"),
    ],
    ids=["a short one", "a zero", "huge", "more tokens than features", "small", "for one call", "normalised"],
)
def test_other_tokens_have_a_product(image: Image) -> None:
    assert not image.reads_gram


def test_short_tokens_would_lose_digits() -> None:
    tokens = wide(shift=0.0) * np.r_[np.full(2, 1e-5), np.ones(70)][:, None]
    norms = np.sum(tokens**2, axis=1)
    read = (norms[0] + norms[2:] - squared_distances(tokens)[0, 2:]) / 2.0
    exact = tokens[0] @ tokens[2:].T

    assert np.abs(read - exact).max() > 1e4 * EPS * np.sqrt(norms[0] * norms[2])
    np.testing.assert_allclose(Image(tokens).gram[0, 2:], exact, rtol=1e-9, atol=1e-14)
