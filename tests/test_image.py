"""Squared distances against the definition; the image object makes everything once, and nothing else."""

from __future__ import annotations

import gc
import pickle
import weakref
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist

import otanalysis as ota
from otanalysis import arrays, image as image_module
from otanalysis.arrays import Normalisation, normalise_tokens
from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.selection import TOKEN_METHODS, select
from otanalysis.studies.runs import SweepSettings
from otanalysis.studies.sweep import measure_sample
from otanalysis.surrogate import Ladder
from otanalysis.tokens import Sample
from otanalysis.transport import quantisation_error, squared_distances, wasserstein2

# The worst case that the docstring promises; cdist itself is exact to about d ulps.
RELATIVE_TOLERANCE = 1e-10


@pytest.mark.parametrize("shift", [0.0, 1e3])
@pytest.mark.parametrize("m", [1, 2, 40])
def test_agrees_with_the_definition(m: int, shift: float) -> None:
    tokens = np.random.default_rng(m).standard_normal((m, 7)) + shift

    result = squared_distances(tokens)

    np.testing.assert_allclose(result, cdist(tokens, tokens, "sqeuclidean"), rtol=RELATIVE_TOLERANCE, atol=0)
    assert result.dtype == np.float64
    assert np.array_equal(result, result.T)
    assert not np.diagonal(result).any()


def test_two_clouds_agree_with_the_definition() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.standard_normal((9, 4)), 5 + generator.standard_normal((6, 4))

    np.testing.assert_allclose(
        squared_distances(a, b), cdist(a, b, "sqeuclidean"), rtol=RELATIVE_TOLERANCE, atol=0
    )


def test_duplicates_are_at_distance_zero_and_near_duplicates_are_not() -> None:
    base = 100 * np.random.default_rng(1).standard_normal((20, 300))
    near = base[:1] + np.eye(1, 300) * 1e-6
    tokens = np.vstack([base, base, near])

    result = squared_distances(tokens)

    assert not np.diagonal(result[:20, 20:40]).any()
    # The difference itself is rounded by half an ulp of 100, 1.4e-14, on a step of 1e-6.
    assert result[0, 40] == pytest.approx(1e-12, rel=1e-7, abs=0)
    naive = (base**2).sum(1)[0] + (near**2).sum() - 2 * (base[0] @ near[0])
    assert naive != pytest.approx(1e-12, rel=1e-1, abs=0), "the guard must be needed here"


def test_close_pairs_are_recomputed_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otanalysis.image._CHUNK_ENTRIES", 16)
    tokens = np.vstack([np.full((12, 5), 7.0), np.zeros((3, 5))])

    result = squared_distances(tokens)

    assert np.array_equal(result, cdist(tokens, tokens, "sqeuclidean"))


def test_short_integers_and_half_floats_are_computed_in_double_precision() -> None:
    tokens = np.array([[200, 100], [10, 250]], dtype=np.uint8)
    halves = np.array([[60000.0], [-60000.0]], dtype=np.float16)
    exact = float(Fraction(float(halves[0, 0]) - float(halves[1, 0])) ** 2)

    assert squared_distances(tokens)[0, 1] == 190.0**2 + 150.0**2
    assert squared_distances(halves)[0, 1] == exact


def test_refuses_clouds_it_cannot_measure() -> None:
    with pytest.raises(InputError, match="same dimension; got 2 and 3"):
        squared_distances(np.zeros((4, 2)), np.zeros((4, 3)))
    with pytest.raises(InputError, match="too large for squared distances"):
        squared_distances([[1e200], [-1e200]])


class Traced:
    """How often tokens are scanned for NaN, and how often an image makes a matrix."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.scans = 0
        self.grams: list[Image] = []
        self.distances: list[np.ndarray] = []
        scan, gram, distances = arrays._check_finite, Image.gram.func, image_module._squared_distances

        def counted_scan(array: np.ndarray, name: str) -> None:
            self.scans += 1
            scan(array, name)

        def counted_gram(image: Image) -> np.ndarray:
            self.grams.append(image)
            return gram(image)

        def counted_distances(left: np.ndarray, right: np.ndarray | None, *scale: int) -> np.ndarray:
            self.distances.append(left)
            return distances(left, right, *scale)

        counted = cached_property(counted_gram)
        counted.__set_name__(Image, "gram")
        monkeypatch.setattr(arrays, "_check_finite", counted_scan)
        monkeypatch.setattr(Image, "gram", counted)
        monkeypatch.setattr(image_module, "_squared_distances", counted_distances)


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Traced:
    return Traced(monkeypatch)


def cloud(m: int = 30, d: int = 6) -> np.ndarray:
    return np.random.default_rng(5).standard_normal((m, d)) + 0.5


OF_PRODUCTS = {
    "otprune",
    "otprune-paper",
    "dpp",
    "divprune",
    "facility-location",
    "pivoted-qr",
    "leverage",
}
OF_DISTANCES = {"kmedoids", "ot-medoids", "fps", "herding", "max-sum"}


@pytest.mark.parametrize("method", sorted(TOKEN_METHODS))
def test_selecting_scans_the_tokens_once(traced: Traced, method: str) -> None:
    select(cloud(), method, keep=5)

    assert traced.scans == 1
    assert len(traced.grams) == (method in OF_PRODUCTS)
    assert len(traced.distances) == (method in OF_DISTANCES)


def test_a_second_scan_and_a_second_matrix_would_be_seen(traced: Traced) -> None:
    for _ in range(2):
        select(cloud(), "otprune", keep=5)
        wasserstein2(cloud(), [1, 2])

    assert (traced.scans, len(traced.grams), len(traced.distances)) == (4, 2, 2)


def test_a_sweep_of_one_sample_makes_everything_once(traced: Traced) -> None:
    how: tuple[Normalisation, ...] = ("none", "columns", "rows")
    asked = SweepSettings(("otprune", "divprune", "kmedoids", "random"), (0.1, 0.2), (0.01,), (0,), how)
    measurements = asked.measurements()
    assert len(measurements) == 24

    rows = measure_sample(Sample("one", cloud(), None, {}), measurements)

    assert len(rows) == 24
    assert traced.scans == 1
    assert len(traced.distances) == 3, "one a normalisation"
    assert len({image.tokens.tobytes() for image in traced.grams}) == len(traced.grams) == 2, (
        "columns and rows"
    )


def test_wide_tokens_take_the_gram_matrix_of_each_normalisation_once(traced: Traced) -> None:
    image = Image(cloud(8, 20))
    for _ in range(2):
        for how in ("none", "columns", "rows"):
            ladder = Ladder(image, normalise=how)
            ladder.distances([1, 4])
            ladder.released.value(np.array([1, 4]), 0.01)
            select(image, "otprune", keep=2, normalise=how)
        select(image, "dpp", keep=2)

    # Gaussians of wide tokens are read off the Gram matrix: once more for the tokens less their mean.
    assert len({one.tokens.tobytes() for one in traced.grams}) == len(traced.grams) == 2 * 3


def test_everything_is_the_same_as_of_plain_tokens() -> None:
    tokens = cloud()
    image, kept = Image(tokens), [3, 17, 20]

    for how in ("none", "columns", "rows"):
        assert np.array_equal(image.normalised(how).tokens, normalise_tokens(tokens, how))
        assert (
            wasserstein2(image, kept, normalise=how).distance
            == wasserstein2(tokens, kept, normalise=how).distance
        )
    assert quantisation_error(image, kept) == quantisation_error(tokens, kept)
    assert ota.gelbrich_squared(image, kept) == ota.gelbrich_squared(tokens, kept)
    assert ota.bures_squared(image, kept) == ota.bures_squared(tokens, kept)
    assert ota.trace_objective(image, kept) == ota.trace_objective(tokens, kept)
    assert ota.spectral_bound(image, 3) == ota.spectral_bound(tokens, 3)
    assert ota.wasserstein2_floor(image, 3).parts == ota.wasserstein2_floor(tokens, 3).parts
    assert ota.logdet_upper_bound(image, 3).value == ota.logdet_upper_bound(tokens, 3).value
    assert ota.Ladder(image).values(kept) == ota.Ladder(tokens).values(kept)
    assert ota.certify(image, kept).distance_ratio == ota.certify(tokens, kept).distance_ratio
    assert ota.compare(image, keep=3).equals(ota.compare(tokens, keep=3))
    assert np.array_equal(np.asarray(image), tokens)


def test_an_image_is_checked_when_it_is_made() -> None:
    with pytest.raises(InputError, match="finite"):
        Image([[1.0, np.nan]])
    with pytest.raises(InputError, match="normalise must be one of"):
        Image([[1.0]]).normalised("columm")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"0\.\.1; got 2"):
        Image([[1.0], [2.0]]).to_kept([2])
    assert repr(Image([[1.0, 2.0]])) == "Image(1 tokens of dimension 2)"


def test_what_an_image_keeps_is_made_once_and_goes_to_other_processes_with_its_distances() -> None:
    image = Image(cloud())
    made: list[int] = []

    def count(one: Image) -> int:
        made.append(len(one))
        return len(made)

    assert image.shared(count) == image.shared(count) == 1
    assert image.squared_distances is image.squared_distances
    assert image.gram is image.gram

    sent = pickle.loads(pickle.dumps(image))

    assert np.array_equal(sent.tokens, image.tokens)
    assert "squared_distances" in sent.__dict__
    assert "gram" not in sent.__dict__
    assert sent.shared(len) == 30


def test_torch_tokens_stay_where_they_are() -> None:
    torch = pytest.importorskip("torch")
    tokens = torch.from_numpy(cloud()).float()

    image = Image(tokens)

    assert isinstance(image.gram, torch.Tensor)
    assert isinstance(image.normalised("rows").tokens, torch.Tensor)
    assert isinstance(select(image, "random", keep=3).indices, torch.Tensor)
    assert isinstance(image.squared_distances, np.ndarray)
    assert isinstance(image.on_host.gram, np.ndarray)
    assert Image(cloud()).on_host.tokens is not None
    assert wasserstein2(image, [1, 2]).distance == wasserstein2(tokens, [1, 2]).distance


def test_an_image_keeps_its_own_copy_and_lets_nobody_write_to_what_is_shared() -> None:
    tokens = cloud()
    image = Image(tokens)
    before = wasserstein2(image, [1, 2]).distance
    tokens[:] = 0.0

    assert wasserstein2(Image(image.tokens), [1, 2]).distance == before
    for shared in (
        image.tokens,
        image.gram,
        image.squared_gram,
        ota.squared_distances(image),
        image.normalised("rows").tokens,
    ):
        with pytest.raises(ValueError, match="read-only"):
            shared[0, 0] = 1.0


def test_an_image_is_freed_with_its_last_user() -> None:
    gc.collect()
    gc.disable()
    try:
        for use in (
            lambda image: image.on_host,
            lambda image: ota.Ladder(image).values([1, 2]),
            lambda image: ota.bures_squared(image, [1, 2]),
            lambda image: ota.gelbrich_squared(image, [1, 2]),
            lambda image: ota.certify(image, [1, 2]),
            lambda image: select(image, "otprune", keep=2),
        ):
            image = Image(cloud())
            use(image)
            gone = weakref.ref(image)
            del image
            assert gone() is None, "it holds itself"
    finally:
        gc.enable()


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("how", ["all", "one token", "one feature"])
def test_products_that_overflow_are_refused_where_they_are_made(library: str, how: str) -> None:
    tokens = np.random.default_rng(0).standard_normal((6, 3))
    rows, columns = {
        "all": (slice(None), slice(None)),
        "one token": (2, slice(None)),
        "one feature": (slice(None), 1),
    }[how]
    tokens[rows, columns] *= 1e100
    given = tokens if library == "numpy" else pytest.importorskip("torch").from_numpy(tokens)

    # Squares of 1e200 hold; their squares do not.
    assert np.isfinite(np.asarray(Image(given).gram)).all()
    with pytest.raises(InputError, match="too large for products"):
        _ = Image(given).squared_gram
    with pytest.raises(InputError, match="too large for products"):
        _ = Image(given * 1e100).gram
    for normalise in ("rows", "columns"):
        assert np.isfinite(np.asarray(Image(given * 1e100).normalised(normalise).squared_gram)).all()


def test_an_image_of_a_frame_keeps_what_it_was_made_of() -> None:
    frame = pd.DataFrame(np.eye(3))
    image = Image(frame)
    frame.iloc[0, 0] = 7.0

    assert image.tokens.tolist() == np.eye(3).tolist()


def test_weights_are_masses_and_go_wherever_the_image_goes() -> None:
    tokens = np.random.default_rng(0).standard_normal((5, 3))
    weights = np.array([1.0, 0.0, 2.0, 4.0, 1.0])
    image = Image(tokens, weights=weights)
    assert image.weights is not None
    np.testing.assert_array_equal(image.weights, weights / 8)
    assert repr(image) == "Image(5 tokens of dimension 3, weighted)"

    for other in (image.normalised("rows"), image.on_host, pickle.loads(pickle.dumps(image))):
        np.testing.assert_array_equal(other.weights, image.weights)
    weights[0] = 7.0
    assert image.weights[0] == 0.125
    with pytest.raises(ValueError, match="read-only"):
        image.weights[0] = 1.0


def test_the_grid_goes_wherever_the_image_goes() -> None:
    image = Image(cloud(12), grid=np.array([3, 4]))  # type: ignore[arg-type]
    assert image.grid == (3, 4)
    assert Image(cloud(12)).grid is None
    weighted = image.with_weights(np.arange(12))
    for other in (image.normalised("rows"), image.on_host, weighted, pickle.loads(pickle.dumps(image))):
        assert other.grid == (3, 4)
    assert weighted.weights is not None
    assert image.with_weights(None) is image


@pytest.mark.parametrize("grid", [(3, 3), (12,), (2, 2, 3), (0, 12), (-3, -4), "ab", (1.5, 8), 12])
def test_a_grid_that_the_tokens_do_not_fill_is_refused(grid: Any) -> None:
    with pytest.raises(InputError, match="grid"):
        Image(cloud(12), grid=grid)


def test_the_image_of_a_sample_has_what_the_sample_brings() -> None:
    tokens, weights = cloud(12).astype(np.float32), np.arange(12.0)
    sample = Sample("a", tokens, (2, 6), {}, weights=weights)
    image = Image.of_sample(sample)
    assert image.grid == (2, 6)
    np.testing.assert_allclose(image.weights, weights / 66, rtol=1e-15)
    np.testing.assert_array_equal(image.tokens, tokens)
    assert Image.of_sample(sample, weights=np.ones(12)).weights is None
    # A picture in several views has more tokens than the grid of one of them.
    assert Image.of_sample(Sample("a", tokens, (2, 3), {})).grid is None


def test_equal_weights_are_none_and_bad_ones_are_refused() -> None:
    tokens = np.eye(3)
    assert Image(tokens).weights is None
    assert Image(tokens, weights=[0.1, 0.1, 0.1]).weights is None
    assert Image(tokens, weights=[1, 2, 3]).masses(np.ones(3)) is None  # what is given goes before
    np.testing.assert_array_equal(Image(tokens, weights=[1, 1, 2]).masses(None), [0.25, 0.25, 0.5])
    with pytest.raises(InputError, match=r"weights must be 3 numbers, one a token; got shape \(2,\)"):
        Image(tokens, weights=[1.0, 2.0])
    with pytest.raises(InputError, match="not negative"):
        Image(tokens, weights=[1.0, 2.0, -1.0])
