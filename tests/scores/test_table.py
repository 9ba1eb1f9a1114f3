"""Accuracy tables: what fits is read, what does not is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from otanalysis.errors import InputError
from otanalysis.scores import ACCURACY_COLUMNS, import_results, read_accuracy, write_accuracy

PUBLISHED = Path(__file__).parents[2] / "data" / "published" / "accuracy.csv"


def row(**changes: Any) -> dict[str, Any]:
    """Return one sound row with the changes applied."""
    return {
        "model": "tiny",
        "benchmark": "presence",
        "method": "otprune",
        "ratio": 0.098,
        "gamma": 0.01,
        "seed": None,
        "metric": "accuracy",
        "value": 0.75,
        "n": 400,
        "standard_error": 0.02,
    } | changes


def sound_table() -> pd.DataFrame:
    return pd.DataFrame(
        [
            row(),
            row(method="random", gamma=None, seed=2),
            row(method="full", ratio=1.0, gamma=None),
            row(method="majority", ratio=None, gamma=None),
            row(method="no-image", ratio=None, gamma=None),
        ]
    )


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_round_trip(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"accuracy.{ending}"
    write_accuracy(sound_table(), file, provenance={"seed": 3})
    table = read_accuracy(file)
    assert tuple(table.columns) == ACCURACY_COLUMNS
    assert table["value"].tolist() == [0.75] * 5
    assert table["ratio"].isna().tolist() == [False, False, False, True, True]
    assert table["seed"].isna().tolist() == [True, False, True, True, True]
    assert table["seed"].iloc[1] == 2
    assert {str(table[name].dtype) for name in ("seed", "n")} == {"Int64"}
    assert json.loads((tmp_path / "accuracy.provenance.json").read_text()) == {"seed": 3}
    again = tmp_path / f"again.{ending}"
    write_accuracy(table, again)
    assert again.read_bytes() == file.read_bytes()


@pytest.mark.parametrize("odd", [float("nan"), {"b": float("inf")}, {1, 2}, "\ud800", 1j])
def test_a_provenance_that_is_no_json_is_refused_and_nothing_is_written(tmp_path: Path, odd: Any) -> None:
    with pytest.raises(InputError, match=r"provenance of .*accuracy\.csv takes JSON values only"):
        write_accuracy(sound_table(), tmp_path / "new" / "accuracy.csv", provenance={"a": odd})
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("odd", [None, 3, b"accuracy.csv", "a\0.csv", "\ud800.csv", ["accuracy.csv"]])
def test_what_is_no_path_is_refused(odd: Any) -> None:
    for call in (
        lambda: read_accuracy(odd),
        lambda: write_accuracy(sound_table(), odd),
        lambda: import_results([odd]),
    ):
        with pytest.raises(InputError, match=r"The path of .* was wanted"):
            call()


def test_a_link_to_a_table_stays_one(tmp_path: Path) -> None:
    file, link = tmp_path / "shared.csv", tmp_path / "here" / "accuracy.csv"
    link.parent.mkdir()
    write_accuracy(sound_table()[:1], file)
    link.symlink_to(file)
    write_accuracy(sound_table(), link)
    assert link.is_symlink()
    assert len(read_accuracy(file)) == len(read_accuracy(link)) == 5
    link.unlink()
    link.symlink_to(link)
    for call in (lambda: read_accuracy(link), lambda: read_accuracy(tmp_path / ("x" * 300 + ".csv"))):
        with pytest.raises(InputError):
            call()


def test_the_published_table_is_read_with_what_it_lacks_left_empty() -> None:
    table = read_accuracy(PUBLISHED)
    assert len(table) == len(PUBLISHED.read_text().splitlines()) - 1
    assert table[["gamma", "seed", "n", "standard_error"]].isna().all(axis=None)
    assert "source" in table.columns
    gqa = table[
        (table["model"] == "LLaVA-1.5-7B") & (table["benchmark"] == "gqa") & (table["method"] == "full")
    ]
    assert gqa["value"].tolist() == [61.96]


def test_repeated_rows_are_dropped_and_contradictions_refused(tmp_path: Path) -> None:
    file = tmp_path / "accuracy.csv"
    pd.DataFrame([row(), row()]).to_csv(file, index=False)
    assert len(read_accuracy(file)) == 1
    pd.DataFrame([row(), row(value=0.5)]).to_csv(file, index=False)
    with pytest.raises(InputError, match="disagree about otprune on presence"):
        read_accuracy(file)
    pd.DataFrame([row(), row(gamma=0.1, value=0.5)]).to_csv(file, index=False)
    assert len(read_accuracy(file)) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value": None}, "finite"),
        ({"value": -1000.0}, "failed metric"),
        ({"value": "good"}, "'good' as value in row 0"),
        ({"ratio": 0.0}, r"\(0, 1\]"),
        ({"ratio": 1.5}, r"\(0, 1\]"),
        ({"ratio": "some"}, "'some' as ratio"),
        ({"method": "full"}, r"its ratio is 1\.0"),
        ({"method": "full", "ratio": None}, r"its ratio is 1\.0"),
        ({"method": "majority"}, "leave it empty"),
        ({"method": "no-image"}, "leave it empty"),
        ({"gamma": 0.0}, "positive"),
        ({"seed": -1}, "negative"),
        ({"seed": 0.5}, "whole number"),
        ({"n": 0}, "at least one"),
        ({"standard_error": -0.1}, "negative"),
        ({"benchmark": None}, "empty benchmark in row 0"),
    ],
)
def test_values_out_of_range_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    file = tmp_path / "accuracy.csv"
    pd.DataFrame([row(**changes)]).to_csv(file, index=False)
    with pytest.raises(InputError, match=message):
        read_accuracy(file)
    with pytest.raises(InputError, match=message):
        write_accuracy(pd.DataFrame([row(**changes)]), tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_missing_files_columns_and_foreign_endings_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_accuracy(tmp_path / "missing.csv")
    file = tmp_path / "accuracy.csv"
    sound_table().drop(columns=["value", "metric"]).to_csv(file, index=False)
    with pytest.raises(InputError, match="lacks the columns metric, value"):
        read_accuracy(file)
    file.write_text("")
    with pytest.raises(InputError, match=r"accuracy\.csv is empty: a line with the names"):
        read_accuracy(file)
    other = tmp_path / "accuracy.xlsx"
    other.write_text("x")
    with pytest.raises(InputError, match=r"\.csv or \.parquet"):
        read_accuracy(other)
    with pytest.raises(InputError, match=r"\.csv or \.parquet"):
        write_accuracy(sound_table(), tmp_path / "out.txt")
