"""The pool of subsets: sizes, origins and what each kind promises."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from otanalysis.errors import InputError
from otanalysis.selection.pool import METHOD, MIXTURE, RANDOM, SWAP, Subset, draw_pool

M, KEEP = 60, 12
CHOSEN = {"low": np.arange(KEEP), "high": np.arange(M - KEEP, M), "even": np.arange(0, M, M // KEEP)}


def pool(drawn: int = 40, seed: int = 0, m: int = M) -> tuple[Subset, ...]:
    return draw_pool(CHOSEN, m, drawn=drawn, generator=np.random.default_rng(seed))


def of(origin: str, subsets: tuple[Subset, ...]) -> list[set[int]]:
    return [set(subset.indices.tolist()) for subset in subsets if subset.origin == origin]


@pytest.mark.parametrize(("drawn", "random", "others"), [(4, 2, 1), (40, 20, 10), (43, 23, 10)])
def test_every_kind_occurs_as_often_as_promised(drawn: int, random: int, others: int) -> None:
    counts = Counter(subset.origin for subset in pool(drawn))
    assert counts == {RANDOM: random, MIXTURE: others, SWAP: others} | {METHOD + name: 1 for name in CHOSEN}


def test_every_subset_is_ascending_distinct_in_range_and_of_one_size() -> None:
    for seed in range(20):
        subsets = pool(seed=seed)
        assert len(subsets) == 40 + len(CHOSEN)
        for subset in subsets:
            assert subset.indices.dtype == np.int64
            assert len(subset.indices) == KEEP
            assert (np.diff(subset.indices) > 0).all()
            assert subset.indices[0] >= 0
            assert subset.indices[-1] < M


def test_a_swap_is_a_method_with_at_most_a_quarter_exchanged() -> None:
    seen: Counter[int] = Counter()
    for seed in range(20):
        for swapped in of(SWAP, pool(seed=seed)):
            seen[max(len(swapped & set(own.tolist())) for own in CHOSEN.values())] += 1
    assert set(seen) == {KEEP - exchanged for exchanged in range(1, KEEP // 4 + 1)}


def test_mixtures_come_from_two_methods_or_from_a_method_and_anywhere() -> None:
    apart = {name: CHOSEN[name] for name in ("low", "high")}
    methods = [set(own.tolist()) for own in apart.values()]
    both = methods[0] | methods[1]
    mixtures = [
        one
        for seed in range(40)
        for one in of(MIXTURE, draw_pool(apart, M, drawn=40, generator=np.random.default_rng(seed)))
    ]
    assert all(one & both and one not in methods for one in mixtures)
    within = sum(one <= both for one in mixtures)
    assert 0.4 * len(mixtures) < within < 0.6 * len(mixtures)


def test_random_subsets_hold_every_token_equally_often() -> None:
    counts = np.zeros(M)
    for seed in range(300):
        for one in of(RANDOM, pool(4, seed=seed)):
            counts[list(one)] += 1
    share = KEEP / M
    spread = np.sqrt(600 * share * (1 - share))
    assert np.abs(counts - 600 * share).max() < 5 * spread


def test_the_seed_decides() -> None:
    first, again, other = (of(RANDOM, pool(seed=seed)) for seed in (0, 0, 1))
    assert first == again
    assert first != other


@pytest.mark.parametrize("keep", [1, 5, 6])
def test_few_tokens_are_no_obstacle(keep: int) -> None:
    subsets = draw_pool({"first": np.arange(keep)}, 6, drawn=8, generator=np.random.default_rng(0))
    assert {len(set(subset.indices.tolist())) for subset in subsets} == {keep}


def test_mistakes_are_named() -> None:
    generator = np.random.default_rng(0)
    with pytest.raises(InputError, match="At least 4 subsets"):
        pool(3)
    with pytest.raises(InputError, match=r"one size.*\[2, 3\]"):
        draw_pool({"a": np.arange(2), "b": np.arange(3)}, 9, drawn=4, generator=generator)
    with pytest.raises(InputError, match="at least one method, got sizes none"):
        draw_pool({}, 9, drawn=4, generator=generator)
