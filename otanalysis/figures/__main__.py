"""``python -m otanalysis.figures``."""

from __future__ import annotations

from otanalysis.cli.figures import figures
from otanalysis.progress import run_alone

_EXAMPLE = "python -m otanalysis.figures --only 2,4 --dumps dumps/gqa dumps/pope --accuracy accuracy.csv"


def main() -> None:
    """Run the command; a mistake of the user's is one sentence on stderr and exit status 2."""
    run_alone(figures, "python -m otanalysis.figures", _EXAMPLE)


if __name__ == "__main__":
    main()
