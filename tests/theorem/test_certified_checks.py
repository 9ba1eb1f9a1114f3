"""Certified checks: exact arithmetic against fractions, and that no rounding fakes a pass."""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from otanalysis.errors import MissingDependencyError
from otanalysis.theorem.certified_checks import (
    CertifiedGreedy,
    CertifiedMonotone,
    CertifiedRootBound,
    CertifiedSubmodular,
    CertifiedTraceBound,
    euler_guarantee,
    root_constant,
)
from otanalysis.theorem.certified_claims import build_certified_claims
from otanalysis.theorem.check import run_claim
from otanalysis.theorem.exact_arithmetic import (
    ExactKernel,
    Subsets,
    decide_positive,
    determinants,
    exact_kernel,
    load_flint,
)
from otanalysis.theorem.greedy import GUARANTEE
from otanalysis.theorem.instance_sets import Effort
from otanalysis.theorem.instances import Kernel
from otanalysis.theorem.relations import root_bound

flint = pytest.importorskip("flint")

TOKENS = np.random.default_rng(0).standard_normal((4, 3))
CLAIMS = {one.id: one for one in build_certified_claims(Effort(1, 3, 2, 1), 0)}


def determinant(matrix: list[list[Fraction]]) -> Fraction:
    """Return the determinant by Leibniz's formula."""
    total = Fraction(0)
    for order in permutations(range(len(matrix))):
        swaps = sum(a > b for at, a in enumerate(order) for b in order[at + 1 :])
        product = Fraction((-1) ** swaps)
        for row, column in enumerate(order):
            product *= matrix[row][column]
        total += product
    return total


def kernel_in_fractions(tokens: np.ndarray, gamma: float) -> list[list[Fraction]]:
    rows = [[Fraction(float(value)) for value in row] for row in tokens]
    gram = [[sum(a * b for a, b in zip(x, y, strict=True)) for y in rows] for x in rows]
    m = len(rows)
    return [
        [int(i == j) + Fraction(gamma) * sum(gram[i][t] * gram[t][j] for t in range(m)) for j in range(m)]
        for i in range(m)
    ]


@pytest.mark.parametrize("name", CLAIMS)
def test_the_claim_is_proved_and_its_control_rejected(name: str) -> None:
    outcome = run_claim(CLAIMS[name])
    assert (outcome.verdict, outcome.undecided) == ("pass", 0)
    assert outcome.worst_margin >= 0
    assert outcome.control_rejected
    assert type(CLAIMS[name].control.check) is type(CLAIMS[name].check)


def test_determinants_are_those_of_fractions() -> None:
    subsets = determinants(exact_kernel(Kernel.of_tokens("test", TOKENS, 0.01)))
    matrix = kernel_in_fractions(TOKENS, 0.01)
    for mask in range(16):
        kept = [item for item in range(4) if mask >> item & 1]
        expected = determinant([[matrix[i][j] for j in kept] for i in kept])
        assert Fraction(int(subsets.values[mask]), 2 ** (subsets.shift * len(kept))) == expected


def test_a_kernel_without_tokens_is_its_own_floats() -> None:
    exact = exact_kernel(Kernel("matrix", np.array([[1.5, 0.1], [0.1, 3.0]])))
    values = [[Fraction(entry, 2**exact.shift) for entry in row] for row in exact.entries]
    assert values == [[Fraction(1.5), Fraction(0.1)], [Fraction(0.1), Fraction(3)]]


@pytest.mark.parametrize(
    ("number", "holds"),
    [
        (lambda: flint.arb(2).log() - flint.arb(1), False),
        (lambda: flint.arb(3).log() - flint.arb(1), True),
        (lambda: flint.arb(1 + flint.fmpq(1, 10**400)).log(), True),
        (
            lambda: (1 - flint.fmpq(1, 10**400)) * flint.arb(1) - flint.arb(2).log() / flint.arb(2).log(),
            False,
        ),
        (lambda: flint.arb(4).log() - 2 * flint.arb(2).log(), None),
        (lambda: flint.arb(10**4000).log() - flint.arb(10**4000 + 1).log(), None),
        (lambda: (flint.arb(-1)).sqrt(), None),
    ],
)
def test_a_sign_is_decided_or_left_open(number: Callable[[], Any], holds: bool | None) -> None:
    before = flint.ctx.prec
    assert decide_positive(number).holds is holds
    assert flint.ctx.prec == before


def test_a_violation_that_no_float_can_see_is_found() -> None:
    def almost(kernel: ExactKernel) -> Subsets:
        # The log-determinant of a diagonal is modular: every comparison an equality, in whole numbers.
        values = list(determinants(kernel).values)
        values[3] += 1
        return Subsets(values, kernel.shift)

    big = ExactKernel("diagonal", [[10**40, 0, 0], [0, 10**41, 0], [0, 0, 10**42]], 0, Kernel("", np.eye(3)))
    assert CertifiedSubmodular()(big).violations == 0
    assert CertifiedSubmodular(almost)(big).violations > 0


def test_an_eigenvalue_below_one_by_an_ulp_is_found() -> None:
    less = exact_kernel(Kernel("less", np.diag([1.0, np.nextafter(1.0, 0.0)])))
    assert CertifiedMonotone()(less).violations == 2
    assert CertifiedMonotone()(exact_kernel(Kernel("one", np.eye(2)))).violations == 0


def test_equality_is_undecided_where_it_is_not_exact_arithmetic() -> None:
    # Greedy is made to take 2 where 4 is best: log 2 / log 4 is one half, and one half is asked for.
    pair = exact_kernel(Kernel("pair", np.diag([2.0, 4.0])))
    lesser = CertifiedGreedy(
        lambda *_: (np.array([0, 1]), np.log([2.0, 4.0])), lambda: load_flint().arb(1) / 2
    )
    tally = lesser(pair)
    assert (tally.violations, tally.undecided) == (0, 1)
    stricter = CertifiedGreedy(lesser.greedy, lambda: load_flint().arb(1) / 2 + load_flint().arb("1e-300"))
    assert stricter(pair).violations == 1


def test_zero_tokens_are_decided_as_equalities() -> None:
    zero = exact_kernel(Kernel.of_tokens("zero", np.zeros((3, 2)), 0.01))
    checks = (CertifiedSubmodular(), CertifiedMonotone(), CertifiedGreedy(), CertifiedTraceBound())
    for check in (*checks, CertifiedRootBound()):
        tally = check(zero)
        assert (tally.violations, tally.undecided) == (0, 0)


def test_the_balls_hold_the_constants() -> None:
    assert abs(float(root_constant().mid()) - root_bound()[1]) < 1e-14
    assert abs(float(euler_guarantee().mid()) - GUARANTEE) < 1e-15
    assert root_constant() > flint.arb("0.8047423425")
    assert root_constant() < flint.arb("0.8047423426")


def test_the_root_bound_is_tight_for_one_token() -> None:
    peak, _ = root_bound()
    tight = exact_kernel(Kernel("tight", np.diag([1.0 + peak, 1.0])))
    assert CertifiedRootBound()(tight).violations == 0
    below = CertifiedRootBound(lambda: root_constant() - flint.arb("1e-12"))
    # The pair with the other token, which adds nothing, is as tight.
    assert below(tight).violations == 2


def test_without_flint_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(MissingDependencyError, match=r"otanalysis\[certified\]"):
        load_flint()
