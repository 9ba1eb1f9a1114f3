"""``python -m otanalysis``."""

from __future__ import annotations

from otanalysis.cli import main

if __name__ == "__main__":
    main()
