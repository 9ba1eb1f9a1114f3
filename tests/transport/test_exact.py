"""Exact W2: against scipy's solvers, closed forms and laws; the certificate and what it must reject."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import ot
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment, linprog

from otanalysis.errors import ConvergenceError, InputError
from otanalysis.image import Image
from otanalysis.transport import exact, wasserstein2

# HiGHS stops at primal and dual feasibilities of 1e-7; its optimal vertex is exact to far better than this.
SOLVER_TOLERANCE = 1e-9
# Two orders of summation of some hundred float64 terms.
ROUNDING = 1e-12


def cloud(seed: int, m: int = 24, d: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return tokens and a random quarter of their positions, in random order."""
    generator = np.random.default_rng(seed)
    tokens = generator.standard_normal((m, d)) * generator.exponential(size=(m, 1))
    return tokens, generator.permutation(m)[: max(1, m // 4)]


def by_linear_programme(cost: np.ndarray) -> float:
    """Return the optimal value of the transport problem between uniform weights, by HiGHS."""
    m, k = cost.shape
    rows = np.kron(np.eye(m), np.ones(k))
    columns = np.kron(np.ones(m), np.eye(k))
    weights = np.concatenate([np.full(m, 1 / m), np.full(k, 1 / k)])
    solution = linprog(cost.ravel(), A_eq=np.vstack([rows, columns]), b_eq=weights, method="highs")
    assert solution.status == 0
    return float(solution.fun)


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_assignment_of_repeated_kept_tokens(seed: int) -> None:
    tokens, kept = cloud(seed)
    cost = ((tokens[:, None] - tokens[kept]) ** 2).sum(-1)
    repeated = np.repeat(cost, len(tokens) // len(kept), axis=1)
    rows, columns = linear_sum_assignment(repeated)

    result = wasserstein2(tokens, kept)

    assert result.squared_distance == pytest.approx(repeated[rows, columns].mean(), rel=SOLVER_TOLERANCE)


@pytest.mark.parametrize(("m", "k"), [(7, 3), (20, 7), (23, 22), (5, 1)])
def test_agrees_with_linear_programming_where_masses_split(m: int, k: int) -> None:
    tokens = np.random.default_rng(m).standard_normal((m, 3))
    kept = np.random.default_rng(k).permutation(m)[:k]
    cost = ((tokens[:, None] - tokens[kept]) ** 2).sum(-1)

    result = wasserstein2(tokens, kept)

    assert result.squared_distance == pytest.approx(by_linear_programme(cost), rel=SOLVER_TOLERANCE)


def test_on_the_line_it_is_the_distance_of_the_quantile_functions() -> None:
    values = np.sort(np.random.default_rng(3).standard_normal(12))
    kept = np.array([1, 4, 9])
    expected = np.mean((values - np.repeat(values[kept], 4)) ** 2)

    assert wasserstein2(values[:, None], kept).squared_distance == pytest.approx(expected, rel=ROUNDING)


def test_one_kept_token_costs_the_mean_squared_distance_to_it() -> None:
    tokens, _ = cloud(4)
    expected = ((tokens - tokens[7]) ** 2).sum(1).mean()

    result = wasserstein2(tokens, [7])

    assert result.squared_distance == pytest.approx(expected, rel=ROUNDING)
    assert result.distance == pytest.approx(np.sqrt(expected), rel=ROUNDING)


@pytest.mark.parametrize("degenerate", [False, True])
def test_keeping_everything_costs_nothing(degenerate: bool) -> None:
    tokens = np.ones((9, 3)) if degenerate else cloud(5, m=9)[0]

    result = wasserstein2(tokens, np.arange(9))

    assert result.squared_distance == 0.0
    assert result.duality_gap == pytest.approx(0.0, abs=ROUNDING)


@pytest.mark.parametrize("seed", range(5))
def test_plan_and_potentials_prove_each_other_optimal(seed: int) -> None:
    tokens, kept = cloud(seed, m=31)
    tokens[3:9] = tokens[2]
    cost = ((tokens[:, None] - tokens[kept]) ** 2).sum(-1)

    result = wasserstein2(tokens, kept)
    u, v = result.potentials

    assert result.plan.shape == (31, len(kept))
    assert result.indices.tolist() == kept.tolist()
    assert result.plan.min() >= 0
    np.testing.assert_allclose(result.plan.sum(1), 1 / 31, rtol=ROUNDING)
    np.testing.assert_allclose(result.plan.sum(0), 1 / len(kept), rtol=ROUNDING)
    assert np.max(u[:, None] + v - cost) <= ROUNDING * cost.max()
    assert u.mean() + v.mean() == pytest.approx(result.squared_distance, rel=ROUNDING)
    assert v.mean() == pytest.approx(0.0, abs=ROUNDING * cost.max())
    slack = cost - u[:, None] - v
    assert np.max(slack[result.plan > 0]) <= 1e-10 * cost.max(), (
        "mass flows only where the constraint is tight"
    )


def test_laws_of_scale_translation_rotation_and_order() -> None:
    tokens, kept = cloud(6)
    base = wasserstein2(tokens, kept).distance
    generator = np.random.default_rng(0)
    rotation = np.linalg.qr(generator.standard_normal((5, 5)))[0]
    order = generator.permutation(len(tokens))
    places = np.argsort(order)[kept]
    relative = {"rel": 1e-10}

    assert wasserstein2(1e-6 * tokens, kept).distance == pytest.approx(1e-6 * base, **relative)
    assert wasserstein2(1e8 * tokens, kept).distance == pytest.approx(1e8 * base, **relative)
    assert wasserstein2(tokens + 10.0, kept).distance == pytest.approx(base, **relative)
    assert wasserstein2(tokens @ rotation, kept).distance == pytest.approx(base, **relative)
    assert wasserstein2(tokens[order], places).distance == pytest.approx(base, **relative)
    assert wasserstein2(tokens, kept[::-1]).distance == pytest.approx(base, **relative)


def test_an_image_gives_the_same_answer_as_its_tokens() -> None:
    tokens, kept = cloud(7)

    shared = wasserstein2(Image(tokens), kept)

    assert shared.squared_distance == wasserstein2(tokens, kept).squared_distance


def test_normalisation_is_applied_first_and_named() -> None:
    tokens, kept = cloud(8)
    columns = tokens / np.sqrt((tokens**2).sum(0))
    rows = tokens / np.sqrt((tokens**2).sum(1, keepdims=True))

    by_column = wasserstein2(tokens, kept, normalise="columns")
    by_row = wasserstein2(tokens, kept, normalise="rows")

    assert by_column.squared_distance == pytest.approx(
        wasserstein2(columns, kept).squared_distance, rel=1e-10
    )
    assert by_row.squared_distance == pytest.approx(wasserstein2(rows, kept).squared_distance, rel=1e-10)
    assert (by_column.normalise, by_row.normalise) == ("columns", "rows")


@settings(max_examples=40)
@given(data=st.data(), m=st.integers(2, 8))
def test_small_integer_clouds_with_ties_agree_with_linear_programming(data: st.DataObject, m: int) -> None:
    tokens = data.draw(arrays(np.int64, (m, 2), elements=st.integers(-2, 2)))
    kept = data.draw(st.lists(st.integers(0, m - 1), min_size=1, max_size=m, unique=True))
    cost = ((tokens[:, None] - tokens[kept]) ** 2).sum(-1)

    result = wasserstein2(tokens, np.array(kept))

    assert result.squared_distance == pytest.approx(by_linear_programme(cost), rel=1e-9, abs=1e-12)


def test_a_solver_that_stops_early_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens, kept = cloud(9, m=60)
    monkeypatch.setattr(exact, "MAX_PIVOTS", 3)

    with pytest.raises(ConvergenceError, match="stopped early"):
        wasserstein2(tokens, kept)


def _independent_plan(plan: np.ndarray, log: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    return np.full_like(plan, 1 / plan.size), log


def _wrong_potentials(plan: np.ndarray, log: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    return plan, {**log, "v": np.linspace(-1, 1, plan.shape[1])}


def _lost_mass(plan: np.ndarray, log: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    return plan * np.where(np.arange(len(plan)) == 0, 0.99, 1.0)[:, None], log


def _not_a_number(plan: np.ndarray, log: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    return plan * np.nan, log


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_independent_plan, "duality gap"),
        (_wrong_potentials, "duality gap"),
        (_lost_mass, "marginal error"),
        (_not_a_number, "marginal error nan"),
    ],
)
def test_the_certificate_rejects_a_wrong_answer(
    monkeypatch: pytest.MonkeyPatch, damage: Callable[..., Any], message: str
) -> None:
    tokens, kept = cloud(10)
    solve = ot.emd
    monkeypatch.setattr(ot, "emd", lambda *args, **options: damage(*solve(*args, **options)))

    with pytest.raises(ConvergenceError, match=message):
        wasserstein2(tokens, kept)


def test_potentials_violated_off_the_plan_are_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens, kept = cloud(11)
    right = wasserstein2(tokens, kept)
    solve = ot.emd

    def shift_u(*args: Any, **options: Any) -> tuple[np.ndarray, dict[str, Any]]:
        plan, log = solve(*args, **options)
        return plan, {**log, "u": log["u"] + 1.0}

    monkeypatch.setattr(ot, "emd", shift_u)

    mended = wasserstein2(tokens, kept)

    assert mended.infeasibility <= ROUNDING
    assert mended.duality_gap == pytest.approx(right.duality_gap, abs=ROUNDING)


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([], "non-empty vector"),
        ([[0, 1]], "non-empty vector"),
        ([0.0, 1.0], "integers"),
        ([True, False], "integers"),
        ([0, 24], "0..23"),
        ([-1], "0..23"),
        ([3, 5, 3], "1 repetitions"),
    ],
)
def test_indices_that_name_no_subset_are_refused(indices: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        wasserstein2(cloud(0)[0], np.array(indices))


def test_tokens_and_options_that_make_no_sense_are_refused() -> None:
    tokens, kept = cloud(12)
    holed = tokens.copy()
    holed[[2, 5], 0] = np.nan

    with pytest.raises(InputError, match=r"2 NaN or infinite values in 2 rows \(2, 5\)"):
        wasserstein2(holed, kept)
    with pytest.raises(InputError, match="normalise must be one of"):
        wasserstein2(tokens, kept, normalise="columm")  # type: ignore[arg-type]


def test_torch_tokens_give_the_same_answer() -> None:
    torch = pytest.importorskip("torch")
    tokens, kept = cloud(13)
    tensor = torch.tensor(tokens, requires_grad=True)

    result = wasserstein2(tensor, torch.tensor(kept))

    assert result.squared_distance == wasserstein2(tokens, kept).squared_distance
