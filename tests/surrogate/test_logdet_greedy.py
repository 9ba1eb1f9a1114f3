"""Greedy log-determinant: the fast recursion against the slow definition, step by step."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from otanalysis.errors import InputError
from otanalysis.surrogate import cosine_kernel, greedy_logdet, logdet_value, otprune_kernel
from otanalysis.surrogate.logdet import (
    _picks_of_all as picks_of_all,
    combine_image_by_image,
    combine_in_one_launch,
    greedy_picks,
)

# An incremental Cholesky factor against a determinant computed afresh: good conditions, some 20 rows.
GAIN_TOLERANCE = 1e-9


def greedy_by_definition(kernel: np.ndarray, keep: int) -> tuple[list[int], list[float]]:
    """Try every item at every step and compute each log-determinant afresh."""
    picks: list[int] = []
    gains: list[float] = []
    value = 0.0
    for _ in range(keep):
        values = [
            np.linalg.slogdet(kernel[np.ix_([*picks, item], [*picks, item])])[1]
            if item not in picks
            else -np.inf
            for item in range(len(kernel))
        ]
        picks.append(int(np.argmax(values)))
        gains.append(values[picks[-1]] - value)
        value = values[picks[-1]]
    return picks, gains


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    m=st.integers(1, 20),
    d=st.integers(1, 25),
    gamma=st.sampled_from([1e-2, 1.0, 1e2]),
)
def test_steps_and_gains_agree_with_the_definition(seed: int, m: int, d: int, gamma: float) -> None:
    kernel = otprune_kernel(np.random.default_rng(seed).standard_normal((m, d)), gamma=gamma)
    picks, gains = greedy_by_definition(kernel, m)

    order, fast = greedy_logdet(kernel, m, floor=1.0)

    # Late in the run all gains are equal up to rounding: the steps are compared where the choice is clear.
    np.testing.assert_allclose(fast, gains, atol=GAIN_TOLERANCE)
    clear = next((i for i, (a, b) in enumerate(zip(order, picks, strict=True)) if a != b), m)
    assert all(gain < 10 * GAIN_TOLERANCE for gain in gains[clear:]) or clear == m


@pytest.mark.parametrize("seed", range(6))
def test_cosine_steps_agree_with_the_definition_up_to_the_rank(seed: int) -> None:
    kernel = cosine_kernel(np.random.default_rng(seed).standard_normal((20, 7)))
    picks, gains = greedy_by_definition(kernel, 7)

    order, fast = greedy_logdet(kernel, 7)

    assert order.tolist() == picks
    np.testing.assert_allclose(fast, gains, atol=GAIN_TOLERANCE)


def test_gains_add_up_to_the_log_determinant_and_never_grow() -> None:
    kernel = otprune_kernel(np.random.default_rng(1).standard_normal((40, 15)), gamma=1.0)

    order, gains = greedy_logdet(kernel, 20, floor=1.0)

    prefixes = [logdet_value(kernel, order[:k]) for k in range(1, 21)]
    np.testing.assert_allclose(np.cumsum(gains), prefixes, rtol=1e-10)
    assert np.all(np.diff(gains) <= GAIN_TOLERANCE)
    assert np.all(gains >= 0)


@pytest.mark.parametrize("seed", range(5))
def test_reaches_the_guarantee_on_instances_solved_by_enumeration(seed: int) -> None:
    kernel = otprune_kernel(np.random.default_rng(seed).standard_normal((12, 5)), gamma=10.0)
    best = max(logdet_value(kernel, list(subset)) for subset in combinations(range(12), 4))

    order, _ = greedy_logdet(kernel, 4, floor=1.0)

    assert (1 - 1 / np.e) * best <= logdet_value(kernel, order) <= best + GAIN_TOLERANCE


def test_fewer_picks_are_the_first_ones_of_more() -> None:
    kernel = cosine_kernel(np.random.default_rng(2).standard_normal((30, 6)))
    longest, all_gains = greedy_logdet(kernel, 30)

    for keep in (1, 6, 7, 19):
        order, gains = greedy_logdet(kernel, keep)
        assert order.tolist() == longest[:keep].tolist()
        assert np.array_equal(gains, all_gains[:keep])


def test_beyond_the_rank_a_new_run_starts_among_the_items_left() -> None:
    kernel = cosine_kernel(np.random.default_rng(3).standard_normal((12, 4)))

    order, gains = greedy_logdet(kernel, 12)

    assert sorted(order.tolist()) == list(range(12))
    assert np.flatnonzero(np.isneginf(gains)).tolist() == [4, 8]
    left = np.setdiff1d(np.arange(12), order[:4])
    again, _ = greedy_logdet(kernel[np.ix_(left, left)], 4)
    assert order[4:8].tolist() == left[again].tolist()


def test_zero_tokens_come_last_in_order_of_place() -> None:
    tokens = np.zeros((6, 3))
    tokens[[2, 4]] = [[1, 0, 0], [0, 1, 0]]

    order, gains = greedy_logdet(cosine_kernel(tokens), 6)

    assert sorted(order[:2].tolist()) == [2, 4]
    assert gains[:2].tolist() == [0.0, 0.0]
    assert np.isneginf(gains[2:]).all()
    assert sorted(order.tolist()) == list(range(6))
    assert greedy_logdet(np.zeros((3, 3)), 3)[0].tolist() == [0, 1, 2]


def test_ties_go_to_the_lowest_index() -> None:
    assert greedy_logdet(np.eye(5), 5)[0].tolist() == [0, 1, 2, 3, 4]


def test_raw_long_tokens_whose_residuals_drown_in_rounding_are_ranked_without_overflow() -> None:
    tokens = 1e4 * np.random.default_rng(4).standard_normal((30, 3))
    kernel = otprune_kernel(tokens, gamma=10.0, normalise="none")

    order, gains = greedy_logdet(kernel, 30, floor=1.0)

    assert sorted(order.tolist()) == list(range(30))
    assert np.all(gains >= 0)
    # Three features: the fourth pick gains nothing that float64 can see.
    assert np.all(gains[:3] > 20)
    assert gains[3] == 0


@pytest.mark.parametrize("keep", [0, 4])
def test_counts_out_of_range_are_refused(keep: int) -> None:
    with pytest.raises(InputError, match=r"1\.\.3"):
        greedy_logdet(np.eye(3), keep)


def test_a_kernel_that_is_not_square_is_refused() -> None:
    with pytest.raises(InputError, match="square"):
        greedy_logdet(np.ones((3, 4)), 2)


@pytest.mark.parametrize("kernel_of", [cosine_kernel, otprune_kernel])
def test_torch_gives_the_same_picks_as_torch_tensors(kernel_of: object) -> None:
    torch = pytest.importorskip("torch")
    assert callable(kernel_of)
    kernel = kernel_of(np.random.default_rng(5).standard_normal((25, 8)))
    expected, expected_gains = greedy_logdet(kernel, 25)

    order, gains = greedy_logdet(torch.from_numpy(kernel), 25)

    assert isinstance(order, torch.Tensor)
    assert order.dtype == torch.int64
    assert order.tolist() == expected.tolist()
    np.testing.assert_allclose(gains.numpy(), expected_gains, atol=GAIN_TOLERANCE)


def test_a_stack_is_searched_as_each_kernel_alone() -> None:
    generator = np.random.default_rng(6)
    # Of rank 6 and 3: their new runs start at different steps.
    kernels = [cosine_kernel(generator.standard_normal((20, d))) for d in (6, 3, 30)]

    orders, gains = greedy_logdet(np.stack(kernels), 12)

    assert orders.shape == gains.shape == (3, 12)
    for order, own_gains, kernel in zip(orders, gains, kernels, strict=True):
        alone, alone_gains = greedy_logdet(kernel, 12)
        assert order.tolist() == alone.tolist()
        assert np.array_equal(own_gains, alone_gains)
    assert [np.flatnonzero(np.isneginf(one)).tolist() for one in gains] == [[6], [3, 6, 9], []]


@pytest.mark.parametrize("shape", [(0, 3, 3), (2, 3, 4), (3,)])
def test_what_is_no_stack_of_kernels_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="square"):
        greedy_logdet(np.ones(shape), 2)


def test_off_the_host_the_sums_are_the_same_and_nothing_is_read_back() -> None:
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(7)
    weights, rows = generator.standard_normal((2, 5)), generator.standard_normal((2, 5, 9))
    # A meta tensor has no values: whatever asked for one would raise.
    nowhere = torch.ones((2, 9, 9), device="meta")

    order, gains = greedy_picks(nowhere, 4, floor=0.0)

    assert (order.device.type, order.shape, gains.shape) == ("meta", (2, 4), (2, 4))
    with pytest.raises((RuntimeError, NotImplementedError)):
        bool(gains[0, 0] > 0)
    np.testing.assert_allclose(
        combine_in_one_launch(weights, rows), combine_image_by_image(weights, rows), rtol=1e-12
    )


@pytest.mark.parametrize("kind", ["tokens", "duplicates", "spanned", "zeros"])
def test_one_kernel_after_the_other_is_searched_as_all_at_once(kind: str) -> None:
    generator = np.random.default_rng(11)
    tokens = generator.standard_normal((3, 30, 40))
    of = np.arange(30)  # which token each of them is
    if kind == "duplicates":
        of = generator.integers(0, 12, 30)
        tokens = tokens[:, of]
    elif kind == "spanned":
        tokens = tokens[:, :, :7]
    elif kind == "zeros":
        tokens[:, 3:] = 0.0
    for kernels, floor in (
        (np.stack([cosine_kernel(one) for one in tokens]), 0.0),
        (np.stack([otprune_kernel(one, gamma=0.3) for one in tokens]), 1.0),
    ):
        order, gains = greedy_picks(kernels, 25, floor)
        slow_order, slow_gains = picks_of_all(kernels, 25, floor)

        # Rounding decides between duplicates, and beyond twelve tokens and seven directions.
        clear = {"duplicates": 12, "spanned": 7}.get(kind, 25) if floor == 0.0 else 25
        np.testing.assert_array_equal(of[order[:, :clear]], of[slow_order[:, :clear]])
        np.testing.assert_allclose(gains[:, :clear], slow_gains[:, :clear], rtol=1e-9, atol=1e-12)
