"""The ladder of one image: each rung is the function of its name, whatever is shared between subsets."""

from __future__ import annotations

import numpy as np
import pytest

from otanalysis.arrays import Normalisation, normalise_tokens
from otanalysis.errors import InputError
from otanalysis.surrogate import RUNGS, Ladder
from otanalysis.transport import (
    TokenMoments,
    bures_squared,
    gelbrich_squared,
    quantisation_error,
    trace_objective,
    wasserstein2,
)
from otanalysis.transport.gaussian import zero_mean_rungs

# The same sums, from another decomposition or in another order.
ROUNDING = 1e-10
KEPT = [7, 2, 11, 5]
SHAPES = [(16, 5), (16, 40)]


def cloud(m: int, d: int) -> np.ndarray:
    generator = np.random.default_rng([m, d])
    return 0.3 + generator.standard_normal((m, d)) * generator.exponential(size=(m, 1))


@pytest.mark.parametrize("kind", ["none", "columns", "rows"])
@pytest.mark.parametrize(("m", "d"), SHAPES)
def test_every_value_is_that_of_its_definition(m: int, d: int, kind: Normalisation) -> None:
    tokens = cloud(m, d)
    measured = np.asarray(normalise_tokens(tokens, kind))
    found = Ladder(tokens, normalise=kind, gamma=0.7).values(KEPT)
    exact = wasserstein2(tokens, KEPT, normalise=kind)
    # Rung 4: the tokens of the distance, brought to the Frobenius norm that column normalisation gives.
    scaled = measured * np.sqrt(d) / np.linalg.norm(measured)
    columns = tokens / np.linalg.norm(tokens, axis=0)
    surrogates = {}
    for name, rows in (("logdet_same_tokens", scaled), ("logdet", columns)):
        second = rows.T @ rows
        values, vectors = np.linalg.eigh(second)
        root = vectors * np.sqrt(np.clip(values, 0.0, None)) @ vectors.T
        inner = root @ rows[KEPT].T @ rows[KEPT] @ root
        surrogates[name] = np.linalg.slogdet(np.eye(d) + 0.7 * inner)[1]
    expected = {
        "w2": exact.distance,
        "w2_squared": exact.squared_distance,
        "quantisation_error": quantisation_error(measured, KEPT),
        "gelbrich_w2_squared": gelbrich_squared(measured, KEPT),
        "bures_w2_squared": bures_squared(measured, KEPT),
        "trace_objective": trace_objective(measured, KEPT),
        "kept_second_moment": np.mean(np.linalg.norm(measured[KEPT], axis=1) ** 2),
        **surrogates,
    }
    gap = found.pop("duality_gap")
    assert gap == pytest.approx(0.0, abs=ROUNDING * exact.squared_distance)
    assert found == pytest.approx(expected, rel=ROUNDING)


@pytest.mark.parametrize(("m", "d"), SHAPES)
def test_rungs_2_and_3_from_one_decomposition(m: int, d: int) -> None:
    tokens = cloud(m, d)
    both = bures_squared(tokens, KEPT), trace_objective(tokens, KEPT)
    assert zero_mean_rungs(tokens, KEPT) == pytest.approx(both, rel=ROUNDING)
    assert zero_mean_rungs(TokenMoments(tokens), KEPT) == pytest.approx(both, rel=ROUNDING)
    everything = np.linalg.norm(tokens) ** 2 / m
    bures, trace = zero_mean_rungs(tokens, np.arange(m))
    assert bures == pytest.approx(0.0, abs=ROUNDING * everything)
    assert trace == pytest.approx(everything, rel=ROUNDING)
    with pytest.raises(InputError, match="distinct"):
        zero_mean_rungs(tokens, [1, 1])


def test_rungs_4_and_5_are_one_on_column_normalised_tokens() -> None:
    found = Ladder(cloud(16, 5), normalise="columns").values(KEPT)
    assert found["logdet_same_tokens"] == found["logdet"]


def test_rung_4_does_not_see_the_unit_and_rung_5_does_not_see_the_normalisation() -> None:
    tokens = cloud(16, 5)
    one, large = Ladder(tokens).values(KEPT), Ladder(1e3 * tokens).values(KEPT)
    for name in ("logdet_same_tokens", "logdet"):
        assert large[name] == pytest.approx(one[name], rel=ROUNDING)
    assert large["w2_squared"] == pytest.approx(1e6 * one["w2_squared"], rel=ROUNDING)
    rows = Ladder(tokens, normalise="rows").values(KEPT)
    assert rows["logdet"] == one["logdet"]
    assert rows["logdet_same_tokens"] != pytest.approx(one["logdet_same_tokens"], rel=1e-3)


def test_the_order_of_the_kept_tokens_is_no_matter_and_a_set_is_measured_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ladder = Ladder(cloud(16, 5))
    solved: list[int] = []

    def counting(*arguments: object, **options: object) -> object:
        solved.append(1)
        return wasserstein2(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("otanalysis.surrogate.ladder.wasserstein2", counting)
    first = ladder.values(KEPT)
    assert ladder.values(KEPT[::-1]) == pytest.approx(first, rel=ROUNDING)
    assert ladder.distances(sorted(KEPT))["w2"] == first["w2"]
    assert len(solved) == 1
    assert ladder.distances([7, 2, 11, 6])["w2"] != first["w2"]
    assert len(solved) == 2


def test_changing_an_answer_does_not_change_the_next_one() -> None:
    ladder = Ladder(cloud(16, 5))
    before = ladder.distances(KEPT)["w2"]
    ladder.distances(KEPT)["w2"] = -1.0
    ladder.values(KEPT)["w2"] = -1.0
    assert ladder.distances(KEPT)["w2"] == before


def test_the_table_of_rungs_names_what_the_ladder_gives() -> None:
    values = Ladder(cloud(16, 5)).values(KEPT)
    assert [rung.number for rung in RUNGS] == list(range(6))
    assert {rung.column for rung in RUNGS} <= set(values)
    near, far = np.array([1.0, 2.0])
    for rung in RUNGS:
        # The surrogates grow, and the distances shrink, where a set is better.
        worse = rung.badness(np.array([near, far]))
        assert (worse[0] > worse[1]) == rung.maximised
        assert rung.maximised == (rung.number >= 3)


def test_tokens_of_zeros_have_zero_rungs() -> None:
    values = Ladder(np.zeros((4, 3))).values([0, 2])
    assert set(values.values()) == {0.0}


@pytest.mark.parametrize(
    ("tokens", "options", "message"),
    [([[np.inf]], {}, "infinite"), ([1.0], {}, "matrix"), (np.eye(3), {"normalise": "cells"}, "cells")],
)
def test_bad_tokens_are_refused_at_once(tokens: object, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Ladder(tokens, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [[], [16], [-1], [0, 0], [0.5]])
def test_bad_positions_are_refused(bad: object) -> None:
    ladder = Ladder(cloud(16, 5))
    for ask in (ladder.distances, ladder.values):
        with pytest.raises(InputError, match="indices"):
            ask(bad)
