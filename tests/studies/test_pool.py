"""Jobs in processes or where the caller says: every part runs once, and jobs get processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import pytest
from threadpoolctl import threadpool_info

from otanalysis.studies.pool import run_parts


def write_process(path: Path) -> None:
    path.write_text(str(os.getpid()))


def write_thread(path: Path) -> None:
    blas = [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]
    path.write_text(f"{os.getpid()} {threading.get_ident()} {max(blas)}")


def run(folder: Path, write: Any, *, jobs: int) -> list[str]:
    folder.mkdir()
    paths = [folder / str(number) for number in range(4)]
    parts = [partial(write, path) for path in paths]
    run_parts("write", parts, jobs=jobs, total=4, kept_in=folder, progress=False)
    return [path.read_text() for path in paths]


def processes_of_a_job(folder: Path) -> set[int]:
    return {int(text) for text in run(folder, write_process, jobs=2)}


def test_a_second_job_does_not_inherit_the_memory_of_the_first(tmp_path: Path) -> None:
    """The pool takes what a later job loads for a leak, and its warning would be an error that stops all."""
    first, second = processes_of_a_job(tmp_path / "first"), processes_of_a_job(tmp_path / "second")
    assert os.getpid() not in first | second
    assert not first & second


@pytest.mark.parametrize(
    ("config", "jobs", "here", "threads"),
    [
        (None, 1, True, False),  # this process, one after another
        (None, 2, False, False),
        ({"n_jobs": 2}, 1, False, False),  # no backend: processes
        ({"backend": "threading"}, 2, True, True),
        ({"backend": "threading", "n_jobs": 2}, 1, True, True),
        ({"backend": "threading", "n_jobs": 1}, 2, True, False),
        ({"backend": "loky", "n_jobs": 2}, 1, False, False),
        ({"backend": "multiprocessing", "n_jobs": 2}, 1, False, False),  # it cannot yield parts one by one
    ],
)
def test_parts_run_on_the_backend_of_the_caller_or_in_processes(
    tmp_path: Path, config: dict[str, Any] | None, jobs: int, here: bool, threads: bool
) -> None:
    before = threadpool_info()
    with nullcontext() if config is None else joblib.parallel_config(**config):
        told = [tuple(map(int, text.split())) for text in run(tmp_path / "parts", write_thread, jobs=jobs)]
    assert {process == os.getpid() for process, _, _ in told} == {here}
    if here:
        assert {thread == threading.get_ident() for _, thread, _ in told} == {not threads}
    assert {blas for _, _, blas in told} == {1}
    assert threadpool_info() == before


_LATE = """
from pathlib import Path
from otanalysis.studies.pool import run_parts
from threadpoolctl import threadpool_info

def load():
    import sklearn.cluster  # brings an OpenMP of its own

run_parts("late", [load, load], jobs=1, total=2, kept_in=Path("."), progress=False)
after = {one["filepath"]: one["num_threads"] for one in threadpool_info()}
assert after and set(after.values()) == {2}, after
"""


def test_what_a_part_loads_has_its_threads_afterwards() -> None:
    pytest.importorskip("sklearn")
    limits = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    script = [sys.executable, "-c", _LATE]
    run = subprocess.run(script, env={**os.environ, **limits}, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
