"""Files that carry the checksum of their own bytes: whatever bit is flipped, none becomes a number."""

from __future__ import annotations

import io
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from otanalysis.errors import InputError
from otanalysis.studies import sealed as of_files
from otanalysis.studies.sealed import is_sealed, sealed, unsealed, write_sealed

NAME = Path("part.parquet")
STORED = Path(__file__).parents[1] / "data" / "results_0.1.0" / "results"


@pytest.fixture(scope="module")
def table() -> pa.Table:
    columns = {"method": ["otprune", "random"], "w2": [0.25, 0.5], "kept": [[1, 2], [3]]}
    return pa.table(columns).replace_schema_metadata({b"otanalysis.keys": b'["a", "b"]'})


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_what_is_sealed_is_read_again_and_by_any_reader(table: pa.Table) -> None:
    data = sealed(table)
    assert is_sealed(data)
    assert unsealed(data, NAME).equals(table)
    assert unsealed(data, NAME).schema.metadata[b"otanalysis.keys"] == b'["a", "b"]'
    empty = unsealed(data, NAME, schema_only=True)
    assert (empty.schema.names, empty.num_rows) == (table.schema.names, 0)
    assert pq.read_table(io.BytesIO(data)).equals(table)
    assert unsealed(sealed(unsealed(data, NAME)), NAME).equals(table), "what was sealed is sealed again"


def test_numbers_of_float32_are_packed_and_read_by_any_reader() -> None:
    numbers = np.random.default_rng(0).uniform(1, 2, 4096).astype(np.float32)
    table = pa.table({"method": ["otprune"] * 4096, "w2": numbers})
    data = sealed(table)
    assert pq.read_table(io.BytesIO(data)).equals(table)
    assert len(data) < 0.9 * numbers.nbytes
    assert len(sealed(table.cast(pa.schema({"method": pa.string(), "w2": pa.float64()})))) > numbers.nbytes


def test_every_single_bit_is_covered(table: pa.Table) -> None:
    data = sealed(table)
    for bit in range(8 * len(data)):
        for schema_only in (False, True):
            with pytest.raises(InputError, match="damaged"):
                unsealed(flipped(data, bit), NAME, schema_only=schema_only)


@pytest.mark.parametrize("group", [1, 10**9])
def test_tables_written_one_by_one_are_the_sealed_file_of_all_rows(
    table: pa.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: int
) -> None:
    monkeypatch.setattr(of_files, "_GROUP_BYTES", group)
    path = tmp_path / "whole.parquet"

    write_sealed(path, (table.slice(row, 1) for row in (0, 1)), lambda: {b"otanalysis.keys": b'["a", "b"]'})

    data = path.read_bytes()
    assert is_sealed(data)
    assert unsealed(data, NAME).equals(table)
    for schema_only in (False, True):
        metadata = unsealed(data, NAME, schema_only=schema_only).schema.metadata
        assert metadata[b"otanalysis.keys"] == b'["a", "b"]'
    assert pq.ParquetFile(path).num_row_groups == (2 if group == 1 else 1)
    for bit in np.random.default_rng(0).integers(8 * len(data), size=300):
        with pytest.raises(InputError, match="damaged"):
            unsealed(flipped(data, int(bit)), NAME, schema_only=True)


def test_few_tables_are_in_memory_while_they_are_written(
    table: pa.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[weakref.ref[pa.Table]] = []
    alive: list[int] = []

    def tables() -> Iterator[pa.Table]:
        for _ in range(12):
            one = table.slice(0, 1)
            made.append(weakref.ref(one))
            yield one
            del one
            alive.append(sum(ref() is not None for ref in made))

    for group in (1, 10**9):
        monkeypatch.setattr(of_files, "_GROUP_BYTES", group)
        write_sealed(tmp_path / "whole.parquet", tables(), dict)

    assert max(alive[:12]) <= 3
    assert max(alive[12:]) == 12, "those of one row group are encoded together"


def test_a_file_that_cannot_be_finished_leaves_what_was_there(table: pa.Table, tmp_path: Path) -> None:
    path = tmp_path / "whole.parquet"
    path.write_bytes(b"before")

    def stopped() -> Iterator[pa.Table]:
        yield table
        raise InputError("A part is gone.")

    with pytest.raises(InputError, match="gone"):
        write_sealed(path, stopped(), dict)

    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path], "nothing half written is left"


def test_cut_lengthened_and_emptied_bytes_are_damaged(table: pa.Table) -> None:
    data = sealed(table)
    for changed in (data[:-1], data[: len(data) // 2], data + b"\0", b"", data[8:], bytes(len(data))):
        with pytest.raises(InputError, match="damaged"):
            unsealed(changed, NAME)


def test_a_value_that_looks_like_a_seal_is_none(table: pa.Table) -> None:
    trick = table.replace_schema_metadata({b"note": b"otanalysis.sha256??" + b"0" * 64})
    data = sealed(trick)
    assert unsealed(data, NAME).schema.metadata[b"note"] == trick.schema.metadata[b"note"]


@pytest.mark.parametrize("path", sorted(STORED.rglob("*.parquet")), ids=lambda path: path.name)
def test_files_of_the_last_version_are_read_and_their_damage_is_no_foreign_error(path: Path) -> None:
    data = path.read_bytes()
    assert not is_sealed(data)
    assert unsealed(data, path).equals(pq.read_table(path))
    generator = np.random.default_rng(0)
    refused = 0
    for bit in generator.integers(8 * len(data), size=100):
        try:
            unsealed(flipped(data, int(bit)), path)
        except InputError:
            refused += 1
    assert refused > 0


def test_reading_starts_no_thread_that_could_abort_the_process_when_it_ends() -> None:
    """A reader of Arrow that outlived Python ended a command with SIGABRT in place of its status."""
    code = (
        "import sys, psutil; from pathlib import Path; from otanalysis.reading import read_parquet\n"
        "from otanalysis.studies.sealed import unsealed\n"
        "file, me = Path(sys.argv[1]), psutil.Process(); before = me.num_threads()\n"
        "rows = len(unsealed(file.read_bytes(), file)), len(read_parquet(file))\n"
        "print(*rows, me.num_threads() - before)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(STORED / "sweep.parquet")],
        capture_output=True,
        text=True,
        check=True,
    )
    *rows, threads = map(int, said.stdout.split())
    assert rows[0] == rows[1] > 0
    assert threads == 0
