"""Work that may lag behind: one thread, which leaves a piece of work when a newer one is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

__all__ = ["Background"]


class Background:
    """Runs the latest work in steps, and drops what is outdated.

    Parameters
    ----------
    delay : float
        Seconds without newer work before one begins: while a slider moves, nothing does.
    """

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="otanalysis-explorer")
        self._outdated = Event()
        self._latest: Future[None] | None = None

    def ask(self, work: Callable[[], Iterator[None]]) -> None:
        """Begin this work soon, in place of any other; it may be left at each of its ``yield``."""
        self._outdated.set()
        if self._latest is not None:
            self._latest.cancel()
        self._outdated = outdated = Event()
        self._latest = self._pool.submit(self._run, work, outdated)

    def wait(self) -> None:
        """Return when the latest work is done; raise what it raised."""
        if self._latest is not None:
            self._latest.result()

    def _run(self, work: Callable[[], Iterator[None]], outdated: Event) -> None:
        if outdated.wait(self._delay):
            return
        for _ in work():
            if outdated.is_set():
                return
