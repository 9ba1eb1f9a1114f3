"""Exact distances at any scale and any spread: against rational arithmetic, closed forms and scaling laws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction
from math import lcm

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import otanalysis as ota
from otanalysis.errors import ConvergenceError, InputError
from otanalysis.image import Image
from otanalysis.transport import simplex, squared_distances
from otanalysis.transport.verification import verify_transport

# What squared_distances promises for every entry, and so for the value.
COSTS = 1e-9
# Where every cost that carries mass is a sum of squared differences: ulps of some hundred terms.
ROUNDING = 1e-12


def optimum(tokens: np.ndarray, kept: list[int]) -> Fraction:
    """Return the squared distance in rational arithmetic, by successive shortest paths of whole masses."""
    rows = [[Fraction(float(number)) for number in row] for row in tokens]
    cost = [[sum((a - b) ** 2 for a, b in zip(row, rows[c], strict=True)) for c in kept] for row in rows]
    m, k = len(rows), len(kept)
    units = lcm(m, k)
    left, flow, total = [units // k] * k, [[0] * k for _ in rows], Fraction(0)
    for i in range(m):
        need = units // m
        while need:
            way: list[Fraction] = [Fraction(one) for one in cost[i]]
            before: list[tuple[int, int] | None] = [None] * k
            for _ in range(k):
                for a in range(k):
                    for t in (t for t in range(m) if flow[t][a]):
                        for b in range(k):
                            if way[a] + cost[t][b] - cost[t][a] < way[b]:
                                way[b], before[b] = way[a] + cost[t][b] - cost[t][a], (a, t)
            goal = min((b for b in range(k) if left[b]), key=lambda b: way[b])
            path, b, amount = [], goal, min(need, left[goal])
            while (step := before[b]) is not None:
                path.append((*step, b))
                amount = min(amount, flow[step[1]][step[0]])
                b = step[0]
            for a, t, c in path:
                flow[t][a] -= amount
                flow[t][c] += amount
            flow[i][b] += amount
            left[goal] -= amount
            need -= amount
            total += amount * way[goal]
    return total / units


def far_apart(far: float, spread: float = 0.1, d: int = 16) -> tuple[np.ndarray, list[int], float]:
    """Return 56 tokens near zero and 8 equal ones far away, a quarter of each kept, and the squared distance.

    No mass goes from one group to the other, and none of the far one moves.
    """
    near = spread * np.random.default_rng(0).normal(size=(56, d))
    alone = ota.wasserstein2(near, range_of(14)).squared_distance
    return np.vstack([near, np.full((8, d), far)]), [*range(14), 56, 57], 56 / 64 * alone


def range_of(count: int) -> np.ndarray:
    return np.arange(count)


@pytest.mark.parametrize("far", [1e3, 65504.0, 1e6, 1e9, 1e12, 1e50, 1e100])
def test_tokens_far_away_do_not_change_the_distance_of_the_others(far: float) -> None:
    tokens, kept, truth = far_apart(far)

    found = ota.wasserstein2(tokens, kept)

    assert found.squared_distance == pytest.approx(truth, rel=ROUNDING, abs=0)
    assert abs(found.duality_gap) <= simplex.GAP_TOLERANCE * truth
    assert verify_transport(tokens, found).sound


def test_the_value_of_far_apart_groups_is_that_of_the_report() -> None:
    assert far_apart(1e6)[2] == pytest.approx(0.12161419893644, rel=1e-12, abs=0)


@pytest.mark.parametrize("d", [256, 1024])
def test_half_floats_clamped_in_every_channel(d: int) -> None:
    near = (0.02 * np.random.default_rng(d).normal(size=(56, d))).astype(np.float16)
    tokens = np.vstack([near, np.full((8, d), 65504, np.float16)])
    kept = [*range(14), 56, 57]

    found = ota.wasserstein2(tokens, kept)

    truth = 56 / 64 * ota.wasserstein2(near, kept[:14]).squared_distance
    assert found.squared_distance == pytest.approx(truth, rel=COSTS, abs=0)
    assert verify_transport(tokens, found).sound


def test_massive_activations_of_a_few_channels() -> None:
    generator = np.random.default_rng(1)
    tokens = generator.normal(size=(12, 40))
    tokens[[2, 7], :2] *= 1e5
    kept = [2, 5, 9]

    found = ota.wasserstein2(tokens, kept)

    assert float(abs(Fraction(found.squared_distance) / optimum(tokens, kept) - 1)) <= ROUNDING
    assert verify_transport(tokens, found).sound


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), span=st.sampled_from([3, 20, 100, 150]), m=st.integers(2, 8))
def test_extreme_mixtures_agree_with_rational_arithmetic(seed: int, span: int, m: int) -> None:
    generator = np.random.default_rng(seed)
    sizes = 10.0 ** generator.uniform(-span, span, 3)
    centres = generator.choice(sizes, (3, 1)) * generator.standard_normal((3, 2))
    spread = 10.0 ** -generator.uniform(0, 12) * generator.choice(sizes, (m, 1))
    tokens = centres[generator.integers(0, 3, m)] + spread * generator.standard_normal((m, 2))
    tokens[generator.integers(0, m, m // 3)] = tokens[0]
    kept = generator.permutation(m)[: int(generator.integers(1, m + 1))].tolist()
    truth = optimum(tokens, kept)

    found = ota.wasserstein2(tokens, kept)

    assert abs(Fraction(found.distance) ** 2 - truth) <= Fraction(COSTS) * truth
    assert verify_transport(tokens, found).sound
    assert Fraction(ota.quantisation_error(tokens, kept)) <= truth * Fraction(1 + COSTS) + Fraction(5e-324)


@pytest.mark.parametrize("exponent", [-900, -560, -520, -300, -101, 101, 300, 490])
def test_a_power_of_two_changes_the_scale_and_no_digit(exponent: int) -> None:
    tokens = np.random.default_rng(2).integers(-9, 9, (12, 3)).astype(float)
    kept = [1, 5, 8]
    base, moved = (ota.wasserstein2(one, kept) for one in (tokens, np.ldexp(tokens, exponent)))

    assert moved.distance == np.ldexp(base.distance, exponent)
    assert verify_transport(np.ldexp(tokens, exponent), moved).sound
    for measure in (ota.quantisation_error, ota.gelbrich_squared, ota.bures_squared, ota.trace_objective):
        expected = np.ldexp(measure(tokens, kept), 2 * exponent)
        assert measure(np.ldexp(tokens, exponent), kept) == pytest.approx(expected, rel=ROUNDING, abs=5e-324)
    assert moved.squared_distance == pytest.approx(np.ldexp(base.squared_distance, 2 * exponent), rel=1e-15)


@pytest.mark.parametrize("scale", [1e-170, 1e-160, 1e150])
def test_the_certificate_holds_at_any_scale(scale: float) -> None:
    tokens = np.random.default_rng(3).standard_normal((14, 3))
    kept = ota.select(tokens, "otprune", keep=4).indices
    plain, scaled = ota.certify(tokens, kept), ota.certify(scale * tokens, kept)

    assert scaled.distance_gap == pytest.approx(plain.distance_gap, rel=1e-9)
    assert plain.distance_gap > 0.01
    assert scaled.verification.sound
    assert scaled.transport.distance == pytest.approx(scale * plain.transport.distance, rel=ROUNDING)
    for method in ("kmedoids", "ot-medoids"):
        before, after = (ota.select(one * tokens, method, keep=4).indices for one in (1.0, scale))
        np.testing.assert_array_equal(before, after)


def test_the_floor_is_not_drowned_by_tokens_far_away() -> None:
    near = far_apart(1.0)[0][:56]
    tokens, _, truth = far_apart(1e6)
    alone = ota.wasserstein2_floor(near, 14)

    floor = ota.wasserstein2_floor(tokens, 16)

    assert floor.squared_distance <= truth
    assert floor.squared_distance == pytest.approx(56 / 64 * alone.squared_distance, rel=1e-5)
    again = ota.lagrangian_bound(tokens, 16, floor.multipliers, cuts=floor.cuts, cut_prices=floor.cut_prices)
    assert again == pytest.approx(floor.squared_distance, rel=1e-6)
    assert floor.squared_distance <= floor.best.squared_distance <= truth


def test_medoids_move_among_tokens_that_are_small_beside_others() -> None:
    near, tokens = far_apart(1.0)[0][:56], far_apart(1e6)[0]
    alone = ota.wasserstein2(near, ota.select(near, "ot-medoids", keep=14).indices).squared_distance

    kept = ota.select(tokens, "ot-medoids", keep=16).indices

    assert ota.wasserstein2(tokens, kept).squared_distance <= 1.2 * 56 / 64 * alone


def test_quantisation_error_is_a_mean_that_cannot_overflow() -> None:
    tokens = 1e153 * np.random.default_rng(4).standard_normal((2000, 3))
    unit = ota.quantisation_error(tokens / 1e153, [0])

    assert ota.quantisation_error(tokens, [0]) == pytest.approx(unit * 1e306, rel=ROUNDING)
    with pytest.raises(InputError, match="too large"):
        ota.quantisation_error(1e20 * tokens, [0])


@pytest.mark.parametrize("far", [1e4, 1e6, 1e8, 1e10])
def test_gaussian_distances_of_tokens_far_apart_keep_their_digits(far: float) -> None:
    values = np.concatenate([0.1 * np.random.default_rng(5).normal(size=28), np.full(4, far)])
    kept = [*range(14), 28, 29]
    with localcontext() as context:
        context.prec = 120
        every, some = ([Decimal(float(one)) for one in part] for part in (values, values[kept]))
        centre, kept_centre = sum(every) / len(every), sum(some) / len(some)
        root = sum((one - centre) ** 2 for one in every) / len(every)
        kept_root = sum((one - kept_centre) ** 2 for one in some) / len(some)
        gelbrich = (centre - kept_centre) ** 2 + (root.sqrt() - kept_root.sqrt()) ** 2
        raw = [(sum(one**2 for one in part) / len(part)).sqrt() for part in (every, some)]
        bures = (raw[0] - raw[1]) ** 2
    slack = (64 * np.finfo(float).eps * far) ** 2  # the tokens' own ulps, squared

    assert ota.gelbrich_squared(values[:, None], kept) == pytest.approx(float(gelbrich), rel=1e-4, abs=slack)
    assert ota.bures_squared(values[:, None], kept) == pytest.approx(float(bures), rel=1e-4, abs=slack)


@pytest.mark.parametrize("far", [1e4, 1e6, 1e8])
def test_the_ladder_descends_where_tokens_lie_far_apart(far: float) -> None:
    tokens, kept, truth = far_apart(far, d=4)
    alone = ota.gelbrich_squared(*far_apart(1e3, d=4)[:2])

    assert ota.bures_squared(tokens, kept) <= ota.gelbrich_squared(tokens, kept) <= truth
    assert ota.gelbrich_squared(tokens, kept) == pytest.approx(alone, rel=1e-3)
    assert ota.bures_squared(tokens, range_of(64)) == ota.gelbrich_squared(tokens, range_of(64)) == 0.0


@pytest.mark.parametrize("far", [1e6, 1e12, 1e100])
def test_squared_distances_are_right_to_the_digit_in_every_corner(far: float) -> None:
    generator = np.random.default_rng(6)
    tokens = np.vstack([0.1 * generator.normal(size=(60, 4)), np.full((8, 4), far)])
    tokens[60] = tokens[3]

    found = squared_distances(tokens)

    exact_rows = [[Fraction(float(one)) for one in row] for row in tokens]
    for i in range(0, 68, 3):
        for j in range(68):
            truth = sum((a - b) ** 2 for a, b in zip(exact_rows[i], exact_rows[j], strict=True))
            assert abs(Fraction(float(found[i, j])) - truth) <= Fraction(COSTS) * truth
    assert np.array_equal(found, found.T)
    assert not found[61:, 61:].any()
    assert found[3, 60] == 0.0


def test_many_close_pairs_are_taken_about_their_own_centre(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = far_apart(1e6)[0]
    right = squared_distances(tokens)
    pairs: list[int] = []
    recompute = ota.image._recompute_close_pairs  # type: ignore[attr-defined]

    def counted(result: np.ndarray, left: np.ndarray, *rest: object) -> None:
        pairs.append(int(np.count_nonzero(rest[1])))
        recompute(result, left, *rest)

    monkeypatch.setattr("otanalysis.image._recompute_close_pairs", counted)

    assert np.array_equal(squared_distances(tokens), right)
    assert sum(pairs) < 64 * 16 + 8 * 64, "nearly all 56 * 56 pairs would be close to a common centre"


def test_a_difference_too_small_to_be_squared_is_not_zero() -> None:
    tokens = np.array([[0.0], [1e-170], [1e-170], [1.0]])

    found = squared_distances(tokens)

    assert found[0, 1] == np.finfo(float).tiny
    assert found[1, 2] == 0.0
    with pytest.raises(ConvergenceError, match="squares lose digits"):
        ota.wasserstein2([[0.0], [0.0], [1e-170], [1e-170], [1.0], [1.0]], [0, 1, 4])


def test_a_gap_that_is_small_beside_the_largest_cost_alone_is_unsound() -> None:
    tokens, kept, truth = far_apart(1e6)
    right = ota.wasserstein2(tokens, kept)
    plan = right.plan.copy()
    # A plan of right marginals that is worse by less than 1e-13 of the largest cost.
    column = plan[:, 0].copy()
    plan[:, 0], plan[:, 1] = plan[:, 1], column
    worse = replace(
        right, plan=plan, squared_distance=float(np.sum(plan * squared_distances(tokens)[:, kept]))
    )

    found = verify_transport(tokens, worse)

    assert found.upper > truth * 1.01
    assert found.upper - found.lower < 1e-12 * found.largest_cost
    assert not found.sound


def test_a_solver_that_leaves_a_gap_small_beside_the_largest_cost_alone_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tokens, kept, _ = far_apart(1e6)
    monkeypatch.setattr(simplex, "_ROUNDS", 0)

    with pytest.raises(ConvergenceError, match=r"duality gap .*relative to the value"):
        ota.wasserstein2(tokens, kept)


def test_tokens_of_ordinary_size_are_not_rescaled() -> None:
    tokens = np.random.default_rng(8).standard_normal((6, 2))

    ordinary, tiny = Image(tokens), Image(1e-170 * tokens)

    assert ordinary.exponent == 0
    assert ordinary.unit_distances is ordinary.squared_distances
    assert 0.2 < tiny.unit_distances.max() < 3.0
    assert tiny.unit_distances is tiny.unit_distances
    assert not tiny.squared_distances.any()
    assert Image(np.hstack([tokens * 1e-170, np.ones((6, 1))])).exponent == tiny.exponent


def test_a_constant_channel_does_not_hide_the_others() -> None:
    tokens = 1e-170 * np.random.default_rng(9).standard_normal((8, 3))
    beside_ones = np.hstack([tokens, np.full((8, 1), 0.1)])
    alone = ota.wasserstein2(tokens, [0, 4]).distance

    assert ota.wasserstein2(beside_ones, [0, 4]).distance == pytest.approx(alone, rel=ROUNDING, abs=0)


Measure = Callable[[np.ndarray, list[int]], float]


@pytest.mark.parametrize("measure", [ota.gelbrich_squared, ota.bures_squared, ota.trace_objective])
def test_gaussian_distances_that_overflow_are_refused(measure: Measure) -> None:
    with pytest.raises(InputError, match="too large"):
        measure(1e200 * np.random.default_rng(10).standard_normal((6, 2)), [0])
