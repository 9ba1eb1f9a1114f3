"""Selections of tokens of any size: as at size one where it does not matter, refused where it is lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from otanalysis.errors import InputError
from otanalysis.selection import TOKEN_METHODS, select, select_batch
from otanalysis.surrogate import Ladder, logdet_upper_bound, otprune_kernel, paper_objective

TOKENS = np.random.default_rng(3).standard_normal((30, 6))
POWERS = (-1000, -565, -300, -101, 101, 256, 500, 1000)
"""Of two: from where squares vanish to where they overflow; a power of two changes no digit."""


def of(library: str, tokens: np.ndarray) -> Any:
    return tokens if library == "numpy" else pytest.importorskip("torch").from_numpy(tokens)


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("method", sorted(TOKEN_METHODS))
def test_a_power_of_two_changes_no_selection(method: str, power: int, library: str) -> None:
    wanted = select(TOKENS, method, keep=7).indices.tolist()
    scaled = of(library, np.ldexp(TOKENS, power))

    assert select(scaled, method, keep=7).indices.tolist() == wanted
    assert [one.indices.tolist() for one in select_batch([scaled, scaled], method, keep=7)] == [
        wanted,
        wanted,
    ]


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("normalise", ["none", "rows", "columns"])
@pytest.mark.parametrize("power", POWERS)
def test_otprune_scales_with_its_normalisation_and_is_refused_without(
    power: int, normalise: Any, library: str
) -> None:
    scaled = of(library, np.ldexp(TOKENS, power))
    calls = (
        lambda: select(scaled, "otprune", keep=5, normalise=normalise),
        lambda: select_batch([scaled, scaled], "otprune", keep=5, normalise=normalise)[1],
    )
    for call in calls:
        if normalise != "none":
            wanted = select(TOKENS, "otprune", keep=5, normalise=normalise).indices.tolist()
            assert call().indices.tolist() == wanted
        elif power < 0 or power >= 256:
            with pytest.raises(InputError, match=r"too (large|small)"):
                call()
        else:
            assert np.unique(np.asarray(call().indices)).size == 5


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("place", [(3, slice(None)), (slice(None), 2), (4, 1)])
@pytest.mark.parametrize("size", [1e78, 1e100, 1e300])
def test_one_huge_token_feature_or_entry_is_refused_without_normalisation(
    size: float, place: Any, library: str
) -> None:
    tokens = TOKENS.copy()
    tokens[place] = size
    given = of(library, tokens)

    for call in (
        lambda: select(given, keep=5, normalise="none"),
        lambda: select_batch([TOKENS, given], keep=5, normalise="none"),
        lambda: otprune_kernel(given, normalise="none"),
        lambda: logdet_upper_bound(given, 5, normalise="none"),
        lambda: paper_objective(given, [0, 3, 4], gamma=1.0, normalise="none"),
    ):
        with pytest.raises(InputError, match=r"too large|overflows"):
            call()
    for normalise in ("rows", "columns"):
        kept = np.asarray(select(given, keep=5, normalise=normalise).indices)  # type: ignore[arg-type]
        assert np.unique(kept).size == 5


def test_a_kernel_that_is_the_identity_up_to_rounding_does_not_choose() -> None:
    for call in (
        lambda: select(TOKENS * 1e-4, keep=5, normalise="none"),
        lambda: select(TOKENS, keep=5, gamma=1e-18),
        lambda: select(TOKENS, keep=5, gamma=5e-324, normalise="rows"),
    ):
        with pytest.raises(InputError, match="too small for gamma"):
            call()
    # The smallest gamma of Figure 5 and of the explorer tells tokens apart; zero tokens are all alike.
    assert select(TOKENS, keep=5, gamma=1e-4).indices.tolist() != [0, 1, 2, 3, 4]
    assert select(np.zeros((6, 2)), keep=2, normalise="none").indices.tolist() == [0, 1]


@pytest.mark.parametrize("gamma", [1e308, 1e300])
def test_a_kernel_that_gamma_makes_overflow_is_refused(gamma: float) -> None:
    with pytest.raises(InputError, match=r"overflows with gamma=1e\+30"):
        select(TOKENS, keep=5, gamma=gamma)
    with pytest.raises(InputError, match="overflows"):
        logdet_upper_bound(TOKENS, 5, gamma=gamma)
    with pytest.raises(InputError, match="gamma"):
        Ladder(TOKENS * 1e10, gamma=gamma).values([*range(20)])
    with pytest.raises(InputError, match="gamma"):
        paper_objective(TOKENS * 1e10, [*range(20)], gamma=gamma, normalise="none")


def test_a_gamma_that_leaves_nothing_of_the_identity_gives_no_surrogate() -> None:
    # Twenty tokens of dimension six: beside so large a kernel of rank six the identity is rounding.
    ladders = [Ladder(np.random.default_rng(seed).standard_normal((30, 6)), gamma=1e50) for seed in range(8)]

    def of_all() -> list[float]:
        return [one.values([*range(20)])["logdet"] for one in ladders]

    # By chance rounding may give one of them a determinant that is positive.
    with pytest.raises(InputError, match="nothing of the identity"):
        of_all()


@pytest.mark.parametrize("power", [-565, 300, 500])
def test_the_surrogate_of_the_same_tokens_does_not_depend_on_their_size(power: int) -> None:
    kept = [0, 5, 9, 21]
    scaled = Ladder(np.ldexp(TOKENS, power))
    wanted = Ladder(TOKENS)._scaled_gram.value(np.array(kept), 0.01)

    assert scaled._scaled_gram.value(np.array(kept), 0.01) == wanted
