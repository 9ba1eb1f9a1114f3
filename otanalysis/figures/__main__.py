"""``python -m otanalysis.figures``."""

from __future__ import annotations

import typer

from otanalysis.figures.command import figures
from otanalysis.reporting import reported

__all__ = ["main"]


def main() -> None:
    """Run the command; a mistake of the user's is one sentence on stderr and exit status 2."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    # Inside the command, since typer itself ends silently on Ctrl-C.
    app.command()(reported()(figures))
    app(prog_name="python -m otanalysis.figures")


if __name__ == "__main__":
    main()
