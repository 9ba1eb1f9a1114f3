"""OTPrune by the paper's gamma: a plain greedy on equation 7, however it is asked for."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from otanalysis.arrays import Normalisation
from otanalysis.defaults import DEFAULT_GAMMAS
from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.selection import (
    SELECTORS,
    TOKEN_METHODS,
    Selection,
    select,
    select_batch,
    select_many,
)
from otanalysis.selection.otprune import OTPrune, OTPrunePaper
from otanalysis.surrogate import logdet_value, otprune_kernel, paper_factor, paper_objective

GAMMAS = (0.005, 0.01, 0.1, 3.0)


def cloud(m: int = 9, d: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, m, d]).standard_normal((m, d)) + 0.3


def features_of(tokens: np.ndarray, how: Normalisation) -> np.ndarray:
    """Return the paper's features: of unit variance for "columns", else the tokens as normalised."""
    return {
        "columns": tokens / np.sqrt((tokens**2).mean(axis=0)),
        "rows": tokens / np.linalg.norm(tokens, axis=1, keepdims=True),
        "none": tokens,
    }[how]


def equation_7(features: np.ndarray, kept: list[int], *, of: int, gamma: float) -> float:
    """Return the log-determinant of the paper from the second moments; ``of`` is its k."""
    values, vectors = np.linalg.eigh(features.T @ features / len(features))
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    inner = root @ (features[kept].T @ features[kept] / of) @ root
    return float(np.linalg.slogdet(np.eye(len(inner)) + gamma * inner)[1])


def plain_greedy(features: np.ndarray, keep: int, gamma: float) -> tuple[list[int], list[float]]:
    """Try every token in every step; the first of the best is taken."""
    picks: list[int] = []
    gains = []
    for _ in range(keep):
        before = equation_7(features, picks, of=keep, gamma=gamma)
        left = [one for one in range(len(features)) if one not in picks]
        after = {one: equation_7(features, [*picks, one], of=keep, gamma=gamma) for one in left}
        picks.append(max(left, key=lambda one: after[one]))
        gains.append(after[picks[-1]] - before)
    return picks, gains


def assert_same(one: Selection, other: Selection) -> None:
    """Assert that two selections agree in every field, to the last bit."""
    for field in fields(Selection):
        assert np.array_equal(getattr(one, field.name), getattr(other, field.name)), field.name


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("how", ["columns", "rows", "none"])
@pytest.mark.parametrize(("m", "d"), [(9, 4), (5, 8)])
def test_it_is_the_plain_greedy_on_equation_7(m: int, d: int, how: Normalisation, gamma: float) -> None:
    tokens = cloud(m, d)
    features = features_of(tokens, how)
    for keep in range(1, m + 1):
        picks, gains = plain_greedy(features, keep, gamma)

        chosen = select(tokens, "otprune-paper", keep=keep, gamma=gamma, normalise=how)

        assert chosen.pick_order.tolist() == picks
        np.testing.assert_allclose(chosen.gains, gains, rtol=1e-8, atol=1e-12)
        value = equation_7(features, picks, of=keep, gamma=gamma)
        assert chosen.gains.sum() == pytest.approx(value, rel=1e-9)
        assert paper_objective(tokens, picks, gamma=gamma, normalise=how) == pytest.approx(value, rel=1e-9)


def test_the_plain_greedy_tells_the_two_gammas_apart() -> None:
    tokens = cloud(24, 6)
    picks, _ = plain_greedy(features_of(tokens, "columns"), 5, 3.0)

    assert select(tokens, keep=5, gamma=3.0, gamma_of="paper").pick_order.tolist() == picks
    assert select(tokens, keep=5, gamma=3.0).pick_order.tolist() != picks


@pytest.mark.parametrize("how", ["columns", "rows", "none"])
def test_both_names_are_one_method(how: Normalisation) -> None:
    tokens = cloud(30, 6)
    for gamma in GAMMAS:
        by_whose = select(tokens, "otprune", ratio=0.2, gamma=gamma, gamma_of="paper", normalise=how)
        by_name = select(tokens, "otprune-paper", ratio=0.2, gamma=gamma, normalise=how)

        assert_same(by_whose, by_name)
        assert by_name.method == "otprune-paper"
        assert by_name.provenance == f"OTPrunePaper(gamma={gamma}, normalise={how!r})"


@pytest.mark.parametrize("name", [name for name in TOKEN_METHODS if name != "otprune"])
def test_methods_without_the_parameter_ignore_whose_gamma_it_is(name: str) -> None:
    tokens = cloud(30, 6)

    assert_same(select(tokens, name, keep=6, gamma_of="paper"), select(tokens, name, keep=6))


def test_one_of_another_is_refused() -> None:
    for call in (
        lambda: select(cloud(), keep=2, gamma_of="papers"),  # type: ignore[arg-type]
        lambda: select_many(cloud(), "first", [2], gamma_of=None),  # type: ignore[arg-type]
        lambda: select_batch([cloud()], keep=2, gamma_of=["paper"]),  # type: ignore[arg-type]
    ):
        with pytest.raises(InputError, match="gamma_of must be one of released, paper; got"):
            call()


def test_it_is_the_released_method_at_the_factor_of_each_count() -> None:
    tokens = cloud(40, 6)
    many = select_many(tokens, "otprune", [4, 20], gamma=0.5, gamma_of="paper")

    for keep, one in many.items():
        factor = paper_factor(0.5, 40, keep)
        released = select(tokens, "otprune", keep=keep, gamma=factor)
        assert one.pick_order.tolist() == released.pick_order.tolist()
        assert np.array_equal(one.gains, released.gains)
        kernel = otprune_kernel(tokens, gamma=factor)
        assert one.gains.sum() == pytest.approx(logdet_value(kernel, one.indices), rel=1e-10)
    assert not OTPrunePaper.nested
    assert many[20].pick_order[:4].tolist() != many[4].pick_order.tolist(), "the factor depends on k"


def test_images_run_together_where_they_share_both_counts() -> None:
    images: list[Any] = [cloud(20, 6, 1), cloud(31, 6, 2), cloud(20, 6, 3), Image(cloud(20, 6, 4))]
    for options in ({"ratio": 0.3}, {"keep": 7}):
        together = select_batch(images, "otprune", gamma=2.0, gamma_of="paper", **options)  # type: ignore[arg-type]

        for image, one in zip(images, together, strict=True):
            assert_same(one, select(image, "otprune-paper", gamma=2.0, **options))  # type: ignore[arg-type]


def test_a_stack_is_checked_as_that_of_the_released_method() -> None:
    selector = OTPrunePaper()
    for clouds, keep, said in (
        ([], 3, "got no images"),
        ([cloud(9), cloud(8)], 3, r"together; got \[8, 9\]"),
        ([cloud(9)], 10, "keep must lie in"),
        ([cloud(9)], 0, "keep must lie in"),
    ):
        with pytest.raises(InputError, match=said):
            selector.select_stack(clouds, keep)


def test_the_methods_with_a_gamma_are_those_that_the_package_says() -> None:
    own: dict[str, Any] = dict(SELECTORS)
    declared = {
        name: one.gamma for name, one in own.items() if "gamma" in {item.name for item in fields(one)}
    }

    assert declared == dict(DEFAULT_GAMMAS)
    assert [OTPrune.name, OTPrunePaper.name] == list(DEFAULT_GAMMAS)
