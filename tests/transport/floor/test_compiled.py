"""What is compiled of the floor before it is needed: everything, and it is said once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numba
import pytest
from joblib import cpu_count

from otanalysis.transport.floor import compiled
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


_COLD = """
import numpy as np
import otanalysis as ota
from otanalysis.transport.floor import smoothed_dual, swap_search

ota.wasserstein2_floor(np.random.default_rng(0).standard_normal((30, 3)), keep=4, effort=0.1)
for one in (smoothed_dual.smooth_bound, swap_search._first_gain, swap_search._move_keepers):
    hits, misses = one.stats.cache_hits, one.stats.cache_misses
    print(one.py_func.__name__, sum(hits.values()), sum(misses.values()))
"""


@pytest.mark.skipif(cpu_count() < 2, reason="wants two cores")
def test_the_first_floor_has_its_search_compiled_by_another_process(tmp_path: Path) -> None:
    done = run_without_cache(_COLD, tmp_path)
    assert done.stderr.count("Compiling") == 1
    assert done.stdout.splitlines() == ["smooth_bound 0 1", "_first_gain 1 0", "_move_keepers 1 0"]


@pytest.mark.parametrize("executable", ["", "/no/such/python", sys.executable])
def test_what_keeps_the_other_process_from_it_is_no_error(
    executable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    monkeypatch.setattr(compiled, "_ASIDE", "raise RuntimeError")
    aside = compiled._Aside()
    with aside:
        aside.start()
        aside.wait()
    ended = None if aside._process is None else aside._process.returncode
    assert ended in (None, 1)


def test_the_other_process_takes_no_module_from_where_this_one_has_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numba.py").write_text("open('taken', 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", ".", *sys.path])
    monkeypatch.setattr(compiled, "_ASIDE", compiled._ASIDE.replace("run_search()", "import numba"))
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)
    aside = compiled._Aside()
    with aside:
        aside.start()
        aside.wait()
    assert aside._process is not None
    assert aside._process.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["numba.py"]


def test_the_other_process_does_not_outlive_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_ASIDE", "import time; time.sleep(600)")
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)
    aside = compiled._Aside()

    def interrupted() -> None:
        with aside:
            aside.start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert aside._process is not None
    assert aside._process.returncode == -signal.SIGKILL


def run_without_cache(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program for which nothing is compiled yet."""
    surroundings = os.environ | {"NUMBA_CACHE_DIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=surroundings
    )
    assert done.returncode == 0, done.stderr
    return done


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
