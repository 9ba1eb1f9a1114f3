"""Jobs in processes or where the caller says: every part runs once, and jobs get processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import psutil
import pytest
from threadpoolctl import threadpool_info

from otanalysis.errors import OtAnalysisError
from otanalysis.studies.pool import lasting_processes, run_parts


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


def fail() -> None:
    raise OtAnalysisError("This part cannot be measured.")


def test_processes_last_over_jobs_where_they_are_asked_to(tmp_path: Path) -> None:
    with lasting_processes():
        first, second = processes_of_a_job(tmp_path / "first"), processes_of_a_job(tmp_path / "second")
        alone = tmp_path / "alone"
        run_parts("x", [partial(write_process, alone)], jobs=2, total=1, kept_in=tmp_path, progress=False)
        assert first | second | {int(alone.read_text())} <= children()
        assert len(first | second) <= 2
    assert not first & children()
    assert not processes_of_a_job(tmp_path / "after") & (first | second)


def test_lasting_processes_end_with_a_job_that_fails_and_with_the_block(tmp_path: Path) -> None:
    with lasting_processes():
        first = processes_of_a_job(tmp_path / "first")
        with pytest.raises(OtAnalysisError, match="cannot be measured"):
            run_parts("x", [fail, fail], jobs=2, total=2, kept_in=tmp_path, progress=False)
        assert gone_soon(first)
        second = processes_of_a_job(tmp_path / "second")
        assert not first & second

    third: set[int] = set()

    def interrupted() -> None:
        with lasting_processes():
            third.update(processes_of_a_job(tmp_path / "third"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert third
    assert gone_soon(second | third)


def gone_soon(numbers: set[int]) -> bool:
    """Wait for the end of processes that were told to stop at once."""
    return ended([psutil.Process(number) for number in numbers if psutil.pid_exists(number)])


def children() -> set[int]:
    return {one.pid for one in psutil.Process().children() if one.status() != psutil.STATUS_ZOMBIE}


def write_whether_ctrl_c_is_heard(path: Path) -> None:
    path.write_text(str(signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())))


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(("jobs", "heard"), [(1, "True"), (2, "False")])
def test_ctrl_c_is_never_heard_by_workers_and_always_here(tmp_path: Path, jobs: int, heard: str) -> None:
    """They inherit that from birth: while it loads, a worker would die of it with a traceback."""
    assert set(run(tmp_path / "parts", write_whether_ctrl_c_is_heard, jobs=jobs)) == {heard}
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


_FIRST = """
import signal, sys
from functools import partial
from pathlib import Path
from otanalysis.studies.pool import run_parts

def write(path):
    path.write_text(str(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())))

folder = Path(sys.argv[1])
tasks = [partial(write, folder / name) for name in "ab"]
run_parts("first", tasks, jobs=2, total=2, kept_in=folder, progress=False)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_is_not_heard_by_the_very_first_workers_either(tmp_path: Path) -> None:
    """With them starts what joblib tracks its resources with, which in its older versions lets Ctrl-C in."""
    script = [sys.executable, "-c", _FIRST, str(tmp_path)]
    run = subprocess.run(script, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert {(tmp_path / name).read_text() for name in "ab"} == {"True"}


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


_LASTING = """
import os, sys, time
from functools import partial
from pathlib import Path
from otanalysis.studies.pool import run_parts

def last(path):
    path.write_text(str(os.getpid()))
    time.sleep(3600)

def main(folder):
    tasks = [partial(last, folder / name) for name in "ab"]
    try:
        run_parts("last", tasks, jobs=2, total=3, kept_in=folder, progress=False)
    except KeyboardInterrupt as stop:
        print(stop, file=sys.stderr)
        raise SystemExit(130)
"""


@contextmanager
def lasting(folder: Path) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """A process whose two workers are in the middle of tasks that do not end, and these workers."""
    script = folder / "lasting.py"
    script.write_text(_LASTING)
    code = f"import pathlib, lasting; lasting.main(pathlib.Path({str(folder)!r}))"
    places = os.pathsep.join([str(folder), *filter(None, sys.path)])
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": places},
    ) as process:
        try:
            while not all((folder / name).exists() and (folder / name).read_text() for name in "ab"):
                assert process.poll() is None
                time.sleep(0.05)
            yield process, [psutil.Process(int((folder / name).read_text())) for name in "ab"]
        finally:
            process.kill()


def ended(workers: list[psutil.Process]) -> bool:
    """Wait for the end of processes that would last for an hour."""
    gone, alive = psutil.wait_procs(workers, timeout=60)
    for worker in alive:
        worker.kill()
    return len(gone) == len(workers)


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    with lasting(tmp_path) as (process, workers):
        process.kill()
        assert ended(workers)


@pytest.mark.parametrize("to_all", [False, True])
def test_a_stop_ends_workers_and_parent_and_says_what_is_kept(tmp_path: Path, to_all: bool) -> None:
    with lasting(tmp_path) as (process, workers):
        if to_all:  # as a terminal does
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130
        assert said.startswith("Stopped: 1 of 3 parts are kept in ")
        assert ended(workers)


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_our_error(tmp_path: Path) -> None:
    with pytest.raises(OtAnalysisError, match=r"was killed.*0 of 2 parts are kept.*--jobs"):
        run_parts("x", [killed, killed], jobs=2, total=2, kept_in=tmp_path, progress=False)
    assert run(tmp_path / "after", write_process, jobs=2), "the next job gets new processes"


def test_a_worker_without_its_parent_ends_by_looking() -> None:
    """What ends workers where the system cannot."""
    code = "from otanalysis.studies.pool import _end_with; _end_with(1_000_000_000); print('still there')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
