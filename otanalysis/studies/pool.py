"""The processes that measure parts: one thread each, and gone with their job, however that ends.

Where the caller says so, a cluster measures them, see :mod:`otanalysis.studies.cluster`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from contextvars import ContextVar
from multiprocessing import resource_tracker
from pathlib import Path

import joblib
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.backend import resource_tracker as loky_tracker
from joblib.externals.loky.process_executor import BrokenProcessPool
from joblib.parallel import BACKENDS, DEFAULT_BACKEND, get_active_backend
from threadpoolctl import threadpool_limits

from otanalysis.errors import OtAnalysisError
from otanalysis.progress import progress_bar
from otanalysis.studies.cluster import LostError, client_of, finished_on

_PR_SET_PDEATHSIG = 1  # prctl(2)
_LOOK = 0.5  # seconds between two looks at whether the parent lives


class _Lasting:
    """Processes that are kept from one job to the next: so many of them."""

    number = 0


_LASTING: ContextVar[_Lasting | None] = ContextVar("_LASTING", default=None)


@contextmanager
def lasting_processes() -> Iterator[None]:
    """Keep the processes of a job for the next ones, until the ``with`` block ends; all must load the same.

    What a later job loads that the first one did not (torch, compiled code) would look like a leak to the
    pool, which then warns and starts its processes anew in mid-work.
    """
    lasting = _Lasting()
    token = _LASTING.set(lasting)
    complete = False
    try:
        yield
        complete = True
    finally:
        _LASTING.reset(token)
        _end_processes(lasting.number, wait=complete)


def _end_processes(number: int, *, wait: bool) -> None:
    if number > 1:
        get_reusable_executor(max_workers=number, reuse=True).shutdown(wait=wait, kill_workers=not wait)


def run_parts(
    label: str,
    tasks: Sequence[Callable[[], None]],
    *,
    jobs: int,
    total: int,
    kept_in: Path,
    progress: bool,
    reads: Iterable[Path] = (),
) -> None:
    """Run what is left of ``total`` parts in processes; show the time left, and say what a stop keeps.

    The tasks are picklable and take no arguments; each reads from the folders ``reads`` and writes its own
    result whole into ``kept_in``. On a cluster their paths must be absolute.

    Raises
    ------
    KeyboardInterrupt
        With a word on what is kept; the processes are gone then.
    OtAnalysisError
        A process was killed, by the system for its memory for instance; a cluster is lost or cannot do it;
        or as the tasks raise it.
    """
    done = total - len(tasks)

    def kept() -> str:
        return f"{done} of {total} parts are kept in {kept_in}; the same command goes on from there"

    client = client_of(get_active_backend()[0]) if tasks else None
    if client is None:
        parts = _finished(tasks, jobs)
    else:
        parts = finished_on(client, _alone, tasks, writes=kept_in, reads=reads)
    with progress_bar(label, "parts", shown=progress and bool(tasks)) as bar:
        task = bar.add_task(label, total=total, completed=done)
        try:
            with closing(parts) as finished:
                for _ in finished:
                    done += 1
                    bar.update(task, completed=done)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"Stopped: {kept()}.") from None
        except LostError as error:
            raise OtAnalysisError(f"{error}: {kept()}.") from error
        except BrokenProcessPool as error:
            raise OtAnalysisError(
                f"A process that measures was killed, perhaps for its memory: {kept()}, with fewer --jobs if "
                "need be."
            ) from error


def _finished(tasks: Sequence[Callable[[], None]], jobs: int) -> Generator[None, None, None]:
    """Yield once a task, as soon as what it measured is on disk."""
    backend, workers = get_active_backend()
    own = isinstance(backend, BACKENDS[DEFAULT_BACKEND])  # else it is the caller's, such as threads
    lasting = _LASTING.get() if own else None
    workers = min(joblib.effective_n_jobs(workers or jobs), len(tasks) or 1) if own else workers or jobs
    if lasting is not None:  # another number would end some, or start more
        workers = max(workers, lasting.number)
        lasting.number = workers
    # One thread a process: the matrices are small, and more threads than cores would slow each other down.
    processes = {"backend": DEFAULT_BACKEND, "inner_max_num_threads": 1}
    processes |= {"initializer": serve, "initargs": (os.getpid(),)}
    complete = False
    try:
        with (
            threadpool_limits(limits=1),
            joblib.parallel_config(n_jobs=workers, **(processes if own else {})),
        ):
            soon = "generator_unordered" if own or backend.supports_return_generator else "list"
            with _unheard() if own else nullcontext():  # all workers start here, and no task is waited for
                finished = joblib.Parallel(return_as=soon, batch_size=1)(
                    joblib.delayed(_alone)(task) for task in tasks
                )
            yield from finished
        complete = True
    finally:
        if own and not (complete and lasting):
            _end_processes(workers, wait=complete)
            if lasting is not None:
                lasting.number = 0


@contextmanager
def _unheard() -> Iterator[None]:
    """Let Ctrl-C wait for the end of a ``with`` block, and never reach what is started within it.

    A worker that loads would die of it with a traceback, before it leaves Ctrl-C to its parent.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    for tracker in (resource_tracker, loky_tracker):  # two processes: joblib has its own
        tracker.ensure_running()  # where it starts, it lets Ctrl-C in again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _alone(task: Callable[[], None]) -> None:
    # In whatever process this is. What the task loads, such as torch, keeps its threads for the caller.
    with threadpool_limits(limits=1):
        task()


def serve(parent: int) -> None:
    """Make this process one that ends with its parent, and leaves Ctrl-C to it; first thing in a worker.

    Parameters
    ----------
    parent : int
        Number of the process that started this one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers, and says what is kept
    if sys.platform == "linux":  # at once, even in the middle of compiled code
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.name == "posix":
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os._exit(1)
