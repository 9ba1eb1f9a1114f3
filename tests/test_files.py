"""Files appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from otanalysis import files
from otanalysis.errors import InputError
from otanalysis.files import (
    DATA_VARIABLE,
    bundled_data,
    data_folder,
    sha256_of_file,
    write_atomic,
    written_data_folder,
)


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
