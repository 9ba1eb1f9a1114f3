"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from otanalysis import files
from otanalysis.errors import InputError, OtAnalysisError, StorageError
from otanalysis.files import (
    DATA_VARIABLE,
    bundled_data,
    data_folder,
    earlier_kept,
    make_folder,
    remove_strays,
    replacing,
    sha256_of_file,
    storing,
    write_atomic,
    written_data_folder,
)


def test_a_file_is_replaced_when_its_block_has_ended_well(tmp_path: Path) -> None:
    target = tmp_path / "file"
    write_atomic(target, b"old")

    with replacing(target) as file:
        file.write(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"

    for error, told in ((OSError(errno.ENOSPC, "No space left"), StorageError), (KeyError("x"), KeyError)):

        def stopped(error: Exception = error) -> None:
            with replacing(target) as file:
                file.write(b"half")
                raise error

        with pytest.raises(told):
            stopped()
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failed_write_leaves_the_old_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "file"
    write_atomic(target, b"old")

    def full_disk(_: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_atomic(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_checksum_is_the_published_one(tmp_path: Path) -> None:
    file = tmp_path / "abc"
    file.write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert sha256_of_file(file) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_long_file_is_read_in_blocks_that_are_told(tmp_path: Path) -> None:
    file = tmp_path / "long"
    content = bytes(range(256)) * 10_000
    file.write_bytes(content)
    blocks: list[int] = []
    assert sha256_of_file(file, advance=blocks.append) == hashlib.sha256(content).hexdigest()
    assert sum(blocks) == len(content)
    assert len(blocks) == 3


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EFBIG, "ulimit"),
        (errno.EROFS, "can be written"),
        (errno.EACCES, "may write"),
        (errno.EIO, "another folder"),
    ],
)
def test_an_error_of_the_system_becomes_ours_with_path_reason_and_cure(number: int, cure: str) -> None:
    with pytest.raises(StorageError) as caught, storing(Path("folder/table")):
        raise OSError(number, os.strerror(number))
    assert isinstance(caught.value, OtAnalysisError)
    assert isinstance(caught.value, OSError)
    said = str(caught.value)
    assert "folder/table" in said
    assert os.strerror(number) in said
    assert cure in said


def test_other_errors_and_our_own_pass_unchanged() -> None:
    with pytest.raises(InputError, match=r"^mine$"), storing(Path("folder")):
        raise InputError("mine")
    with pytest.raises(StorageError, match=r"^said once$"), storing(Path("folder")):
        raise StorageError("said once")


def test_a_file_size_limit_is_our_error_and_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file"
    write_atomic(target, b"old")
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from otanalysis.errors import StorageError; from otanalysis.files import write_atomic\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    write_atomic(Path(sys.argv[1]), bytes(5000))\n"
        "except StorageError as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(target)], capture_output=True, text=True, check=True, timeout=60
    )
    assert "ulimit -f" in done.stdout
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_a_file_stands_for_is_our_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in ("file", "file/below"):
        with pytest.raises(StorageError, match="in the way"):
            make_folder(tmp_path / place)
    with pytest.raises(StorageError, match="in the way"):
        write_atomic(tmp_path / "file" / "table", b"")
    make_folder(tmp_path / "new" / "below")
    make_folder(tmp_path / "new" / "below")
    assert (tmp_path / "new" / "below").is_dir()


def write_anew(*paths: Path, error: Exception | None = None) -> None:
    """Write files that are kept, and perhaps fail to write what belongs to them."""
    with earlier_kept(*paths):
        for path in paths:
            write_atomic(path, b"new")
        if error is not None:
            raise error


@pytest.mark.parametrize(("error", "left"), [(StorageError("full"), b"old"), (ZeroDivisionError(), b"new")])
def test_an_earlier_file_comes_back_if_what_belongs_to_it_cannot_be_written(
    tmp_path: Path, error: Exception, left: bytes
) -> None:
    path = tmp_path / "table"
    path.write_bytes(b"old")
    with pytest.raises(type(error)):
        write_anew(path, error=error)
    assert path.read_bytes() == left
    write_anew(path)
    assert path.read_bytes() == b"new"
    path.unlink()
    with pytest.raises(type(error)):
        write_anew(path, error=error)
    assert path.read_bytes() == b"new", "there was none before"
    assert [one.name for one in tmp_path.iterdir()] == ["table"]


def test_several_come_back_together_and_those_that_were_not_there_stay(tmp_path: Path) -> None:
    table, summary, new = (tmp_path / name for name in ("table", "summary", "new"))
    table.write_bytes(b"old table")
    summary.write_bytes(b"old summary")
    with pytest.raises(StorageError):
        write_anew(table, new, summary, error=StorageError("full"))
    found = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    assert found == {"table": b"old table", "summary": b"old summary", "new": b"new"}


def test_an_earlier_file_that_is_not_written_anew_stays(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_bytes(b"old")
    with pytest.raises(StorageError), earlier_kept(path):
        raise StorageError("full")
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == {"table": b"old"}


def test_what_a_killed_write_leaves_is_removed_and_nothing_else(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from otanalysis.files import write_atomic\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_atomic(Path(sys.argv[1]), b'half')"
    )
    target = tmp_path / "table.parquet"
    done = subprocess.run([sys.executable, "-c", code, str(target)], check=False, timeout=60)
    assert done.returncode < 0
    [stray] = tmp_path.iterdir()
    others = [tmp_path / name for name in (".table.parquet.1.tmp", "table.otanalysis.tmp", ".hidden")]
    for other in others:
        other.touch()
    remove_strays(tmp_path)
    assert not stray.exists()
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_a_clone_reads_and_writes_its_own_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    clone = Path(files.__file__).resolve().parents[1]
    assert data_folder() == written_data_folder() == clone / "data"


def test_an_installed_package_reads_what_it_carries_and_writes_into_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    carried = tmp_path / "otanalysis" / "_data"
    (carried / "published").mkdir(parents=True)
    (carried / "published" / "accuracy.csv").touch()
    monkeypatch.setattr(files, "_INSTALLED", carried)
    assert data_folder() == carried
    assert bundled_data("published/accuracy.csv", "published table").parent == carried / "published"
    assert written_data_folder() == Path("data")
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "elsewhere"))
    assert data_folder() == written_data_folder() == tmp_path / "elsewhere"


def test_data_that_are_not_there_are_an_error_that_says_how_to_mend_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    with pytest.raises(InputError, match=f"published table was wanted at .*; {DATA_VARIABLE} is set"):
        bundled_data("published/accuracy.csv", "published table")
    monkeypatch.delenv(DATA_VARIABLE)
    with pytest.raises(InputError, match=r"is not there; restore it from the repository, or install"):
        bundled_data("published/missing.csv", "published table")
