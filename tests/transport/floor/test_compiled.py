"""What is compiled of the floor before it is needed: everything, and it is said once."""

from __future__ import annotations

import subprocess
import sys

import numba
import pytest

from otanalysis.transport.floor.compiled import compiling_told

_FLOORS = """
import numpy as np
from numba.core.dispatcher import Dispatcher
import otanalysis as ota
from otanalysis.transport.floor import flow, cut_separation, smoothed_dual, swap_search
from otanalysis.transport.floor.compiled import compile_floor

MODULES = (flow, cut_separation, smoothed_dual, swap_search)

def signatures():
    ours = [one for room in MODULES for one in vars(room).values() if isinstance(one, Dispatcher)]
    return [(one.py_func.__name__, len(one.signatures)) for one in ours]

assert not any(number for _, number in signatures())
compile_floor()
ready = signatures()
assert sum(number > 0 for _, number in ready) >= 5
generator = np.random.default_rng(0)
for m, keep in ((2, 1), (9, 4), (30, 29), (48, 6)):
    for weights in (None, generator.random(m)):
        ota.wasserstein2_floor(generator.standard_normal((m, 3)), keep=keep, weights=weights, effort=0.2)
assert signatures() == ready, [(one, two) for one, two in zip(ready, signatures()) if one != two]
"""


def test_after_it_no_floor_compiles_or_loads_anything() -> None:
    """In a process of its own: others have found floors in this one."""
    done = subprocess.run([sys.executable, "-c", _FLOORS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_it_is_said_once_that_code_is_compiled_and_not_that_it_is_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    @numba.njit
    def doubled(number):  # type: ignore[no-untyped-def]
        return 2 * number

    with compiling_told("Compiling."):
        assert (doubled(1), doubled(1.5)) == (2, 3.0)
    assert capsys.readouterr().err == "Compiling.\n"
    with compiling_told("Compiling."):
        assert doubled(2) == 4
    assert capsys.readouterr().err == ""
