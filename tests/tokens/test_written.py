"""Files of arrays: the library's own bytes, readable by whom the system says, and whole or not there."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from otanalysis.errors import StorageError
from otanalysis.tokens.written import write_arrays

GENERATOR = np.random.default_rng(0)
NAMES = ("b", "a", "ä/ö", "\u2028", 'quote " and \\ back', "line\nand\ttab", "\x01\x1f\x7f", "𝒳", "z" * 300)


def drawn(dtype: str, *shape: int) -> NDArray[Any]:
    return (100.0 * GENERATOR.random(shape)).astype(dtype)


CASES: Mapping[str, Mapping[str, NDArray[Any]]] = {
    "names of all kinds": {name: drawn("float16", 3, 5) for name in NAMES},
    "single": {"a": drawn("float32", 7, 2)},
    "double": {"b": drawn("float64", 5), "a": drawn("float64", 1)},
    "bytes": {str(number): drawn("uint8", number) for number in range(1, 12)},
    "transposed": {"a": drawn("float32", 4, 3).T, "b": drawn("float32", 6, 4)[::2, ::2]},
    "no numbers": {"a": drawn("float32", 0, 3)},
}


@pytest.mark.parametrize("arrays", CASES.values(), ids=CASES)
def test_a_file_is_what_the_library_makes_of_it(tmp_path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    path = tmp_path / "file"
    size, checksum = write_arrays(path, arrays)
    data = path.read_bytes()
    assert data == save({name: np.ascontiguousarray(one) for name, one in arrays.items()}, {"format": "np"})
    assert (size, checksum) == (len(data), hashlib.sha256(data).hexdigest())
    read = load_file(path)
    assert read.keys() == arrays.keys()
    assert all(np.array_equal(read[name], one) for name, one in arrays.items())


def test_numbers_in_another_order_of_bytes_are_stored_as_the_same_numbers(tmp_path: Path) -> None:
    swapped = np.arange(6.0).astype(">f4")
    write_arrays(tmp_path / "file", {"a": swapped})
    assert load_file(tmp_path / "file")["a"].tolist() == swapped.tolist()


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_a_file_may_be_read_by_whom_the_system_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_arrays(tmp_path / "file", {"a": np.zeros(1)})
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(StorageError, match="file cannot be written"):
        write_arrays(tmp_path / "file", {"a": np.zeros(1)})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
