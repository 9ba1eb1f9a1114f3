"""Work that must not hold up the explorer's answers: in a thread, step by step, and in another process.

:class:`Background` runs the latest work and drops what is outdated. :class:`OtherProcess` calls functions
where they take no turns with the threads of this process. Plain pipes to a plain child: no script has to
guard its main module, no thread is forked, and nothing is left behind, for the child leaves when the pipe to
it is closed, be it because this process is gone.

No library's pool does the same. That of ``concurrent.futures`` imports the main module of a script once more,
or forks a process that has threads. joblib's loky does neither, but what waits in it counts as running and
cannot be cancelled, a script that ends while it works hangs, and its worker outlives a script that is killed.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, wait
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread, main_thread
from typing import Any, TypeVar, cast

from otanalysis.explore import serve

_T = TypeVar("_T")

# POT would load torch, which takes seconds, for tensors that are never sent.
_ENVIRONMENT = {
    "POT_BACKEND_DISABLE_PYTORCH": "1",
    **dict.fromkeys(
        (
            "OMP_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
            "MKL_NUM_THREADS",
            "VECLIB_MAXIMUM_THREADS",
            "NUMBA_NUM_THREADS",
        ),
        "1",
    ),
}
_LOST = (OSError, EOFError, pickle.UnpicklingError)


class OtherProcess:
    """Calls functions in another process, one at a time; it is started when it is needed, and stays.

    Where no process can be had, or it is lost, the function is called in a thread of this one.
    """

    def __init__(self) -> None:
        self._turn, self._closed = Lock(), False
        self._process: subprocess.Popen[bytes] | None = None
        self._current: Future[Any] | None = None
        self._left: Future[Any] | None = None

    def submit(self, function: Callable[..., _T], *arguments: Any, **named: Any) -> Future[_T]:
        """Begin to call a function; it, its arguments and its result are pickled.

        Parameters
        ----------
        function : callable
            What is to be called.
        *arguments, **named
            With what.

        Returns
        -------
        Future
            Of the result, or of the error that was raised.
        """
        work: Future[_T] = Future()
        request = (function, arguments, named)
        Thread(target=self._do, args=(work, request), name="otanalysis-other-process", daemon=True).start()
        return work

    def running(self, work: Future[Any]) -> bool:
        """Say whether the process is at this work just now."""
        return self._current is work

    def leave(self, work: Future[Any]) -> None:
        """Give up work: what waits is taken out, what runs is ended with the process (CancelledError)."""
        if not work.cancel() and self.running(work):
            self._left = work
            self._end()

    def close(self) -> None:
        """End the process, and what it is at."""
        self._closed = True
        self._end()
        with self._turn:
            self._release()

    def _do(self, work: Future[Any], request: tuple[Callable[..., Any], Any, Any]) -> None:
        with self._turn:
            if self._closed or not work.set_running_or_notify_cancel():
                work.cancel()
                return
            self._current = work
            try:
                went_well, answer = self._answer(request)
            except Exception as error:
                went_well, answer = False, error
            self._current = None
        if went_well:
            work.set_result(answer)
        else:
            work.set_exception(answer)

    def _answer(self, request: tuple[Callable[..., Any], Any, Any]) -> tuple[bool, Any]:
        message = pickle.dumps(request, protocol=pickle.HIGHEST_PROTOCOL)
        try:
            requests, answers = self._pipes()
            requests.write(message)
            requests.flush()
            return cast(tuple[bool, Any], pickle.load(answers))
        except _LOST:
            self._release()
            if self._closed or self._current is self._left:
                raise CancelledError("The work was left.") from None
        function, arguments, named = request
        return True, function(*arguments, **named)

    def _pipes(self) -> tuple[Any, Any]:
        """Return the pipes to and from the process, which is started if there is none."""
        if self._process is not None and self._process.poll() is not None:
            self._release()
        if self._process is None:
            path = os.pathsep.join(map(os.path.abspath, sys.path))
            self._process = subprocess.Popen(
                [sys.executable or "", "-P", str(Path(serve.__file__))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": path},
                # Who stops a cell, or a script by Ctrl-C, does not mean this process; and no window opens.
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        return self._process.stdin, self._process.stdout

    def _end(self) -> None:
        process = self._process
        if process is not None:
            process.kill()

    def _release(self) -> None:
        """Forget the process, with nothing of it left."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                # What was not sent is lost.
                with suppress(OSError):
                    cast(Any, pipe).close()


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
