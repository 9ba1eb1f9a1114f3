"""One writer a folder, whoever else comes and however the writer ends."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from otanalysis.errors import StorageError
from otanalysis.files import write_atomic
from otanalysis.locks import HOLDER_NAME, LOCK_NAME, held

_HOLD = """
import sys
from otanalysis.locks import held
with held(sys.argv[1], "measuring the sweep"):
    print("held", flush=True)
    sys.stdin.readline()
print("free", flush=True)
"""

_WAIT = """
import sys
from pathlib import Path
from otanalysis.locks import held
with held(sys.argv[1], "going on", wait=True):
    print(Path(sys.argv[1], "done").exists())
"""


def start(code: str, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, str(folder)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@contextmanager
def another_holding(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the folder."""
    with start(_HOLD, folder) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_the_second_process_is_told_who_does_what_since_when(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "here"
    with another_holding(folder) as process:
        with pytest.raises(StorageError) as caught, held(folder, "measuring another"):
            pytest.fail("held by two")
        said = str(caught.value)
        assert f"process {process.pid} on " in said
        assert "is measuring the sweep there since 20" in said
        assert str(folder) in said
        assert "--wait" in said
        process.communicate("go\n", timeout=60)
    with held(folder, "measuring another"):
        (folder / "table").touch()
    assert [path.name for path in folder.iterdir()] == ["table"], "locks go with their holder"


def test_a_folder_that_was_made_and_stays_empty_goes(tmp_path: Path) -> None:
    for name in ("made", "made/below"):
        with held(tmp_path / name, "nothing"):
            assert (tmp_path / name).is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["made"], "parents are left"
    (tmp_path / "made" / "there").mkdir()
    with held(tmp_path / "made" / "there", "nothing"):
        pass
    assert (tmp_path / "made" / "there").is_dir(), "who was there before stays"


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    with another_holding(tmp_path) as process:
        process.kill()
        process.wait()
        assert {path.name for path in tmp_path.iterdir()} == {LOCK_NAME, HOLDER_NAME}
        stray = tmp_path / f".table.{process.pid}-1.otanalysis.tmp"
        stray.touch()
        with held(tmp_path, "going on"):
            assert not stray.exists(), "what the killed one left is removed"


def test_who_waits_goes_on_when_the_holder_is_done(tmp_path: Path) -> None:
    with another_holding(tmp_path) as process, start(_WAIT, tmp_path) as waiting:
        assert waiting.stderr is not None
        said = waiting.stderr.readline()
        assert f"process {process.pid} " in said
        assert said.endswith("waiting for it.\n")
        assert waiting.poll() is None
        (tmp_path / "done").touch()
        process.communicate("go\n", timeout=60)
        out, _ = waiting.communicate(timeout=60)
        assert out == "True\n"
        assert waiting.returncode == 0


def test_threads_exclude_each_other_and_one_piece_of_work_does_not(tmp_path: Path) -> None:
    told: list[str] = []

    def other() -> None:
        try:
            with held(tmp_path, "two"):
                told.append("held")
        except StorageError as error:
            told.append(str(error))

    with held(tmp_path, "one"), held(tmp_path / "..", "above"), held(tmp_path, "under one"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        [said] = told
        assert f"process {os.getpid()} on" in said
        assert "is one there" in said
    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert told[1:] == ["held"]


def test_an_error_inside_frees_the_folder(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), held(tmp_path, "stopping"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def remove_under(folder: Path, then: Callable[[], object] = lambda: None) -> None:
    """Hold a folder, remove it, and do something before letting go."""
    with held(folder, "one") as hold:
        hold.check()
        shutil.rmtree(folder)
        then()


def test_a_folder_that_is_removed_under_its_writer_is_told_of(tmp_path: Path) -> None:
    for then in (lambda: None, (tmp_path / "out").mkdir):
        with pytest.raises(StorageError, match="was removed or replaced while"):
            remove_under(tmp_path / "out", then)
    with pytest.raises(ZeroDivisionError):
        remove_under(tmp_path / "other", lambda: 1 / 0)


def test_who_was_robbed_of_a_folder_leaves_the_lock_of_the_next_one(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with ExitStack() as stack:
        with pytest.raises(StorageError, match="removed or replaced"):
            remove_under(folder, lambda: stack.enter_context(another_holding(folder)))
        assert {path.name for path in folder.iterdir()} == {LOCK_NAME, HOLDER_NAME}
        with pytest.raises(StorageError, match="is in use"), held(folder, "three"):
            pytest.fail("held by two")


def test_what_is_held_twice_is_one_hold(tmp_path: Path) -> None:
    with held(tmp_path, "one") as outer, held(tmp_path, "under one") as inner:
        assert inner is outer


def test_a_damaged_holder_is_still_an_error_of_ours(tmp_path: Path) -> None:
    with another_holding(tmp_path):
        for content in (b"", b"{}", b"[1]", b"\xff", b"[" * 100_000):
            write_atomic(tmp_path / HOLDER_NAME, content)
            with pytest.raises(StorageError, match="another process is writing there"), held(tmp_path, "x"):
                pytest.fail("held by two")


def test_a_folder_that_cannot_be_made_is_our_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="in the way"), held(tmp_path / "file", "writing"):
        pytest.fail("held a file")
