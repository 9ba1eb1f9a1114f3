"""Exact distances from several threads: each right, and no thread's filters of warnings left to another."""

from __future__ import annotations

import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import ot
import pytest

import otanalysis as ota


def test_threads_leave_the_filters_of_warnings_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = np.random.default_rng(0).standard_normal((30, 4))
    kept = [np.arange(count) for count in range(1, 25)]
    alone = [ota.wasserstein2(tokens, one).distance for one in kept]
    real = ot.emd

    def slow(*arguments: Any, **options: Any) -> Any:
        time.sleep(
            0.001 * (1 + len(arguments[1]) % 3)
        )  # so that threads end in another order than they began
        return real(*arguments, **options)

    monkeypatch.setattr(ot, "emd", slow)
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda one: ota.wasserstein2(tokens, one).distance, kept))
    assert list(warnings.filters) == before
    np.testing.assert_array_equal(found, alone)


def test_threads_solve_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """POT lets go of the interpreter; nothing else may make one thread wait for the other's solver."""
    tokens, real, both_inside = np.random.default_rng(0).standard_normal((12, 3)), ot.emd, Barrier(2)

    def meet(*arguments: Any, **options: Any) -> Any:
        both_inside.wait(timeout=60)
        return real(*arguments, **options)

    monkeypatch.setattr(ot, "emd", meet)
    before = list(warnings.filters)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda one: ota.wasserstein2(tokens, one).distance, ([0, 1], [2, 3]))
    assert first != second
    assert list(warnings.filters) == before
