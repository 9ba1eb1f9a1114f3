"""What the checks found, as a table for people and as JSON values for programs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from otanalysis.theorem.check import Outcome

# Narrower terminals get the statements as lines before the table.
_WIDE = 120
_VERDICT_STYLES = {"pass": "green", "violated": "bold red", "undecided": "bold yellow"}


def as_values(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as JSON values; a margin that is not finite becomes None.

    Parameters
    ----------
    outcome : Outcome
        From :func:`~otanalysis.theorem.check.run_claim`.
    """
    return {
        "id": outcome.claim.id,
        "statement": outcome.claim.statement,
        "source": outcome.claim.source or None,
        "cases": outcome.cases,
        "violations": outcome.violations,
        "undecided": outcome.undecided,
        "worst_margin": _finite(outcome.worst_margin),
        "tolerance": outcome.tolerance,
        "where": outcome.where,
        "distribution": dict(outcome.distribution),
        "verdict": outcome.verdict,
        "control": {
            "description": outcome.claim.control.description,
            "rejected": outcome.control_rejected,
            "worst_margin": _finite(outcome.control_margin),
        },
    }


def print_outcomes(outcomes: Sequence[Outcome], console: Console) -> None:
    """Print the table, the distributions of ratios, and where a claim failed.

    Of each claim the worst margin, and what rounding may take from it.

    Parameters
    ----------
    outcomes : sequence of Outcome
    console : rich.console.Console
    """
    wide = console.width >= _WIDE
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("check", no_wrap=True)
    if wide:
        table.add_column("statement")
    for heading in ("cases", "margin", "rounding"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("verdict", "control"):
        table.add_column(heading, no_wrap=True)
    for one in outcomes:
        # A claim on tokens says what the claim of the same name says.
        if not wide and "@" not in one.claim.id:
            console.print(Text(f"{one.claim.id}: {_said(one)}"))
        table.add_row(
            Text(one.claim.id),
            *([Text(_said(one))] if wide else []),
            f"{one.cases:,}",
            f"{one.worst_margin:.1e}",
            f"{one.tolerance:.0e}" if one.tolerance else "exact",
            Text(one.verdict, _VERDICT_STYLES[one.verdict]),
            Text("rejected", "green") if one.control_rejected else Text("PASSED", "bold red"),
        )
    console.print(table)
    for one in outcomes:
        if one.distribution:
            numbers = "; ".join(f"{name} {value:.4f}" for name, value in one.distribution.items())
            console.print(Text(f"{one.claim.id}, F(greedy) / F(optimum): {numbers}"))
    for one in outcomes:
        if one.violations or one.undecided:
            console.print(
                Text(
                    f"{one.claim.id}: {one.violations} violations and {one.undecided} undecided of "
                    f"{one.cases} cases, the worst on {one.where}.",
                    "red",
                )
            )
        if not one.control_rejected:
            console.print(
                Text(f"{one.claim.id} did not reject its control: {one.claim.control.description}.", "red")
            )


def _said(outcome: Outcome) -> str:
    """Return the statement of a claim, and where the paper has it, if it does."""
    source = outcome.claim.source
    return f"{outcome.claim.statement} ({source})" if source else outcome.claim.statement


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
