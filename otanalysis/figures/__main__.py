"""``python -m otanalysis.figures``."""

from __future__ import annotations

import os

import typer

from otanalysis.figures.command import figures
from otanalysis.reporting import reported

__all__ = ["main"]

_EXAMPLE = "python -m otanalysis.figures --only 2,4 --dumps dumps/gqa dumps/pope --accuracy accuracy.csv"


def main() -> None:
    """Run the command; a mistake of the user's is one sentence on stderr and exit status 2."""
    # POT loads torch where it finds it, seconds in every process, and only ever gets NumPy arrays from us.
    os.environ.setdefault("POT_BACKEND_DISABLE_PYTORCH", "1")
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(epilog=f"Example: {_EXAMPLE}")(reported()(figures))
    app(prog_name="python -m otanalysis.figures")


if __name__ == "__main__":
    main()
