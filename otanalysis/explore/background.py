"""Work that may lag behind: one thread, which leaves a piece of work when a newer one is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

__all__ = ["Background"]


class Background:
    """Runs the latest work in steps, and drops what is outdated.

    A work is a generator. It yields the seconds to pause before its next step, be they none, and is left
    there once newer work is asked for.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="otanalysis-explorer")
        self._outdated = Event()
        self._latest: Future[None] | None = None

    def ask(self, work: Callable[[], Iterator[float]]) -> None:
        """Begin this work in place of any other, which is left at its next ``yield``."""
        self._outdated.set()
        if self._latest is not None:
            self._latest.cancel()
        self._outdated = outdated = Event()
        self._latest = self._pool.submit(self._run, work, outdated)

    def wait(self) -> None:
        """Return when the latest work is done; raise what it raised."""
        if self._latest is not None:
            self._latest.result()

    def _run(self, work: Callable[[], Iterator[float]], outdated: Event) -> None:
        for pause in work():
            if outdated.wait(pause):
                return
