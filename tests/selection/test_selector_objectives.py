"""What the methods work for: listed by kind, and each the best, or near it, on its own."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

import numpy as np
import pytest

from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.selection import SELECTORS, TOKEN_METHODS, Selector
from otanalysis.studies import objective_values
from otanalysis.surrogate import logdet_value, otprune_kernel, paper_objective
from otanalysis.transport import quantisation_error, wasserstein2

WITHOUT = {"dart", "random", "first", "last", "uniform", "grid-random"}
"""Methods that optimise no function of the kept set."""
EXACT = {"norm", "leverage", "pca-residual"}
"""Methods that keep the largest terms of a sum: no set is better."""
NEAR = 3
"""Place, of twenty methods, of a greedy one on its own objective at worst: greedy need not find the best."""


def grouped(seed: int) -> np.ndarray:
    """Return a background and a few objects, of unequal spread, in features of falling variance."""
    generator = np.random.default_rng(seed)
    centres = 3.0 * generator.standard_normal((6, 16))
    group = np.repeat(np.arange(6), [40, 12, 10, 8, 6, 4])
    tokens = centres[group] + generator.standard_normal((80, 16)) * generator.uniform(0.3, 1.5, (80, 1))
    return tokens * 0.7 ** np.arange(16)


def stretched(seed: int) -> np.ndarray:
    """Return one cloud about a mean, with tokens of unequal length."""
    generator = np.random.default_rng(seed)
    tokens = (generator.standard_normal((80, 16)) + 1.0) * 0.8 ** np.arange(16)
    return tokens * generator.uniform(0.5, 1.5, (80, 1))


@pytest.fixture(scope="module")
def image() -> Image:
    return Image(grouped(7))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("draw", [grouped, stretched])
def test_each_is_the_best_or_near_it_on_its_own_objective(
    draw: Callable[[int], np.ndarray], seed: int
) -> None:
    values = objective_values(draw(seed), keep=8)

    assert set(values.index) == set(TOKEN_METHODS)
    assert set(values.columns) == set(TOKEN_METHODS) - WITHOUT
    places = values.rank(ascending=False, method="min")
    own = {name: places.loc[name, name] for name in values}
    assert max(own.values()) <= NEAR, own
    assert {own[name] for name in EXACT} == {1.0}
    controls = places.loc[["random", "first", "last", "uniform", "grid-random"]]
    assert controls.min(axis=None) > 1.0, "no control is the best on any"


def test_the_others_have_none(image: Image) -> None:
    for name in TOKEN_METHODS:
        assert (SELECTORS[name].objective_value(image, [0, 1]) is None) == (name in WITHOUT)
    assert Selector().objective_value(image, [0, 1]) is None


def test_neighbours_in_the_registry_work_for_one_kind_of_objective() -> None:
    kinds = [kind for kind, _ in groupby(one.objective.split(":")[0] for one in SELECTORS.values())]
    assert kinds == [
        "surrogate",
        "diversity",
        "length",
        "span",
        "attention",
        "control",
        "coverage",
        "matching",
    ]
    words = [one.objective.split(": ")[1] for one in SELECTORS.values()]
    assert len(set(words)) == len(words)


def test_the_values_of_the_older_methods_are_those_of_their_own_functions(image: Image) -> None:
    indices = np.array([5, 1, 40, 77])
    cosine = image.normalised("rows").gram[np.ix_(indices, indices)]
    wanted = {
        "otprune": logdet_value(otprune_kernel(image), indices),
        "otprune-paper": paper_objective(image, indices, gamma=0.01),
        "divprune": float(1.0 - cosine[np.triu_indices(4, 1)].max()),
        "dpp": float(np.linalg.slogdet(cosine)[1]),
        "kmedoids": -quantisation_error(image, indices),
        "ot-medoids": -wasserstein2(image, indices).distance,
    }
    for name, value in wanted.items():
        assert SELECTORS[name].objective_value(image, indices) == pytest.approx(value, rel=1e-9), name
    assert SELECTORS["divprune"].objective_value(image, [3]) == np.inf


def test_torch_and_lists_have_the_same_value_and_bad_indices_none(image: Image) -> None:
    torch = pytest.importorskip("torch")
    tokens = torch.from_numpy(np.array(image))
    for name in set(TOKEN_METHODS) - WITHOUT:
        value = SELECTORS[name].objective_value(image, np.array([4, 0, 9]))
        assert SELECTORS[name].objective_value(tokens, torch.tensor([9, 0, 4])) == pytest.approx(
            value, rel=1e-9
        )
        with pytest.raises(InputError, match="indices must be distinct"):
            SELECTORS[name].objective_value(image, [1, 1])
