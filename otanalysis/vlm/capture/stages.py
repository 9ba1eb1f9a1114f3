"""Work that overlaps: what is made ahead of who needs it, and what is done behind who handed it on.

Each stage is one thread and goes through its work in order, so that results and errors come as they would one
after another. Threads serve, because reading, the model and the disk let each other run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield items in lists of a size, the last of which may be shorter.

    >>> list(batches("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch


def ahead(tasks: Iterable[T], do: Callable[[T], R], *, depth: int) -> Generator[R, None, None]:
    """Yield ``do(task)`` of every task, in order; up to ``depth`` more are made while one is used.

    Parameters
    ----------
    tasks : iterable
        Taken by the thread that makes the results, when each is begun.
    do : callable
        What it or ``tasks`` raises is raised here in its turn, after the results before it.
    depth : int
        How many results wait at most, at least 1.

    Examples
    --------
    >>> list(ahead([1, 2, 3], lambda number: number**2, depth=2))
    [1, 4, 9]
    """
    left, pool = iter(tasks), ThreadPoolExecutor(1)

    def make() -> list[R]:
        return [do(task) for task in islice(left, 1)]

    made = deque(pool.submit(make) for _ in range(depth))
    try:
        while one := made.popleft().result():
            made.append(pool.submit(make))
            yield one[0]
    finally:
        pool.shutdown(cancel_futures=True)


class Behind:
    """A thread that does what it is handed, in order; for a ``with`` block.

    What fails there is raised to who hands on the next work, or at the end of the block, and nothing is done
    after it. A block that fails or is stopped waits for what it handed on before.

    Parameters
    ----------
    depth : int
        How much work waits at most; who hands on more waits, too.

    Examples
    --------
    >>> done = []
    >>> with Behind(depth=2) as behind:
    ...     for number in range(4):
    ...         behind.hand(lambda number=number: done.append(number))
    >>> done
    [0, 1, 2, 3]
    """

    def __init__(self, *, depth: int) -> None:
        self._depth = depth
        self._pool = ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()
        self._failed = False

    def hand(self, work: Callable[[], object]) -> None:
        """Hand on work, once there is room for it."""
        self._settle(self._depth)
        self._waiting.append(self._pool.submit(self._do, [work]))

    def finish(self) -> None:
        """Wait until all is done that was handed on."""
        self._settle(0)

    def _do(self, work: list[Callable[[], object]]) -> None:
        if self._failed:
            return
        try:
            work.pop()()  # taken out: the pool keeps what it was given until after the work counts as done
        except BaseException:
            self._failed = True
            raise

    def _settle(self, depth: int) -> None:
        while len(self._waiting) > depth:
            self._waiting.popleft().result()

    def __enter__(self) -> Self:
        """Return the thread itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for the work, and end the thread."""
        try:
            self.finish()  # what fails here came before what failed in the block
        finally:
            self._pool.shutdown(cancel_futures=True)
