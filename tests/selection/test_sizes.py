"""Distances and lengths of tokens of any size: those of ordinary ones, or refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.selection import select
from otanalysis.selection.sizes import distances_between, lengths, ordinary_size

TOKENS = np.random.default_rng(0).standard_normal((12, 4))


@pytest.mark.parametrize("size", [1e-300, 1e-170, 1.0, 1e77, 1e200, 1e300])
def test_distances_and_lengths_scale_with_the_tokens(size: float) -> None:
    image = Image(size * TOKENS)
    np.testing.assert_allclose(distances_between(image), size * cdist(TOKENS, TOKENS), rtol=1e-9)
    np.testing.assert_allclose(lengths(image), size * np.linalg.norm(TOKENS, axis=1), rtol=1e-12)


def test_distances_are_of_the_kind_of_the_tokens_and_those_of_duplicates_are_zero() -> None:
    torch = pytest.importorskip("torch")
    tokens = np.repeat(TOKENS, 2, axis=0)
    found = distances_between(Image(torch.from_numpy(tokens)))
    assert isinstance(found, torch.Tensor)
    assert found.dtype == torch.float64
    np.testing.assert_array_equal(found.numpy(), distances_between(Image(tokens)))
    assert found[0, 1] == found[22, 23] == 0.0


def test_what_leaves_the_range_of_numbers_is_refused() -> None:
    huge = Image(np.array([[1e308, 0.0], [0.0, 1.0], [0.0, 0.0]]))
    with pytest.raises(InputError, match="too large for sums of distances"):
        distances_between(huge)
    assert lengths(huge)[0] == 1e308
    with pytest.raises(InputError, match="too large for lengths"):
        lengths(Image(np.full((2, 9), 1e308)))


@pytest.mark.parametrize("power", [-1000, -90, 0, 90, 700])
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_the_ordinary_size_is_another_power_of_two(power: int, library: str) -> None:
    tokens = np.ldexp(TOKENS, power)
    given = tokens if library == "numpy" else pytest.importorskip("torch").from_numpy(tokens)
    image = Image(given)
    found = ordinary_size(image)
    assert type(found.tokens) is type(given)
    assert (found is image) == (abs(power) <= 90)
    ratio = found.host / tokens
    assert np.unique(ratio).size == 1
    assert np.frexp(ratio[0, 0])[0] == 0.5
    gram = np.asarray(found.gram)
    assert np.isfinite(gram).all()
    assert gram.min(initial=1.0, where=gram > 0.0) > 1e-100


@pytest.mark.parametrize("size", [1e-170, 1e77])
@pytest.mark.parametrize(
    "method",
    [
        "fps",
        "facility-location",
        "herding",
        "max-sum",
        "pivoted-qr",
        "leverage",
        "pca-residual",
        "dart",
        "norm",
    ],
)
def test_tokens_of_another_unit_are_selected_alike(method: str, size: float) -> None:
    wanted = select(TOKENS, method, keep=5).pick_order.tolist()
    assert select(size * TOKENS, method, keep=5).pick_order.tolist() == wanted
