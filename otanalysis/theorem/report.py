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

__all__ = ["as_values", "print_outcomes"]

_VERDICT_STYLES = {"pass": "green", "violated": "bold red", "undecided": "bold yellow"}


def as_values(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as JSON values; a margin that is not finite becomes None.

    Parameters
    ----------
    outcome : Outcome
    """
    return {
        "id": outcome.claim.id,
        "statement": outcome.claim.statement,
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

    Parameters
    ----------
    outcomes : sequence of Outcome
    console : rich.console.Console
    """
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("check", overflow="fold")
    table.add_column("statement", ratio=1)
    for heading in ("cases", "worst margin", "tolerance"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("control", no_wrap=True)
    for one in outcomes:
        table.add_row(
            Text(one.claim.id),
            Text(one.claim.statement),
            f"{one.cases:,}",
            f"{one.worst_margin:.2e}",
            f"{one.tolerance:.0e}" if one.tolerance else "exact",
            Text(one.verdict, _VERDICT_STYLES[one.verdict]),
            Text("rejected", "green") if one.control_rejected else Text("NOT REJECTED", "bold red"),
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


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
