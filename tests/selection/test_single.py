"""DivPrune with the product in float32: the picks of float64, or none."""

from __future__ import annotations

import numpy as np
import pytest

from otanalysis.image import Image
from otanalysis.selection import select, single

M, D, KEEP = 96, 2900, 30


def cloud(kind: str) -> np.ndarray:
    generator = np.random.default_rng(3)
    tokens = generator.standard_normal((M, D))
    if kind == "clusters":
        return tokens + 2.0 * generator.standard_normal((5, D))[generator.integers(0, 5, M)]
    if kind == "duplicates":
        return tokens[generator.integers(0, M // 2, M)]
    if kind == "close":  # what tells tokens apart is below float32
        return tokens[0] + 1e-6 * tokens
    return tokens * generator.uniform(0.1, 10.0, (M, 1))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", ["noise", "clusters"])
def test_picks_and_gains_are_those_of_the_product_in_float64(kind: str, dtype: type) -> None:
    tokens = cloud(kind).astype(dtype)
    found = single.farthest_first(Image.of(tokens), KEEP)
    whole = select(Image(tokens), "divprune", keep=KEEP)

    assert found is not None
    assert found[0].tolist() == whole.pick_order.tolist()
    np.testing.assert_allclose(found[1], whole.gains, rtol=0, atol=1e-14)
    assert select(tokens, "divprune", keep=KEEP).pick_order.tolist() == whole.pick_order.tolist()


def test_duplicates_tie_and_the_first_is_picked() -> None:
    tokens = cloud("duplicates")
    whole = select(Image(tokens), "divprune", keep=KEEP)

    assert select(tokens, "divprune", keep=KEEP).pick_order.tolist() == whole.pick_order.tolist()


def test_of_duplicates_that_a_product_rounds_apart_the_first_is_picked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As OpenBLAS does on some processors, with some numbers of threads."""
    tokens, real = cloud("duplicates"), single._Search._exact

    def rounded_apart(search: single._Search, candidates: np.ndarray, step: int) -> np.ndarray:
        return real(search, candidates, step) + 1e-15 * np.arange(len(candidates))

    monkeypatch.setattr(single._Search, "_exact", rounded_apart)
    order, _ = single.farthest_first(Image.of(tokens), KEEP) or pytest.fail("float32 decides it")

    for place, pick in enumerate(order):
        equal = np.flatnonzero((tokens == tokens[pick]).all(axis=1))
        assert pick == np.setdiff1d(equal, order[:place])[0]


def test_no_error_is_above_its_bound_and_the_bound_is_not_idle() -> None:
    tokens = np.abs(cloud("noise"))  # whose sums round the same way more often
    lengths = np.linalg.norm(tokens, axis=1)
    rounded, bound = single.rounded_cosines(Image.of(tokens), lengths)
    error = np.abs(rounded - (tokens / lengths[:, None]) @ (tokens / lengths[:, None]).T).max()

    assert 0.0 < error <= bound
    assert bound < 1e-4
    assert rounded.dtype == np.float32
    assert np.array_equal(rounded, rounded.T)


def test_what_float32_leaves_open_is_decided_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens, asked = cloud("noise"), []
    real = single._Search._exact

    def counted(search: single._Search, candidates: np.ndarray, step: int) -> np.ndarray:
        asked.append((step, candidates.tolist()))
        return real(search, candidates, step)

    monkeypatch.setattr(single._Search, "_exact", counted)
    # With a bound a hundred times as large nearly every step has rivals, and the picks stay.
    wide = single.rounded_cosines
    monkeypatch.setattr(single, "rounded_cosines", lambda *given: (wide(*given)[0], 20.0 * wide(*given)[1]))
    found = single.farthest_first(Image.of(tokens), KEEP)

    assert found is not None
    assert sum(len(candidates) > 1 for _, candidates in asked) > KEEP / 3
    assert found[0].tolist() == select(Image(tokens), "divprune", keep=KEEP).pick_order.tolist()


def test_a_bound_that_is_too_small_picks_others(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = cloud("noise")
    noisy = np.random.default_rng(0).uniform(-1.0, 1.0, (M, M)).astype(np.float32) * 5e-3
    real = single.rounded_cosines

    def wrong(error: float) -> list[int]:
        def rounded(*given: np.ndarray) -> tuple[np.ndarray, float]:
            return (real(*given)[0] + (noisy + noisy.T) / 2).astype(np.float32), error

        monkeypatch.setattr(single, "rounded_cosines", rounded)
        found = single.farthest_first(Image.of(tokens), KEEP)
        assert found is not None
        return found[0].tolist()

    monkeypatch.setattr(single, "_MOST_CANDIDATES", KEEP)
    picks = select(Image(tokens), "divprune", keep=KEEP).pick_order.tolist()
    assert wrong(5.1e-3) == picks
    assert wrong(0.0) != picks


@pytest.mark.parametrize(
    "tokens",
    [
        cloud("close"),
        cloud("noise") * np.r_[0.0, np.ones(M - 1)][:, None],
        cloud("noise") * 1e60,
        cloud("noise")[:, :40],
        cloud("noise")[:1],
    ],
    ids=["too close", "a zero", "too long", "small", "one"],
)
def test_where_float32_is_of_no_use_nothing_is_found(tokens: np.ndarray) -> None:
    assert single.farthest_first(Image.of(tokens), min(KEEP, len(tokens))) is None
