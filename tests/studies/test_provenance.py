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
from otanalysis.studies.ladder import read_ladder, summarise_ladder
from otanalysis.studies.provenance import write_table
from otanalysis.studies.sweep import read_sweep

STORED = Path(__file__).parents[1] / "data" / "results_0.1.0" / "results"
READERS: dict[str, Callable[[Path], Any]] = {
    "sweep": read_sweep,
    "certify": read_certificates,
    "ladder": read_ladder,
}


@pytest.mark.parametrize("name", READERS)
def test_a_column_of_another_type_or_none_is_refused(tmp_path: Path, name: str) -> None:
    table = pq.read_table(STORED / f"{name}.parquet")
    shutil.copy(STORED / f"{name}.parquet", tmp_path / f"{name}.parquet")
    READERS[name](tmp_path / f"{name}.parquet")
    place = next(number for number, one in enumerate(table.schema) if pa.types.is_floating(one.type))
    column = table.column_names[place]
    texts = table.set_column(place, column, pa.array(["x"] * len(table)))
    for changed, message in (
        (texts, f"has {column} of another type"),
        (table.drop_columns([column]), "lacks the"),
    ):
        write_table(tmp_path / "changed.parquet", changed, request="r", about={})
        with pytest.raises(InputError, match=message):
            READERS[name](tmp_path / "changed.parquet")


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_distance_that_is_no_number_is_not_summarised(tmp_path: Path, value: float | None) -> None:
    table = pq.read_table(STORED / "ladder.parquet")
    place = table.column_names.index("w2_squared")
    odd = pa.array([value, *table["w2_squared"].to_pylist()[1:]], pa.float64())
    write_table(
        tmp_path / "ladder.parquet", table.set_column(place, "w2_squared", odd), request="r", about={}
    )
    with pytest.raises(InputError, match="a finite number in every row of w2_squared"):
        summarise_ladder(tmp_path / "ladder.parquet")
