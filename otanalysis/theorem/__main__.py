"""``python -m otanalysis.theorem``."""

from __future__ import annotations

import os

import typer

from otanalysis.reporting import reported
from otanalysis.theorem.command import theorem

__all__ = ["main"]

_EXAMPLE = "python -m otanalysis.theorem --certified --dump dumps/gqa --json"


def main() -> None:
    """Run the command; a mistake of the user's is one sentence on stderr and exit status 2."""
    # POT loads torch where it finds it, seconds in every process, and only ever gets NumPy arrays from us.
    os.environ.setdefault("POT_BACKEND_DISABLE_PYTORCH", "1")
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(epilog=f"Example: {_EXAMPLE}")(reported()(theorem))
    app(prog_name="python -m otanalysis.theorem")


if __name__ == "__main__":
    main()
