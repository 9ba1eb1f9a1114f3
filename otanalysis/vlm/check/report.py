"""What the checks of a model found: one row a check, and all rows as a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from otanalysis.errors import InputError

Verdict = Literal["passed", "failed", "not checkable"]
"""What a check can find; what could not be checked is no pass."""


class NotCheckableError(Exception):
    """A check has nothing to say of a model; the text is the reason. Never leaves the checks."""


@dataclass(frozen=True)
class Finding:
    """One check of a model; see :func:`~otanalysis.vlm.check.model.check_model`.

    Attributes
    ----------
    check : str
        Letter and name, for instance ``"c dropping is masking"``.
    verdict : {"passed", "failed", "not checkable"}
    reason : str
        What was compared, why it failed or why it could not be checked.
    difference : float or None
        The largest that was seen, as a share of the largest number compared; None where nothing was.
    allowed : float or None
        Up to where it is rounding; 0 where bits must be equal.
    """

    check: str
    verdict: Verdict
    reason: str
    difference: float | None = None
    allowed: float | None = None

    @classmethod
    def of(cls, check: str, difference: float, allowed: float, compared: str) -> Finding:
        """Return the verdict on a difference: passed where it is not larger than what is allowed.

        >>> Finding.of("b all kept, logits", 0.0, 0.0, "bit by bit").verdict
        'passed'
        >>> Finding.of("b all kept, logits", float("nan"), 0.1, "bit by bit").verdict
        'failed'
        """
        return cls(check, "passed" if difference <= allowed else "failed", compared, difference, allowed)

    def __str__(self) -> str:
        """Say it in one line."""
        numbers = ""
        if self.difference is not None and self.allowed is not None:
            numbers = f" (largest difference {self.difference:.2g}, allowed {self.allowed:.2g})"
        return f"{self.check}: {self.verdict}{numbers}: {self.reason}"


def found(name: str, check: Callable[[str], Finding]) -> Finding:
    """Return what a check finds.

    A model that pruning itself refuses fails; code that cannot be run as the check wants is not checkable.

    Parameters
    ----------
    name : str
        Letter and name of the check.
    check : callable
        Makes the check of that name.
    """
    try:
        return check(name)
    except NotCheckableError as reason:
        return Finding(name, "not checkable", str(reason))
    except InputError as refused:
        return Finding(name, "failed", str(refused))
    except Exception as error:  # code of any class runs here, and may raise anything
        first = str(error).strip().partition("\n")[0]
        return Finding(name, "not checkable", f"{type(error).__name__}: {first}")


@dataclass(frozen=True)
class ModelReport:
    """Whether pruning is right on a model; see :func:`~otanalysis.vlm.check.model.check_model`.

    Attributes
    ----------
    model, kind : str
        Class of the model, and the ``model_type`` of its configuration.
    transformers, attention, dtype, device : str
        Version, kind of attention, type of the weights and where they lie.
    findings : tuple of Finding
        One a check.
    notes : tuple of str
        What is known of the model besides: how its visual tokens see each other, how many there were.
    seconds : float
        How long all checks took.
    """

    model: str
    kind: str
    transformers: str
    attention: str
    dtype: str
    device: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    seconds: float

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The checks that failed."""
        return tuple(one for one in self.findings if one.verdict == "failed")

    @property
    def passed(self) -> bool:
        """Whether nothing failed, and the two checks that ``Pruned`` asks for were made and passed."""
        sure = [one for one in self.findings if one.check in (ALL_KEPT, DROPPING)]
        return not self.failures and len(sure) == 2 and all(one.verdict == "passed" for one in sure)

    @property
    def head(self) -> str:
        """What was checked, and how it ended."""
        ended = "passed" if self.passed else "NOT PASSED"
        return (
            f"{self.model} ({self.kind}) with transformers {self.transformers}, attention {self.attention}, "
            f"{self.dtype} on {self.device}: {ended} in {self.seconds:.1f} s"
        )

    def record(self) -> dict[str, Any]:
        """Return all of it as plain values, for JSON."""
        return {**asdict(self), "passed": self.passed}

    def __str__(self) -> str:
        """Return what was checked, the table, why something did not pass, and what else is known."""
        cells = [("check", "verdict", "difference", "allowed")]
        for one in self.findings:
            cells.append((one.check, one.verdict, _number(one.difference), _number(one.allowed)))
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        rows = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
        reasons: list[str] = []
        told: set[str] = set()
        for one in self.findings:
            if one.verdict != "passed":
                reasons.append(f"{one.check}: {'for the same reason' if one.reason in told else one.reason}")
                told.add(one.reason)
        return "\n".join([self.head, "", *rows, "", *reasons, *self.notes])

    __repr__ = __str__


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"


ALL_KEPT = "b all kept, logits"
DROPPING = "c dropping is masking"
