"""The compiled code of the floor, made ready before it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from otanalysis.progress import say

_M, _KEEP = 40, 6  # tokens enough that every step has something to do


@cache
def compile_floor() -> None:
    """Load the code of the floor; once after an installation it is compiled, which takes some ten seconds.

    numba keeps what it compiled beside the code, or in the user's cache where nothing may be written there.
    Who finds a floor does this first. ``make install`` has done it already, so that nobody waits.

    Examples
    --------
    >>> compile_floor()
    """
    from otanalysis.transport.floor.bound import bracket

    tokens = np.random.default_rng(0).standard_normal((_M, 3))
    cost = np.sum((tokens[:, None] - tokens) ** 2, axis=2)
    cost /= 2.0 * cost.max()
    with compiling_told("Compiling the code of the floor, once after an installation: some ten seconds."):
        bracket(cost, _KEEP, 0.1, None)


@contextmanager
def compiling_told(sentence: str) -> Iterator[None]:
    """Say a sentence on stderr, once, if numba compiles anything in a ``with`` block; it may load much."""
    from numba.core.event import Listener, install_listener

    class Teller(Listener):
        told = False

        def on_start(self, _event: Any) -> None:
            if not self.told:
                say(sentence)
            self.told = True

        def on_end(self, _event: Any) -> None:
            pass

    with install_listener("numba:compile", Teller()):
        yield
