"""What every method in the registry must do, and the definition of each simple one."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from otanalysis.defaults import COMPARED_METHODS
from otanalysis.errors import ConvergenceError, InputError
from otanalysis.image import Image
from otanalysis.selection import SELECTORS, TOKEN_METHODS, Selection, Selector, select, select_many
from otanalysis.selection.medoids import KMedoids
from otanalysis.selection.otprune import OTPrune
from otanalysis.surrogate import logdet_value, otprune_kernel
from otanalysis.transport import quantisation_error

NAMES = sorted(TOKEN_METHODS)
NESTED = [name for name in NAMES if SELECTORS[name].nested]
STOCHASTIC = [name for name in NAMES if SELECTORS[name].stochastic]


@pytest.fixture
def tokens() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((40, 6)) + 0.2


def degenerate_clouds() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(1)
    return {
        "one token": generator.standard_normal((1, 3)),
        "all equal": np.ones((9, 3)),
        "all zero": np.zeros((9, 3)),
        "three places": np.repeat(generator.standard_normal((3, 4)), 3, axis=0),
        "one feature": generator.standard_normal((9, 1)),
        "a zero token": np.vstack([np.zeros(3), generator.standard_normal((8, 3))]),
    }


def check_sound(selection: Selection, m: int, keep: int) -> None:
    """Assert what every selection promises."""
    assert (selection.m, selection.keep) == (m, keep)
    assert selection.indices.dtype == np.int64
    assert len(np.unique(selection.indices)) == keep
    assert selection.indices.min() >= 0
    assert selection.indices.max() < m
    assert np.all(np.diff(selection.indices) > 0)
    assert np.array_equal(np.sort(selection.pick_order), selection.indices)
    assert selection.gains is None or selection.gains.shape == (keep,)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("keep", [1, 2, 7, 39, 40])
def test_every_method_returns_a_sound_selection(name: str, keep: int, tokens: np.ndarray) -> None:
    selection = select(tokens, name, keep=keep)

    check_sound(selection, 40, keep)
    assert selection.method == name
    assert selection.provenance == repr(SELECTORS[name])
    assert selection.seed == (0 if name in STOCHASTIC else None)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", sorted(degenerate_clouds()))
def test_every_method_copes_with_degenerate_clouds(name: str, kind: str) -> None:
    cloud = degenerate_clouds()[kind]

    for keep in range(1, len(cloud) + 1):
        check_sound(select(cloud, name, keep=keep), len(cloud), keep)


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_result(name: str, tokens: np.ndarray) -> None:
    first, second = (select(tokens, name, keep=9, seed=3) for _ in range(2))

    assert first.pick_order.tolist() == second.pick_order.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_another_seed_another_result_only_where_chance_is_declared(name: str, tokens: np.ndarray) -> None:
    results = {tuple(select(tokens, name, keep=9, seed=seed).indices.tolist()) for seed in range(5)}

    assert (len(results) > 1) == (name in STOCHASTIC)


def test_stochastic_methods_refuse_to_run_without_a_generator(tokens: np.ndarray) -> None:
    assert STOCHASTIC == ["grid-random", "random"]
    with pytest.raises(InputError, match="default_rng"):
        SELECTORS["random"](tokens, 3)


@pytest.mark.parametrize("name", NAMES)
def test_many_counts_at_once_equal_one_by_one(name: str, tokens: np.ndarray) -> None:
    many = select_many(Image(tokens), name, [12, 3, 3, 25], seed=1)

    assert list(many) == [3, 12, 25]
    for keep, selection in many.items():
        alone = select(tokens, name, keep=keep, seed=1)
        check_sound(selection, 40, keep)
        assert selection.pick_order.tolist() == alone.pick_order.tolist()
        assert (selection.seed, selection.provenance) == (alone.seed, alone.provenance)
        if alone.gains is not None:
            assert np.array_equal(selection.gains, alone.gains)


class _Counting:
    """A selector that counts its calls."""

    name = "counting"
    stochastic = False

    def __init__(self, *, nested: bool) -> None:
        self.nested = nested
        self.calls: list[int] = []

    def __call__(self, tokens: Any, keep: int, **_: Any) -> Selection:
        self.calls.append(keep)
        return SELECTORS["first"](tokens, keep)


@pytest.mark.parametrize(("nested", "calls"), [(True, [20]), (False, [4, 11, 20])])
def test_nested_methods_run_once_at_the_largest_count(
    nested: bool, calls: list[int], tokens: np.ndarray
) -> None:
    selector = _Counting(nested=nested)

    select_many(tokens, selector, [20, 4, 11])

    assert selector.calls == calls


@pytest.mark.parametrize("name", NAMES)
def test_the_declaration_of_nesting_is_true(name: str, tokens: np.ndarray) -> None:
    # At this gamma the kernels of otprune-paper differ enough from one count to the next.
    kept = [set(select(tokens, name, keep=keep, gamma=1.0).indices.tolist()) for keep in range(3, 12)]

    assert all(small <= large for small, large in pairwise(kept)) == (name in NESTED)


@pytest.mark.parametrize("name", NAMES)
def test_selectors_are_frozen_and_show_their_parameters(name: str) -> None:
    selector: Any = SELECTORS[name]

    for field in fields(selector):
        assert f"{field.name}=" in repr(selector)
        with pytest.raises(FrozenInstanceError):
            setattr(selector, field.name, None)
    assert selector == type(selector)()


def test_the_registry_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        SELECTORS["mine"] = SELECTORS["first"]  # type: ignore[index]
    assert tuple(name for name in SELECTORS if name in COMPARED_METHODS) == COMPARED_METHODS


def test_an_unknown_method_lists_the_known_ones(tokens: np.ndarray) -> None:
    with pytest.raises(
        InputError, match=r"'otprun'; known are otprune, otprune-paper, divprune, dpp, .*ot-medoids"
    ):
        select(tokens, "otprun", ratio=0.1)
    with pytest.raises(InputError, match="Unknown method 3; known are"):
        select(tokens, 3, ratio=0.1)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_bad_tokens_and_counts_are_refused_by_every_method(name: str, tokens: np.ndarray) -> None:
    holed = tokens.copy()
    holed[4, 1] = np.nan
    generator = np.random.default_rng(0)

    with pytest.raises(InputError, match=r"1 NaN or infinite values in 1 rows \(4\)"):
        SELECTORS[name](holed, 3, generator=generator)
    with pytest.raises(InputError, match="keep must lie in"):
        SELECTORS[name](tokens, 41, generator=generator)


def test_ratio_and_counts_are_checked(tokens: np.ndarray) -> None:
    for options in ({}, {"ratio": 0.5, "keep": 2}, {"ratio": 0.0}, {"ratio": 1.5}, {"keep": 0}):
        with pytest.raises(InputError):
            select(tokens, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="keeps must name"):
        select_many(tokens, "first", [])


def test_parameters_reach_the_method_and_an_instance_is_used_as_it_is(tokens: np.ndarray) -> None:
    by_name = select(tokens, "otprune", keep=4, gamma=3.0, normalise="rows")
    by_instance = select(tokens, OTPrune(gamma=3.0, normalise="rows"), keep=4, gamma=99.0)

    assert by_name.provenance == by_instance.provenance == "OTPrune(gamma=3.0, normalise='rows')"
    assert by_name.pick_order.tolist() == by_instance.pick_order.tolist()
    assert select(tokens, "divprune", keep=4, gamma=3.0).provenance == "DivPrune()"


def test_positions_of_the_methods_that_do_not_look() -> None:
    cloud = np.random.default_rng(0).standard_normal((10, 2))

    assert select(cloud, "first", keep=3).pick_order.tolist() == [0, 1, 2]
    assert select(cloud, "last", keep=3).pick_order.tolist() == [9, 8, 7]
    assert select(cloud, "last", keep=3).indices.tolist() == [7, 8, 9]
    assert select(cloud, "uniform", keep=2).indices.tolist() == [2, 7]
    assert select(cloud, "uniform", keep=4).indices.tolist() == [1, 3, 6, 8]


def test_random_subsets_hit_every_token_equally_often() -> None:
    cloud = np.zeros((8, 1))
    counts = np.zeros(8)
    for seed in range(400):
        counts[select(cloud, "random", keep=2, seed=seed).indices] += 1

    # Binomial(400, 1/4): mean 100, deviation 8.7; five deviations on fixed seeds.
    assert np.all(np.abs(counts - 100) < 44)


def test_divprune_agrees_with_its_definition(tokens: np.ndarray) -> None:
    unit = tokens / np.linalg.norm(tokens, axis=1, keepdims=True)
    distance = 1 - unit @ unit.T
    picks = [max(range(40), key=lambda i: (min(distance[i, j] for j in range(40) if j != i), -i))]
    while len(picks) < 10:
        left = [i for i in range(40) if i not in picks]
        picks.append(max(left, key=lambda i: min(distance[i, j] for j in picks)))

    selection = select(tokens, "divprune", keep=10)

    # The first pick has a partner at the same distance where nearest neighbours are mutual.
    assert selection.pick_order.tolist() == picks
    expected = [min(distance[i, j] for j in picks[:n]) for n, i in enumerate(picks) if n]
    np.testing.assert_allclose(selection.gains[1:], expected, rtol=1e-12)


def test_dpp_starts_at_the_first_token_that_has_a_direction(tokens: np.ndarray) -> None:
    tokens[:3] = 0

    selection = select(tokens, "dpp", keep=6)

    assert selection.pick_order[0] == 3
    assert selection.gains[0] == 0.0
    assert np.all(np.diff(selection.gains) < 0)


def test_otprune_gains_add_up_to_the_surrogate(tokens: np.ndarray) -> None:
    selection = select(tokens, "otprune", keep=12)

    assert selection.gains.sum() == pytest.approx(
        logdet_value(otprune_kernel(tokens), selection.indices), rel=1e-10
    )


def test_kmedoids_is_a_local_minimum_of_the_quantisation_error(tokens: np.ndarray) -> None:
    kept = select(tokens, "kmedoids", keep=5).indices
    value = quantisation_error(tokens, kept)
    swaps = [
        quantisation_error(tokens, np.append(np.delete(kept, place), other))
        for place in range(5)
        for other in np.setdiff1d(np.arange(40), kept)
    ]

    assert min(swaps) >= value * (1 - 1e-12)
    assert value < quantisation_error(tokens, select(tokens, "random", keep=5).indices)


def test_kmedoids_that_still_swaps_raises() -> None:
    cloud = np.random.default_rng(0).standard_normal((200, 8))

    with pytest.raises(ConvergenceError, match="raise max_iter"):
        select(cloud, KMedoids(max_iter=1), keep=20)


@pytest.mark.parametrize("name", NAMES)
def test_torch_tokens_give_the_same_selection_as_torch_tensors(name: str, tokens: np.ndarray) -> None:
    torch = pytest.importorskip("torch")
    expected = select(tokens, name, keep=9)

    selection = select(torch.from_numpy(tokens), name, keep=9)

    for tensor in (selection.indices, selection.pick_order):
        assert isinstance(tensor, torch.Tensor)
        assert tensor.dtype == torch.int64
    assert selection.indices.tolist() == sorted(selection.pick_order.tolist())
    if name == "dpp":
        # Beyond the rank of six every residual is rounding, and a new run starts in both.
        assert np.isneginf(expected.gains[6])
    assert selection.pick_order.tolist() == expected.pick_order.tolist()
    if expected.gains is not None:
        np.testing.assert_allclose(selection.gains.numpy(), expected.gains, rtol=1e-9, atol=1e-12)


def test_half_precision_input_is_computed_in_double(tokens: np.ndarray) -> None:
    half = tokens.astype(np.float16)

    for name in NAMES:
        again = select(half.astype(np.float64), name, keep=9)
        assert select(half, name, keep=9).pick_order.tolist() == again.pick_order.tolist()


def test_lists_are_accepted() -> None:
    assert select([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], "first", ratio=0.4).indices.tolist() == [0]


def test_every_method_satisfies_the_protocol() -> None:
    methods: list[Selector] = list(SELECTORS.values())

    assert [method.name for method in methods] == list(SELECTORS)
