"""How a command ends: one sentence and a status, whatever the system refused."""

from __future__ import annotations

import errno
import io
import signal
import subprocess
import sys

import pytest

from otanalysis import progress
from otanalysis.errors import StorageError
from otanalysis.progress import begin_program, reported


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (OSError(errno.EACCES, "Permission denied", "folder/table"), "folder/table: Permission denied"),
        (OSError("odd"), "odd"),
        (StorageError("table cannot be written."), "table cannot be written."),
    ],
)
def test_an_error_of_the_system_is_one_sentence_and_status_2(
    error: OSError, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, reported():
        raise error
    assert ended.value.code == 2
    text = capsys.readouterr().err
    assert text.startswith(said)
    assert text.count("\n") == 1


class _Full(io.StringIO):
    """A stream to a disk without room."""

    def write(self, _text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_the_status_stays_where_its_sentence_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", _Full())
    with pytest.raises(SystemExit) as ended, reported():
        raise StorageError("table cannot be written.")
    assert ended.value.code == 2
    with pytest.raises(SystemExit) as ended, reported():
        raise KeyboardInterrupt
    assert ended.value.code == 130


def test_a_reader_that_has_gone_is_no_error_of_the_disk() -> None:
    with pytest.raises(BrokenPipeError), reported():
        raise BrokenPipeError


_SLOW_TO_STOP = """
import signal, sys, time
from otanalysis import progress

progress.begin_program()
try:
    with progress.reported():
        try:
            print("working", flush=True)
            time.sleep(60)
        finally:
            print("stopping", flush=True)
            sys.stdin.readline()
            print("stopped", flush=True)
finally:
    print("left", flush=True)
"""


def test_ctrl_c_twice_stops_once() -> None:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", _SLOW_TO_STOP]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "stopping\n"
        process.send_signal(signal.SIGINT)
        out, said = process.communicate("\n", timeout=60)
    assert out == "stopped\nleft\n"
    assert said.startswith("Stopped; what was finished is kept")
    assert process.returncode == 130


def test_a_later_ctrl_c_stops_the_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POT_BACKEND_DISABLE_PYTORCH", "1")  # set here, for it stays after this test
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGALRM)}
    try:
        begin_program()
        with pytest.raises(SystemExit), reported():
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)  # the same stop
        monkeypatch.setattr(progress, "_IMPATIENCE", 0.0)
        with pytest.raises(SystemExit), reported():
            signal.raise_signal(signal.SIGINT)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_SWALLOWING = """
import signal, time
from otanalysis import progress

progress.begin_program()
with progress.reported():
    try:
        signal.raise_signal(signal.SIGINT)
    except BaseException:
        pass  # as packages do while they load
    try:
        time.sleep(60)
    finally:
        time.sleep(3 * progress._INSISTENCE)
        print("stopped once")
"""


def test_a_ctrl_c_that_something_swallows_stops_the_program_all_the_same() -> None:
    done = subprocess.run([sys.executable, "-c", _SWALLOWING], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("stopped once\n", 130)
    assert done.stderr.startswith("Stopped; what was finished is kept")
    assert done.stderr.count("\n") == 1


_WITH_GARBAGE = """
import atexit, gc
from otanalysis.progress import begin_program
atexit.register(lambda: print(gc.get_freeze_count() > 0))
begin_program()
print(gc.get_freeze_count())
"""


def test_a_program_leaves_its_garbage_to_the_system() -> None:
    """Else one that stops looks for it in all of torch and transformers, over a second of processor time."""
    done = subprocess.run([sys.executable, "-c", _WITH_GARBAGE], capture_output=True, text=True, check=True)
    assert done.stdout == "0\nTrue\n"
