"""Greedy log-determinant with the product in float32: the picks and gains of float64, or none."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from otanalysis.image import Image
from otanalysis.selection import SELECTORS, Selection, rounded, select, select_batch, single_logdet
from otanalysis.selection.dpp import GreedyDPP
from otanalysis.selection.otprune import OTPrune

M, D, KEEP = 96, 2900, 12
METHODS = ("otprune", "dpp")
Pair = tuple[np.ndarray, np.ndarray]


@pytest.fixture(autouse=True)
def as_if_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clouds be chosen from in float32 where only larger ones gain by it."""
    monkeypatch.setattr(single_logdet, "_LEAST_PRODUCTS", 0)
    monkeypatch.setattr(single_logdet._SquaredGram, "most", 0.25)


def cloud(kind: str, m: int = M, d: int = D, seed: int = 3) -> np.ndarray:
    generator = np.random.default_rng(seed)
    tokens = generator.standard_normal((m, d))
    if kind == "clusters":
        return tokens + 2.0 * generator.standard_normal((5, d))[generator.integers(0, 5, m)]
    if kind == "spread":
        return tokens * np.exp(generator.normal(0.0, 1.0, (m, 1)) + generator.normal(0.0, 5.0, (1, d)))
    if kind == "duplicates":
        return tokens[generator.integers(0, m // 4, m)]
    if kind == "copies":  # of other lengths, which cosines do not see, and 1e-9 apart
        return tokens[generator.integers(0, m // 4, m)] * (1.0 + 1e-9 * generator.standard_normal((m, 1)))
    if kind == "flat":  # of rank four
        return tokens[:, :4] @ generator.standard_normal((4, d))
    if kind == "close":  # what tells tokens apart is below float32
        return tokens[0] + 1e-6 * tokens
    return tokens


def kernel_of(tokens: np.ndarray, method: str, gamma: float = 0.01) -> np.ndarray:
    """Return the kernel of a method as it is defined."""
    wide = tokens.astype(np.float64)
    if method == "dpp":
        unit = wide / np.linalg.norm(wide, axis=1, keepdims=True)
        kernel = unit @ unit.T
        np.fill_diagonal(kernel, 1.0)
        return kernel
    lengths = np.linalg.norm(wide, axis=0)
    unit = wide / np.where(lengths > 0.0, lengths, 1.0)
    return np.eye(len(wide)) + gamma * np.linalg.matrix_power(unit @ unit.T, 2)


def greedy_by_definition(kernel: np.ndarray, keep: int) -> tuple[list[int], list[float]]:
    """Return picks and gains: the token with which the determinant of the kept block is largest."""
    picks: list[int] = []
    values = [0.0]
    for _ in range(keep):
        sets = [[*picks, one] for one in range(len(kernel)) if one not in picks]
        logdets = np.linalg.slogdet(np.stack([kernel[np.ix_(kept, kept)] for kept in sets]))[1]
        picks = sets[int(np.argmax(np.round(logdets, 11)))]
        values.append(float(logdets.max()))
    return picks, np.diff(values).tolist()


def found(tokens: np.ndarray, method: str, keep: int = KEEP) -> Pair | None:
    selector = SELECTORS[method]
    assert isinstance(selector, GreedyDPP | OTPrune)
    return selector.at_once(Image.of(tokens), keep)


def check_same(one: Selection, other: Selection) -> None:
    assert one.pick_order.tolist() == other.pick_order.tolist()
    np.testing.assert_allclose(one.gains, other.gains, rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("kind", ["noise", "clusters", "spread"])
@pytest.mark.parametrize("method", METHODS)
def test_picks_and_gains_are_those_of_the_definition(method: str, kind: str, dtype: type) -> None:
    tokens = cloud(kind)
    tokens = (tokens / np.abs(tokens).max(axis=0)).astype(dtype)
    before = tokens.copy()
    pair = found(tokens, method)
    picks, gains = greedy_by_definition(kernel_of(tokens, method), KEEP)

    assert pair is not None
    assert pair[0].tolist() == picks
    np.testing.assert_allclose(pair[1], gains, rtol=0, atol=1e-12)
    check_same(select(tokens, method, keep=KEEP), select(Image(tokens), method, keep=KEEP))
    assert np.array_equal(tokens, before)


@pytest.mark.parametrize("method", METHODS)
def test_a_thousand_small_clouds(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounded, "_LEAST_ENTRIES", 0)
    monkeypatch.setattr(rounded, "_WIDTH", 8)
    monkeypatch.setattr(single_logdet, "_BLOCK", 3)
    generator = np.random.default_rng(0)
    certain = 0
    for seed in range(1000):
        m, d = int(generator.integers(8, 28)), int(generator.integers(2, 30))
        kind = ("noise", "clusters", "spread", "duplicates", "close")[seed % 5]
        keep = int(generator.integers(1, m // 4 + 1))
        tokens = cloud(kind, m, d, seed)
        pair = found(tokens, method, keep)
        whole = select(Image(tokens), method, keep=keep)
        if pair is not None:
            certain += 1
            assert (seed, pair[0].tolist()) == (seed, whole.pick_order.tolist())
            np.testing.assert_allclose(pair[1], whole.gains, rtol=1e-9, atol=1e-9)
    assert 500 < certain < 1000


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["duplicates", "copies", "close"])
def test_ties_and_what_is_too_close_are_left_to_float64(kind: str, method: str) -> None:
    tokens = cloud(kind)

    assert found(tokens, method) is None
    one, (other,) = select(tokens, method, keep=KEEP), select_batch([tokens], method, keep=KEEP)
    assert one.pick_order.tolist() == other.pick_order.tolist()
    assert np.array_equal(one.gains, other.gains)


def test_cosines_that_the_picks_span_are_left_to_float64() -> None:
    tokens = cloud("flat")

    assert found(tokens, "dpp") is None
    assert found(tokens, "dpp", 4) is not None
    check_same(select(tokens, "dpp", keep=KEEP), select(Image(tokens), "dpp", keep=KEEP))


def noisy(method: str, size: float, said: float) -> Callable[..., tuple[np.ndarray, float]]:
    """Return a product with errors up to a size, over lengths, and what it says of them."""
    name = "rounded_cosines" if method == "dpp" else "rounded_products"
    real, noise = getattr(rounded, name), np.random.default_rng(0).uniform(-size, size, (M, M))

    def product(*given: object) -> tuple[np.ndarray, float]:
        made, _ = real(*given)
        lengths = np.sqrt(made.diagonal())
        off = np.triu(noise, 1) * lengths[:, None] * lengths
        return (made + off + off.T).astype(np.float32), said

    return product


@pytest.mark.parametrize(("method", "size"), [("otprune", 2e-3), ("dpp", 2e-3)])
def test_errors_within_the_bound_change_nothing_and_beyond_it_they_do(
    method: str, size: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens, name = cloud("clusters"), "rounded_cosines" if method == "dpp" else "rounded_products"
    for kind in (single_logdet._Cosines, single_logdet._SquaredGram):
        monkeypatch.setattr(kind, "most", 1.0)
    whole = select(Image(tokens), method, keep=KEEP).pick_order.tolist()

    def picks(said: float) -> list[int]:
        monkeypatch.setattr(single_logdet, name, noisy(method, size, said))
        pair = found(tokens, method)
        assert pair is not None
        return pair[0].tolist()

    assert picks(1.01 * size) == whole
    assert picks(0.0) != whole


@pytest.mark.parametrize("method", METHODS)
def test_no_residual_is_above_what_it_is_said_to_be_at_most(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens, size = cloud("clusters"), 1e-5
    name = "rounded_cosines" if method == "dpp" else "rounded_products"
    monkeypatch.setattr(single_logdet, name, noisy(method, size, 1.01 * size))
    said: list[np.ndarray] = []
    for kind in (single_logdet._Cosines, single_logdet._SquaredGram):
        monkeypatch.setattr(kind, "most", 1.0)
        real = kind.above
        monkeypatch.setattr(
            kind,
            "above",
            lambda search, *given, real=real: said.append(real(search, *given)) or said[-1].copy(),
        )
    pair = found(tokens, method)
    assert pair is not None
    kernel, order = kernel_of(tokens, method), pair[0]

    widest = 0.0
    for step in range(KEEP):
        kept = order[:step]
        solved = np.linalg.solve(kernel[np.ix_(kept, kept)], kernel[kept])
        residual = kernel.diagonal() - np.sum(kernel[kept] * solved, axis=0)
        assert (residual <= said[-1][step] + 1e-12).all()
        widest = max(widest, float(np.max(np.delete(said[-1][step] - residual, order))))
    assert 0.0 < widest < 0.1


def test_a_candidate_that_was_not_proposed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens, rounds = cloud("clusters"), []
    real = single_logdet._Search._rivals
    monkeypatch.setattr(
        single_logdet._Search,
        "_rivals",
        lambda search, *given: rounds.append(real(search, *given)) or rounds[-1],
    )
    # The picks of float32 alone, all of them wrong but the first.
    monkeypatch.setattr(single_logdet._Search, "_proposed", lambda _, keep: np.arange(keep, dtype=np.int64))
    monkeypatch.setattr(single_logdet._Cosines, "most", 1.0)
    monkeypatch.setattr(single_logdet, "_ROUNDS", M)
    pair = found(tokens, "dpp")

    assert pair is not None
    assert pair[0].tolist() == select(Image(tokens), "dpp", keep=KEEP).pick_order.tolist()
    assert len(rounds) > 1
    assert len(rounds[-1]) == 0


@pytest.mark.parametrize("method", METHODS)
def test_a_product_that_is_not_felt_is_made_in_float64(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(cloud("noise"), method) is not None
    monkeypatch.setattr(single_logdet, "_LEAST_PRODUCTS", M * M * D + 1)
    assert found(cloud("noise"), method) is None


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "tokens",
    [cloud("noise")[:, :40], cloud("noise")[:1], cloud("noise") * 1e60, cloud("noise")[: 2 * KEEP - 1]],
    ids=["small", "one", "too long", "many kept"],
)
def test_where_float32_is_of_no_use_nothing_is_found(tokens: np.ndarray, method: str) -> None:
    assert found(tokens, method, min(KEEP, len(tokens))) is None


def test_a_token_of_zeros_has_no_cosine_in_float32() -> None:
    tokens = cloud("noise") * np.r_[0.0, np.ones(M - 1)][:, None]

    assert found(tokens, "dpp") is None
    assert found(tokens, "otprune") is not None
    check_same(select(tokens, "otprune", keep=KEEP), select(Image(tokens), "otprune", keep=KEEP))


def test_a_feature_of_zeros_changes_nothing() -> None:
    tokens = cloud("noise")
    with_zeros = np.column_stack([tokens, np.zeros((M, 3))])
    pair, alone = found(with_zeros, "otprune"), found(tokens, "otprune")

    assert pair is not None
    assert alone is not None
    assert pair[0].tolist() == alone[0].tolist()


@pytest.mark.parametrize(
    "selector", [OTPrune(normalise="rows"), OTPrune(normalise="none"), OTPrune(1e-20), OTPrune(1e99)]
)
def test_other_kernels_of_otprune_are_made_in_float64(selector: OTPrune) -> None:
    assert selector.at_once(Image.of(cloud("noise")), KEEP) is None


def test_the_paper_s_factor_and_large_ones_hold_too() -> None:
    tokens = cloud("clusters")
    for gamma in (1e-4, 1.0, 100.0):
        pair = OTPrune(gamma).at_once(Image.of(tokens), KEEP)
        assert pair is not None
        picks, gains = greedy_by_definition(kernel_of(tokens, "otprune", gamma), KEEP)
        assert pair[0].tolist() == picks
        np.testing.assert_allclose(pair[1], gains, rtol=0, atol=1e-10)
    check_same(select(tokens, "otprune-paper", keep=KEEP), select(Image(tokens), "otprune-paper", keep=KEEP))


def test_a_selector_with_a_matrix_of_its_own_is_not_answered_for() -> None:
    class Shortest(GreedyDPP):
        name = "shortest"

        def matrix(self, image: Image) -> np.ndarray:
            return np.diag(1.0 / np.linalg.norm(image.host, axis=1))

    tokens = cloud("noise") * np.linspace(2.0, 1.0, M)[:, None]
    lengths = np.linalg.norm(tokens, axis=1)

    assert select(tokens, Shortest(), keep=3).pick_order.tolist() == np.argsort(lengths)[:3].tolist()
    qr = select(tokens, "pivoted-qr", keep=3)
    assert qr.pick_order[0] == lengths.argmax()
    assert qr.gains is not None
    assert math.isclose(qr.gains[0], 2.0 * math.log(lengths.max()), rel_tol=1e-12)
