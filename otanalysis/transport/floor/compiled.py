"""The compiled code of the floor, made ready before it is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from otanalysis.arrays import FloatArray
from otanalysis.progress import say

_M, _KEEP = 40, 6  # tokens enough that every step has something to do
_EFFORT = 0.1
_PATIENCE = 60.0
"""Seconds that the second process is waited for."""
_ASIDE = """
import sys
sys.path[:] = sys.argv[1:]
from otanalysis.transport.floor.compiled import run_search
run_search()
"""


@cache
def compile_floor() -> None:
    """Load the code of the floor; once after an installation it is compiled, which takes some ten seconds.

    numba keeps what it compiled beside the code, or in the user's cache where nothing may be written there.
    Who finds a floor does this first. ``make install`` has done it already, so that nobody waits. Where it
    was not, a second process compiles the search while this one compiles the rest and loads POT.

    Examples
    --------
    >>> compile_floor()
    """
    from otanalysis.transport.floor.bound import ascend
    from otanalysis.transport.floor.cuts import dendrogram
    from otanalysis.transport.floor.local_search import local_search

    sentence = "Compiling the code of the floor, once after an installation: some ten seconds."
    cost, aside = _cost(), _Aside()
    with aside, compiling_told(sentence, aside.start):
        ascend(cost, _KEEP, dendrogram(cost), 1.0, _EFFORT, None)
        local_search(cost, np.arange(_KEEP), 1)
        aside.wait()
        run_search()


def run_search() -> None:
    """Search once for a kept set of a small example, which loads or compiles what that needs."""
    from otanalysis.transport.floor.bound import search

    search(_cost(), _KEEP, np.full(_M, _KEEP / _M), np.arange(_M), _EFFORT, None)


def _cost() -> FloatArray:
    tokens = np.random.default_rng(0).standard_normal((_M, 3))
    cost = np.sum((tokens[:, None] - tokens) ** 2, axis=2)
    return np.asarray(cost / (2.0 * cost.max()))


class _Aside:
    """A second process that compiles the search, in a ``with`` block that it does not outlive.

    Whatever keeps it from that is no error: what it did not compile is compiled here.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        from joblib import cpu_count

        if not sys.executable or cpu_count() < 2:
            return
        quiet: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        with suppress(OSError):
            self._process = subprocess.Popen([sys.executable, "-c", _ASIDE, *_folders()], **quiet)

    def wait(self) -> None:
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_PATIENCE)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _folders() -> list[str]:
    """Return where modules are found, but for folders that depend on where a process is at the moment."""
    return [*filter(os.path.isabs, sys.path), str(Path(__file__).resolve().parents[3])]


@contextmanager
def compiling_told(sentence: str, then: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Say a sentence on stderr, once, if numba compiles anything in a ``with`` block; it may load much.

    Then call a function, once, before anything is compiled.
    """
    from numba.core.event import Listener, install_listener

    class Teller(Listener):
        told = False

        def on_start(self, _event: Any) -> None:
            if not self.told:
                self.told = True
                say(sentence)
                then()

        def on_end(self, _event: Any) -> None:
            pass

    with install_listener("numba:compile", Teller()):
        yield
