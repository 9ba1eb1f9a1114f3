"""A certificate against brute force: every claim about the best kept set holds over all kept sets."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import combinations
from math import gcd

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

import otanalysis as ota
from otanalysis.arrays import Normalisation, normalise_tokens
from otanalysis.certificate import Certificate, certify
from otanalysis.errors import ConvergenceError, InputError
from otanalysis.surrogate import logdet_upper_bound, paper_objective

# Float64 sums of some dozen terms; the bounds have their own allowance on top.
ROUNDING = 1e-12
KINDS = ("gaussian", "duplicates", "zero rows", "outlier", "integers", "wide")


def cloud(kind: str, seed: int) -> np.ndarray:
    generator = np.random.default_rng([seed, KINDS.index(kind)])
    m, d = int(generator.integers(5, 10)), 12 if kind == "wide" else int(generator.integers(1, 4))
    tokens = generator.standard_normal((m, d))
    match kind:
        case "duplicates":
            return tokens[generator.integers(0, 3, m)]
        case "zero rows":
            return tokens * (generator.random((m, 1)) < 0.6)
        case "outlier":
            return tokens * np.where(np.arange(m)[:, None] == 0, 1e3, 1.0)
        case "integers":
            return generator.integers(-2, 3, (m, d)).astype(float)
    return tokens


def squared_distance(tokens: np.ndarray, kept: tuple[int, ...]) -> float:
    """Return the squared distance: an assignment of tokens split into equal masses."""
    m, k = len(tokens), len(kept)
    cost = np.sum((tokens[:, None] - tokens[None, list(kept)]) ** 2, axis=2)
    split = np.repeat(np.repeat(cost, k // gcd(m, k), axis=0), m // gcd(m, k), axis=1)
    return float(split[linear_sum_assignment(split)].mean())


def logdet(tokens: np.ndarray, kept: tuple[int, ...], gamma: float) -> float:
    """Return the surrogate of column-normalised tokens, from its definition."""
    norms = np.linalg.norm(tokens, axis=0)
    unit = tokens / np.where(norms > 0, norms, 1.0)
    gram = unit @ unit.T
    kernel = np.eye(len(tokens)) + gamma * gram @ gram.T
    return float(np.linalg.slogdet(kernel[np.ix_(kept, kept)])[1])


@pytest.mark.parametrize("gamma", [0.01, 5.0])
@pytest.mark.parametrize("kind", KINDS)
def test_no_kept_set_beats_the_certificate(kind: str, gamma: float) -> None:
    for seed in range(3):
        tokens = cloud(kind, seed)
        for keep in (1, 2, len(tokens) // 2, len(tokens) - 1):
            sets = list(combinations(range(len(tokens)), keep))
            distances = [squared_distance(tokens, kept) for kept in sets]
            values = [logdet(tokens, kept, gamma) for kept in sets]
            scale = float(np.ptp(tokens, axis=0) @ np.ptp(tokens, axis=0)) or 1.0
            at = int(np.random.default_rng(seed).integers(len(sets)))
            proof = certify(tokens, np.array(sets[at]), gamma=gamma)
            slack = ROUNDING * scale
            assert proof.transport.squared_distance == pytest.approx(distances[at], abs=slack)
            assert proof.floor.squared_distance <= min(distances) + slack
            assert min(distances) <= proof.floor.best.squared_distance + slack
            # Another set saves at most the gap, and the true ratio is at most the certified one.
            assert distances[at] - min(distances) <= proof.distance_gap * distances[at] + slack
            if np.isfinite(proof.distance_ratio):
                assert distances[at] <= proof.distance_ratio * min(distances) + slack
            assert proof.surrogate == pytest.approx(values[at], abs=ROUNDING * keep)
            reached = max(values)
            assert proof.surrogate_ratio * reached <= values[at] + ROUNDING
            assert 1.0 - np.exp(-1.0) < proof.greedy_ratio <= 1.0
            greedy = logdet(
                tokens, tuple(ota.select(tokens, "otprune", keep=keep, gamma=gamma).indices), gamma
            )
            assert proof.greedy_ratio * reached <= greedy + ROUNDING


@pytest.mark.parametrize("how", ["columns", "rows", "none"])
def test_the_surrogate_may_be_the_papers(how: Normalisation) -> None:
    """Against equation 7 over all kept sets of a size, and the greedy of otprune-paper."""
    tokens, gamma = cloud("gaussian", 1), 0.8
    for keep in (2, 4):
        sets = list(combinations(range(len(tokens)), keep))
        options = {"gamma": gamma, "normalise": how}
        values = {kept: paper_objective(tokens, list(kept), **options) for kept in sets}  # type: ignore[arg-type]
        greedy = ota.select(tokens, "otprune-paper", keep=keep, **options)  # type: ignore[arg-type]
        proof = certify(tokens, greedy, gamma=gamma, gamma_of="paper", kernel_normalise=how)
        assert proof.surrogate == pytest.approx(values[tuple(greedy.indices.tolist())], rel=1e-9)
        assert max(values.values()) <= proof.ceiling.value + ROUNDING
        assert proof.ceiling.greedy == pytest.approx(proof.surrogate, rel=1e-9)
        assert proof.surrogate_ratio == pytest.approx(proof.greedy_ratio, rel=1e-9)
        assert certify(tokens, greedy, gamma=gamma, kernel_normalise=how).surrogate != proof.surrogate


def test_the_ratios_mean_something() -> None:
    tokens = np.random.default_rng(0).standard_normal((8, 3)) * np.linspace(0.2, 3.0, 8)[:, None]
    sets = [np.array(kept) for kept in combinations(range(8), 3)]
    proofs = [certify(tokens, kept, gamma=1.0) for kept in sets]
    gaps = [proof.distance_gap for proof in proofs]
    assert min(gaps) < 0.02
    assert max(gaps) > 0.5
    shares = [proof.surrogate_ratio for proof in proofs]
    assert max(shares) > 0.95
    assert min(shares) < 0.5
    # Floor and ceiling belong to the cloud, not to the set.
    assert len({proof.floor.squared_distance for proof in proofs}) == 1
    assert len({proof.ceiling.value for proof in proofs}) == 1


def same(first: Certificate, second: Certificate) -> bool:
    return (
        first.transport.squared_distance == second.transport.squared_distance
        and first.floor.squared_distance == second.floor.squared_distance
        and (first.surrogate, first.ceiling.value) == (second.surrogate, second.ceiling.value)
        and first.verification == second.verification
    )


def test_selections_positions_lists_and_torch_agree() -> None:
    tokens = np.random.default_rng(1).standard_normal((20, 4)).astype(np.float32)
    selection = ota.select(tokens, "otprune", keep=6)
    plain = certify(tokens, np.asarray(selection.indices))
    assert same(plain, certify(tokens, selection))
    assert same(plain, certify(tokens.tolist(), [int(one) for one in selection.indices]))
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(tokens).requires_grad_()
    assert same(plain, certify(tensor, ota.select(tensor, "otprune", keep=6)))
    assert same(plain, certify(tensor, torch.as_tensor(np.asarray(selection.indices))))
    assert not same(plain, certify(tokens, [0, 1, 2, 3, 4, 5]))


@pytest.mark.parametrize("kind", ["columns", "rows"])
def test_the_normalisation_is_that_of_the_distance_alone(kind: Normalisation) -> None:
    tokens = np.random.default_rng(2).standard_normal((12, 4)) * np.arange(1, 13)[:, None]
    found, raw = certify(tokens, [3, 8, 1], normalise=kind), certify(tokens, [3, 8, 1])
    moved = np.asarray(normalise_tokens(tokens, kind))
    assert found.transport.squared_distance == pytest.approx(squared_distance(moved, (3, 8, 1)), rel=ROUNDING)
    assert found.floor.squared_distance == certify(moved, [3, 8, 1]).floor.squared_distance
    assert found.verification.sound
    assert (found.surrogate, found.ceiling.value) == (raw.surrogate, raw.ceiling.value)
    other = certify(tokens, [3, 8, 1], kernel_normalise=kind)
    assert other.floor.squared_distance == raw.floor.squared_distance
    assert other.ceiling.value == logdet_upper_bound(tokens, 3, normalise=kind).value
    assert (other.surrogate != raw.surrogate) == (kind == "rows")
    assert (other.ceiling.value != raw.ceiling.value) == (kind == "rows")


@pytest.mark.parametrize("tokens", [np.eye(4), np.ones((4, 2)) / 3.0, np.zeros((4, 2))])
def test_keeping_everything_is_certainly_the_best(tokens: np.ndarray) -> None:
    proof = certify(tokens, np.arange(4))
    assert (proof.distance_ratio, proof.distance_gap) == (1.0, 0.0)
    assert proof.surrogate_ratio == pytest.approx(1.0, abs=1e-9)
    assert proof.verification.sound


def test_every_copy_kept_once_is_at_no_distance_and_a_floor_of_zero_proves_nothing() -> None:
    # Four points, three copies each: keeping one of each is at distance zero.
    tokens = np.repeat(np.random.default_rng(3).standard_normal((4, 3)), 3, axis=0)
    best = certify(tokens, [0, 4, 8, 11])
    assert (best.distance_ratio, best.distance_gap) == (1.0, 0.0)
    worse = certify(tokens, [0, 1, 4, 8])
    assert worse.floor.best.squared_distance == 0.0
    assert (worse.distance_ratio, worse.distance_gap) == (np.inf, 1.0)


def test_a_better_floor_or_ceiling_can_only_help() -> None:
    tokens = np.random.default_rng(4).standard_normal((15, 3))
    proof = certify(tokens, [0, 1, 2])
    half = replace(proof, floor=replace(proof.floor, squared_distance=0.5 * proof.floor.squared_distance))
    assert half.distance_ratio == pytest.approx(2.0 * proof.distance_ratio)
    assert half.distance_gap == pytest.approx(1.0 - 1.0 / half.distance_ratio)
    twice = replace(proof, ceiling=replace(proof.ceiling, value=2.0 * proof.ceiling.value))
    assert twice.surrogate_ratio == pytest.approx(0.5 * proof.surrogate_ratio)
    assert twice.greedy_ratio == pytest.approx(0.5 * proof.greedy_ratio)


def test_a_solver_that_lies_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = np.random.default_rng(5).standard_normal((12, 3))

    def lying(measured: object, kept: object) -> ota.ExactTransport:
        honest = ota.wasserstein2(measured, kept)
        return replace(honest, squared_distance=0.5 * honest.squared_distance)

    assert certify(tokens, [1, 2]).verification.sound
    # The package names the function as its module; the module itself is asked for by its name.
    monkeypatch.setattr(sys.modules["otanalysis.certificate"], "wasserstein2", lying)
    assert not certify(tokens, [1, 2]).verification.sound


def test_a_solver_that_gives_up_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otanalysis.transport.exact.MAX_PIVOTS", 1)
    with pytest.raises(ConvergenceError):
        certify(np.random.default_rng(6).standard_normal((30, 3)), [1, 2, 3, 4])


@pytest.mark.parametrize(
    ("tokens", "kept", "options", "message"),
    [
        ([[1.0, np.nan]], [0], {}, "NaN"),
        (np.eye(3), [0, 0], {}, "distinct"),
        (np.eye(3), [3], {}, r"0\.\.2"),
        (np.eye(3), [], {}, "non-empty"),
        (np.eye(3), [0], {"gamma": 0.0}, "gamma"),
        (np.eye(3), [0], {"normalise": "cells"}, "cells"),
        (np.eye(3), [0], {"kernel_normalise": "cells"}, "cells"),
        (np.eye(3), [0], {"effort": 0.0}, "effort"),
    ],
)
def test_mistakes_are_named(tokens: object, kept: object, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        certify(tokens, kept, **options)  # type: ignore[arg-type]


def test_the_public_name_is_this_one() -> None:
    assert ota.certify is certify
