"""``python -m otanalysis.theorem``."""

from __future__ import annotations

from otanalysis.cli.theorem import theorem
from otanalysis.progress import run_alone

_EXAMPLE = "python -m otanalysis.theorem --certified --dump dumps/gqa --json"


def main() -> None:
    """Run the command; a mistake of the user's is one sentence on stderr and exit status 2."""
    run_alone(theorem, "python -m otanalysis.theorem", _EXAMPLE)


if __name__ == "__main__":
    main()
