"""``python -m otanalysis.figures``."""

from __future__ import annotations

import sys

import typer

from otanalysis.errors import OtAnalysisError
from otanalysis.figures.command import figures

__all__ = ["main"]


def main() -> None:
    """Run the command; a mistake of the user's is one sentence on stderr and exit status 2."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(figures)
    try:
        app(prog_name="python -m otanalysis.figures", standalone_mode=True)
    except OtAnalysisError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt as stop:
        print(stop or "Stopped; finished parts of the sweep are kept.", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
