"""How a command ends: a mistake is one sentence and exit status 2, Ctrl-C a word on what is kept and 130."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from otanalysis.errors import OtAnalysisError

__all__ = ["reported"]


@contextmanager
def reported() -> Iterator[None]:
    """Turn an error of otanalysis, or Ctrl-C, into a line on stderr and an exit status; also a decorator.

    Raises
    ------
    SystemExit
        With status 2 after an :class:`~otanalysis.errors.OtAnalysisError`, 130 after Ctrl-C.

    Examples
    --------
    >>> from otanalysis.errors import InputError
    >>> with reported():
    ...     raise InputError("A ratio must lie in (0, 1], got 2.")
    Traceback (most recent call last):
        ...
    SystemExit: 2
    """
    try:
        yield
    except OtAnalysisError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt as stop:
        print(
            str(stop) or "Stopped; what was finished is kept, and nothing is half-written.", file=sys.stderr
        )
        raise SystemExit(130) from None
