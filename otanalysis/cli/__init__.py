"""The command line: parse, call, report. May import every room; loads each only when its command runs.

A new command is a function in a file of the same name here, and one line in :mod:`otanalysis.cli.app`.
"""

from __future__ import annotations

from otanalysis.cli.app import app, main
from otanalysis.cli.options import numbers

__all__ = ["app", "main", "numbers"]
