"""The verdicts: what counts as a violation, what as decided, and that a control must be rejected."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

from otanalysis.theorem.check import Claim, Control, Tally, run_claim


@dataclass(frozen=True)
class Fixed:
    """An instance with its margins."""

    label: str
    margins: tuple[float, ...]
    tolerance: float = 1e-9


@dataclass(frozen=True)
class Less:
    """A check: the margins of the instance less an amount."""

    amount: float = 0.0
    undecided: int = 0

    def __call__(self, instance: Fixed) -> Tally:
        tally = Tally.of(
            np.array(instance.margins) - self.amount, instance.tolerance, worst_case=instance.label
        )
        return replace(tally, undecided=self.undecided)


def claim(*instances: Fixed, check: Less | None = None, control: Less | None = None) -> Claim:
    wrong = Control("one too much", control or Less(1.0))
    return Claim("fixed", "margins are positive", instances, check or Less(), wrong)


@pytest.mark.parametrize(
    ("margins", "violations", "worst"),
    [
        ((0.5, 0.1), 0, 0.1),
        ((0.5, -1e-10), 0, -1e-10),
        ((0.5, -1e-8), 1, -1e-8),
        ((math.nan, 0.5), 1, -math.inf),
        ((-math.inf, -1.0), 2, -math.inf),
    ],
)
def test_a_margin_beyond_the_tolerance_or_no_number_is_a_violation(
    margins: tuple[float, ...], violations: int, worst: float
) -> None:
    outcome = run_claim(claim(Fixed("one", margins)))
    assert (outcome.violations, outcome.worst_margin) == (violations, worst)
    assert outcome.verdict == ("violated" if violations else "pass")
    assert outcome.sound == (violations == 0)


def test_the_counts_run_over_all_instances_and_the_worst_is_named() -> None:
    outcome = run_claim(claim(Fixed("a", (0.3, 0.2)), Fixed("b", (0.1,)), Fixed("c", (0.4,))))
    assert (outcome.cases, outcome.worst_margin, outcome.where, outcome.worst_case) == (4, 0.1, "b", "b")


def test_a_violation_outranks_a_worse_margin_within_a_larger_tolerance() -> None:
    loose, broken = Fixed("loose", (-1e-7,), 1e-6), Fixed("broken", (-1e-8,), 1e-9)
    outcome = run_claim(claim(loose, broken))
    assert (outcome.verdict, outcome.where, outcome.worst_margin) == ("violated", "broken", -1e-8)


def test_undecided_is_never_a_pass() -> None:
    outcome = run_claim(claim(Fixed("one", (0.5,)), check=Less(undecided=1)))
    assert (outcome.verdict, outcome.sound) == ("undecided", False)
    assert run_claim(claim()).verdict == "undecided"
    assert run_claim(claim(Fixed("one", (-0.5,)), check=Less(undecided=1))).verdict == "violated"


def test_a_control_that_passes_makes_the_claim_unsound() -> None:
    outcome = run_claim(claim(Fixed("one", (0.5,)), control=Less(0.2)))
    assert (outcome.verdict, outcome.control_rejected, outcome.sound) == ("pass", False, False)
    assert outcome.control_margin == pytest.approx(0.3)


def test_an_undecided_control_is_not_rejected() -> None:
    outcome = run_claim(claim(Fixed("one", (0.5,)), control=Less(undecided=1)))
    assert not outcome.control_rejected


def test_a_control_goes_on_with_its_own_instances_where_those_of_the_claim_let_it_pass() -> None:
    wrong = Control("one too much", Less(1.0), more=(Fixed("drawn", (0.5,)),))
    outcome = run_claim(replace(claim(Fixed("flat", (5.0,))), control=wrong))
    assert outcome.control_rejected
    assert outcome.control_margin == -0.5
    assert outcome.cases == 1


def test_progress_moves_once_an_instance_and_once_for_the_control() -> None:
    steps: list[None] = []
    run_claim(claim(Fixed("a", (0.3,)), Fixed("b", (0.1,))), lambda: steps.append(None))
    assert len(steps) == 3
