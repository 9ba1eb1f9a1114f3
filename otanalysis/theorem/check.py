"""What a check of the theorem is: a claim, the code that measures its margins, and a control it must reject.

A margin is how far a case stays on the right side of a claim, relative to the values compared: zero where an
inequality is tight, negative where it is broken. The margin of an identity is minus the relative difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from otanalysis.arrays import FloatArray

# Sources of claims.
PROVED = "the paper's Proposition 1, claimed with a proof"
SAID = "the paper says so in its text, without proof"
EQUATION_3, EQUATION_6, EQUATION_8 = (f"the paper's equation {number}" for number in (3, 6, 8))


@dataclass(frozen=True, eq=False)
class Tally:
    """What a check measured on one instance.

    Attributes
    ----------
    margins : ndarray [n]
        One relative margin a case.
    tolerance : float
        What rounding may take from a margin of this instance.
    violations : int
        Cases that are broken by more than the tolerance, or whose margin is not a number.
    undecided : int
        Cases that a certified check could not decide at its highest precision.
    worst_case : object
        What attained the worst margin, where the check keeps it.
    """

    margins: FloatArray
    tolerance: float
    violations: int
    undecided: int = 0
    worst_case: Any = None

    @classmethod
    def of(cls, margins: ArrayLike, tolerance: float, *, worst_case: Any = None) -> Tally:
        """Count the violations among float64 margins."""
        values = np.atleast_1d(np.asarray(margins, dtype=np.float64))
        # Written so that a margin that is not a number counts as a violation.
        return cls(values, tolerance, int(np.sum(~(values >= -tolerance))), worst_case=worst_case)

    @property
    def worst(self) -> float:
        """The smallest margin; minus infinity if one is not a number, infinity if there is none."""
        return float(
            np.min(np.nan_to_num(self.margins, nan=-np.inf, neginf=-np.inf, posinf=np.inf), initial=np.inf)
        )


class Check(Protocol):
    """Measures the margins of one instance; a frozen dataclass whose fields are what is put to the test."""

    def __call__(self, instance: Any) -> Tally:
        """Return the margins of all cases of the instance."""
        ...


class Instance(Protocol):
    """Anything that a check can be run on."""

    @property
    def label(self) -> str:
        """A few words that name the instance."""
        ...


@dataclass(frozen=True)
class Control:
    """The same check on something wrong, which it must reject.

    Attributes
    ----------
    description : str
        What is wrong.
    check : Check
        The check of the claim with the wrong thing in its fields.
    more : sequence of Instance
        Where it runs after the instances of the claim, for claims on tokens that come from outside: an image
        of one colour leaves nothing to get wrong.
    """

    description: str
    check: Check
    more: Sequence[Instance] = ()


@dataclass(frozen=True, eq=False)
class Claim:
    """One statement, how it is checked and on what; see :func:`run_claim`.

    Attributes
    ----------
    id : str
        Short name, unique in a run.
    statement : str
        The claim in one line.
    instances : sequence of Instance
        What the check, and then the control, run on.
    check : Check
    control : Control
    describe : callable, optional
        Turns the margins [n] of each instance, by its label, into numbers worth reporting.
    source : str
        Where arXiv:2602.20205v2 claims it, and whether it proves it; empty for what was added here.
    """

    id: str
    statement: str
    instances: Sequence[Instance]
    check: Check
    control: Control
    describe: Callable[[Mapping[str, FloatArray]], Mapping[str, float]] | None = None
    source: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came out of a claim; see :func:`run_claim`.

    Attributes
    ----------
    claim : Claim
    cases, violations, undecided : int
        Counts over all instances.
    worst_margin : float
        The smallest margin met, as it is; of the instance with violations, if there are any.
    tolerance : float
        The tolerance of the instance that met it.
    where : str
        Label of that instance.
    control_rejected : bool
        Whether the control was found wrong.
    control_margin : float
        The smallest margin of the control; its run ends with the instance that rejects it.
    distribution : mapping
        What :attr:`Claim.describe` made of the margins.
    worst_case : object
        What attained the worst margin, where the check keeps it.
    """

    claim: Claim
    cases: int
    violations: int
    undecided: int
    worst_margin: float
    tolerance: float
    where: str
    control_rejected: bool
    control_margin: float
    distribution: Mapping[str, float]
    worst_case: Any

    @property
    def verdict(self) -> str:
        """``pass``, ``violated``, or ``undecided``: no case at all decides nothing either."""
        if self.violations:
            return "violated"
        return "undecided" if self.undecided or not self.cases else "pass"

    @property
    def sound(self) -> bool:
        """Whether the claim passed and its control was rejected."""
        return self.verdict == "pass" and self.control_rejected


def run_claim(claim: Claim, advance: Callable[[], None] = lambda: None) -> Outcome:
    """Run a claim and its control.

    Parameters
    ----------
    claim : Claim
    advance : callable
        Called after every instance and once after the control, for a progress bar.

    Returns
    -------
    Outcome

    Examples
    --------
    >>> from otanalysis.theorem import Kernel, MonotoneEverywhere, as_values
    >>> falling = MonotoneEverywhere(lambda matrix: -np.arange(2.0 ** len(matrix)))
    >>> two = Kernel("two items", np.diag([2.0, 3.0]))
    >>> claim = Claim("monotone", "no item lowers it", [two], MonotoneEverywhere(), Control("falls", falling))
    >>> outcome = run_claim(claim)
    >>> outcome.verdict, outcome.control_rejected, as_values(outcome)["cases"]
    ('pass', True, 4)
    """
    tallies = []
    for instance in claim.instances:
        tallies.append(claim.check(instance))
        advance()
    control: list[Tally] = []
    for instance in (*claim.instances, *claim.control.more):
        control.append(claim.control.check(instance))
        if control[-1].violations:
            break
    advance()
    margins = {one.label: tally.margins for one, tally in zip(claim.instances, tallies, strict=True)}
    # An instance with violations is worse than any other, whatever the tolerances.
    ranked = sorted(range(len(tallies)), key=lambda at: (not tallies[at].violations, tallies[at].worst))
    worst = tallies[ranked[0]] if ranked else Tally.of([], 0.0)
    return Outcome(
        claim=claim,
        cases=sum(one.margins.size for one in tallies),
        violations=sum(one.violations for one in tallies),
        undecided=sum(one.undecided for one in tallies),
        worst_margin=worst.worst,
        tolerance=worst.tolerance,
        where=claim.instances[ranked[0]].label if ranked else "",
        control_rejected=any(one.violations for one in control),
        control_margin=min((one.worst for one in control), default=math.inf),
        distribution=claim.describe(margins) if claim.describe else {},
        worst_case=worst.worst_case,
    )
