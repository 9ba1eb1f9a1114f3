"""Tables of studies are read back with the columns and types that they were written with, or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from otanalysis.errors import InputError
from otanalysis.studies.certify import read_certificates
from otanalysis.studies.ladder import read_ladder
from otanalysis.studies.provenance import write_table
from otanalysis.studies.sweep import read_sweep

STORED = Path(__file__).parents[1] / "data" / "results_0.1.0" / "results"
READERS: dict[str, Callable[[Path], Any]] = {
    "sweep": read_sweep,
    "certify": read_certificates,
    "ladder": read_ladder,
}


def put(table: pa.Table, column: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(column), column, values)


def first_gone(table: pa.Table, column: str, value: float | None) -> pa.Table:
    values = [value, *table[column].to_pylist()[1:]]
    return put(table, column, pa.array(values, table.schema.field(column).type))


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("damaged", ["number", "text"])
def test_a_table_that_no_study_writes_is_refused(tmp_path: Path, name: str, damaged: str) -> None:
    table = pq.read_table(STORED / f"{name}.parquet")
    file = tmp_path / f"{name}.parquet"
    shutil.copy(STORED / file.name, file)
    READERS[name](file)
    is_it = pa.types.is_floating if damaged == "number" else pa.types.is_string
    column = next(one.name for one in table.schema if is_it(one.type) and one.name != "gamma")
    truths = pa.array([True] * len(table))
    changes = [
        (put(table, column, truths), f"has {column} of another type"),
        (table.drop_columns([column]), f"lacks the columns {column}"),
        (table.rename_columns(["x" if one == column else one for one in table.column_names]), "lacks the"),
        (table.append_column(column, truths), "is damaged"),
        (table.slice(0, 0), "has no rows"),
        (first_gone(table, column, None), f"has rows without {column}"),
    ]
    if damaged == "number":
        changes += [
            (first_gone(table, column, value), f"has rows without {column}, or with what is no finite number")
            for value in (float("nan"), float("inf"))
        ]
    for changed, message in changes:
        write_table(file, changed, request="r", about={})
        with pytest.raises(InputError, match=message):
            READERS[name](file)


def test_columns_beside_those_of_a_study_are_left_out(tmp_path: Path) -> None:
    table = pq.read_table(STORED / "sweep.parquet")
    file = tmp_path / "sweep.parquet"
    write_table(file, table.append_column("comment", pa.array(["x"] * len(table))), request="r", about={})
    assert read_sweep(file).columns.tolist() == table.column_names
    assert read_sweep(file, ["w2", "seed"]).columns.tolist() == ["w2", "seed"]


def test_a_provenance_that_is_nested_without_end_is_none_of_ours(tmp_path: Path) -> None:
    table = pq.read_table(STORED / "sweep.parquet")
    metadata = {b"otanalysis.provenance": b"[" * 100_000}
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "sweep.parquet")
    with pytest.raises(InputError, match="is not a table that otanalysis wrote"):
        read_sweep(tmp_path / "sweep.parquet")
