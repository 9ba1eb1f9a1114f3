"""What a user sees while something runs and when it ends: time left, one sentence, an exit status."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from otanalysis.errors import OtAnalysisError

__all__ = [
    "begin_program",
    "prefer_plain_arrays",
    "progress_bar",
    "reported",
    "run_alone",
    "say",
    "unbroken",
]

_IMPATIENCE = 2.0  # seconds within which another Ctrl-C means the same stop
_INSISTENCE = 0.5  # seconds after which a Ctrl-C that something swallowed is raised again


def progress_bar(label: str, unit: str, *, shown: bool) -> Progress:
    """Return a bar on stderr with the count of units and the time left; for a ``with`` block."""
    columns = (
        TextColumn(label),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(f"{unit}, time left"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), disable=not shown)


@contextmanager
def reported() -> Iterator[None]:
    """Turn an error of otanalysis, or Ctrl-C, into a line on stderr and an exit status; also a decorator.

    Raises
    ------
    SystemExit
        With status 2 after an :class:`~otanalysis.errors.OtAnalysisError`, or whatever else the system
        refused; 130 after Ctrl-C.

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
        say(error)
        raise SystemExit(2) from None
    except BrokenPipeError:
        raise  # who reads what is printed has gone, which click ends quietly
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        say(f"{place}{error.strerror or error}; check the path, the disk and your rights.")
        raise SystemExit(2) from None
    except KeyboardInterrupt as stop:
        say(str(stop) or "Stopped; what was finished is kept, and nothing is half-written.")
        raise SystemExit(130) from None
    finally:
        _insist(0.0)


def say(what: object) -> None:
    """Print a line on stderr; on a full disk, where the status of a program must do, nothing."""
    with suppress(OSError):
        print(what, file=sys.stderr)


@contextmanager
def unbroken() -> Iterator[None]:
    """Hold Ctrl-C back until a ``with`` block is over, whose work half done would be worth nothing.

    It is for short blocks of the main thread, the only one that Ctrl-C reaches.

    Examples
    --------
    >>> done = []
    >>> try:
    ...     with unbroken():
    ...         signal.raise_signal(signal.SIGINT)
    ...         done.append("all of it")
    ... except KeyboardInterrupt:
    ...     done.append("stopped")
    >>> done
    ['all of it', 'stopped']
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


def begin_program() -> None:
    """Make this process a program that begins and ends quickly, and stops once; in its main thread.

    Ctrl-C stops it as ever, and those that come at once after it do not disturb how it stops: workers end,
    locks go and a sentence is said meanwhile. A later one stops that, too. One that is swallowed, as a bare
    ``except`` in a package that is being loaded does, is raised again until the program stops.
    """
    prefer_plain_arrays()
    # Else the interpreter looks for garbage in all of torch and transformers when it ends, over a second.
    atexit.register(gc.freeze)
    last = -_IMPATIENCE

    def stop(_number: int, _frame: object) -> None:
        nonlocal last
        if time.monotonic() - last >= _IMPATIENCE:
            last = time.monotonic()
            _insist(_INSISTENCE)
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)
    if hasattr(signal, "SIGALRM"):  # Windows has none
        signal.signal(signal.SIGALRM, _stop_again)
        atexit.register(_insist, 0.0)


def prefer_plain_arrays() -> None:
    """Let POT not load torch, seconds in every process: it only ever gets NumPy arrays from us."""
    os.environ.setdefault("POT_BACKEND_DISABLE_PYTORCH", "1")


def _insist(seconds: float) -> None:
    """Ask for :func:`_stop_again` after so many seconds; with zero, no longer."""
    if hasattr(signal, "setitimer") and signal.getsignal(signal.SIGALRM) is _stop_again:
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _stop_again(_number: int, _frame: object) -> None:
    """Raise KeyboardInterrupt, unless one that was raised before is still on its way."""
    _insist(_INSISTENCE)
    error = sys.exception()
    while error is not None and not isinstance(error, KeyboardInterrupt | SystemExit):
        error = error.__context__
    if error is None:
        raise KeyboardInterrupt


def run_alone(command: Callable[..., None], name: str, example: str) -> None:
    """Run one command as a program of its own; what ``python -m`` of a room does.

    Parameters
    ----------
    command : callable
        A Typer command.
    name : str
        How the program is called, for its help.
    example : str
        What its help shows.
    """
    begin_program()
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(epilog=f"Example: {example}")(reported()(command))
    app(prog_name=name)
