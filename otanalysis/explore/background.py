"""Work that may lag behind: in a thread, which leaves a piece of work when a newer one is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from threading import Event, Thread, main_thread

__all__ = ["Background"]


class Background:
    """Runs the latest work in steps, and drops what is outdated.

    A work is a generator. It yields the seconds to pause before its next step, be they none, and is left
    there once newer work is asked for, or the program ends.
    """

    def __init__(self) -> None:
        self._outdated = Event()
        self._latest: Future[None] | None = None

    def ask(self, work: Callable[[], Iterator[float]]) -> None:
        """Begin this work in place of any other, which is left at its next ``yield``."""
        self._outdated.set()
        before, self._latest, self._outdated = self._latest, Future(), Event()
        Thread(
            target=_run, args=(work, before, self._latest, self._outdated), name="otanalysis-explorer"
        ).start()

    def wait(self) -> None:
        """Return when the latest work is done; raise what it raised."""
        if self._latest is not None:
            self._latest.result()


def _run(
    work: Callable[[], Iterator[float]], before: Future[None] | None, done: Future[None], outdated: Event
) -> None:
    """Do the work once the one before is left."""
    try:
        if before is not None:
            wait([before])
        if not outdated.is_set():
            for pause in work():
                if outdated.wait(pause) or not main_thread().is_alive():
                    break
    except Exception as error:
        done.set_exception(error)
    else:
        done.set_result(None)
