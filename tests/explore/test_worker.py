"""The other process calls what it is sent, can be lost or left, and is gone when nobody asks any more."""

from __future__ import annotations

import operator
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from pathlib import Path

import numpy as np
import pytest

from otanalysis.errors import InputError
from otanalysis.explore.worker import OtherProcess
from otanalysis.transport import wasserstein2_floor

PATIENCE = 60
HERE = os.getpid()
# Sleeps, then says where: a process that is lost can be told from one that answered.
SLOW = "(__import__('time').sleep({}), __import__('os').getpid())[1]"


@pytest.fixture
def other() -> Iterator[OtherProcess]:
    made = OtherProcess()
    yield made
    made.close()


def wait_for(other: OtherProcess, work: Future) -> None:
    """Return once the process is at a piece of work."""
    end = time.monotonic() + PATIENCE
    while not other.running(work):
        assert time.monotonic() < end
        time.sleep(0.01)
    time.sleep(0.3)  # until it has been sent


def test_results_and_errors_are_those_of_the_call(other: OtherProcess) -> None:
    tokens = np.random.default_rng(0).standard_normal((30, 4))
    here, there = wasserstein2_floor(tokens, 7), other.submit(wasserstein2_floor, tokens, 7).result(PATIENCE)
    assert there.squared_distance == pytest.approx(here.squared_distance)
    assert there.parts == pytest.approx(dict(here.parts))
    with pytest.raises(TypeError):
        there.parts["spectral"] = 0.0
    with pytest.raises(InputError, match="effort must be positive"):
        other.submit(wasserstein2_floor, tokens, 7, effort=-1.0).result(PATIENCE)
    assert other.submit(os.getpid).result(PATIENCE) != HERE


def test_it_stays_whatever_is_printed_or_cannot_be_sent(other: OtherProcess) -> None:
    first = other.submit(os.getpid).result(PATIENCE)
    assert other.submit(print, "words").result(PATIENCE) is None
    with pytest.raises(Exception, match="pickle"):
        other.submit(lambda: 0).result(PATIENCE)
    with pytest.raises(ZeroDivisionError):
        other.submit(operator.truediv, 1, 0).result(PATIENCE)
    assert other.submit(os.getpid).result(PATIENCE) == first


def test_it_has_one_thread_and_hears_no_interrupt_of_ours(other: OtherProcess) -> None:
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        assert other.submit(os.getenv, name).result(PATIENCE) == "1"
    if hasattr(os, "getpgid"):
        assert other.submit(os.getpgid, 0).result(PATIENCE) != os.getpgid(0)


def test_where_there_is_no_process_a_thread_answers(
    other: OtherProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "no such program")
    assert other.submit(os.getpid).result(PATIENCE) == HERE
    monkeypatch.undo()
    assert other.submit(os.getpid).result(PATIENCE) != HERE


def test_a_lost_process_is_replaced(other: OtherProcess) -> None:
    first = other.submit(os.getpid).result(PATIENCE)
    work = other.submit(eval, SLOW.format(1))
    wait_for(other, work)
    os.kill(first, signal.SIGTERM)
    assert work.result(PATIENCE) == HERE
    second = other.submit(os.getpid).result(PATIENCE)
    assert second not in (first, HERE)
    os.kill(second, signal.SIGTERM)
    time.sleep(0.5)
    assert other.submit(os.getpid).result(PATIENCE) not in (second, HERE)


def test_work_that_is_left_holds_up_nothing(other: OtherProcess) -> None:
    first = other.submit(os.getpid).result(PATIENCE)
    slow = other.submit(time.sleep, 3600)
    wait_for(other, slow)
    waiting, newer = other.submit(time.sleep, 3600), other.submit(os.getpid)
    other.leave(waiting)
    assert not newer.done()
    other.leave(slow)
    for work in (waiting, slow):
        with pytest.raises(CancelledError):
            work.result(PATIENCE)
    assert newer.result(PATIENCE) not in (first, HERE)
    other.leave(newer)
    assert newer.done()
    assert not newer.cancelled()


# Its ways end here: what the other process inherits stays open as long as it lives.
SCRIPT = """
import os, sys, time
import numpy as np
from otanalysis.explore import Explorer
from otanalysis.tokens import DumpWriter
with DumpWriter(sys.argv[1], model="m", benchmark="b") as writer:
    writer.add("square", np.random.default_rng(0).standard_normal((16, 3)))
explorer = Explorer(sys.argv[1], ratio=0.3)
explorer.wait()
from otanalysis.explore.state import other_process
print(other_process().submit(os.getpid).result())
"""
ENDS = {
    "by itself": "",
    "at work": "other_process().submit(time.sleep, 3600); time.sleep(0.5)",
    "at the start of a floor": "explorer.move(ratio=0.2); time.sleep(0.1)",
}


@pytest.mark.parametrize("end", ENDS)
def test_a_script_without_a_guard_leaves_nothing(tmp_path: Path, end: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT + ENDS[end])
    # Some releases of POT and kmedoids have docstrings of which Python warns when it first compiles them.
    heard = ("-W", "error::ResourceWarning", "-W", "ignore:invalid escape sequence:DeprecationWarning")
    command = [sys.executable, "-X", "dev", *heard, script, tmp_path / "dump"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 0


def test_a_script_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT + "sys.stdout.flush(); os.kill(os.getpid(), 9)")
    command = [sys.executable, script, tmp_path / "dump"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode != 0
    assert int(done.stdout) > 0


def test_what_is_left_behind_would_be_seen() -> None:
    sleep = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(10)'])"
    with subprocess.Popen(
        [sys.executable, "-c", sleep], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as done:
        assert done.wait(PATIENCE) == 0
        with pytest.raises(subprocess.TimeoutExpired):
            done.communicate(timeout=1)
