"""Files appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from otanalysis.files import sha256_of_file, write_atomic


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
