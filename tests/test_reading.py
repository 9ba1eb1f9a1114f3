"""Files that others wrote are read as they are, or refused by our error, which names them."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from otanalysis.errors import InputError
from otanalysis.reading import EMPTY, member, number_in, read_csv, read_json, read_parquet, read_text

BOM = b"\xef\xbb\xbf"
READERS: dict[str, Callable[[Path], Any]] = {
    "text": read_text,
    "json": read_json,
    "csv": read_csv,
    "parquet": read_parquet,
}
CONTENT = {"text": b"a,b\n1,2\n", "json": b'{"a": 1}', "csv": b"a,b\n1,2\n"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "given.file"


@pytest.mark.parametrize("kind", CONTENT)
def test_a_mark_of_the_encoding_is_passed_over(file: Path, kind: str) -> None:
    file.write_bytes(CONTENT[kind])
    plain = READERS[kind](file)
    file.write_bytes(BOM + CONTENT[kind])
    assert READERS[kind](file) == plain


@pytest.mark.parametrize("kind", CONTENT)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "cp1252"])
def test_other_encodings_and_zero_bytes_are_refused(file: Path, kind: str, encoding: str) -> None:
    file.write_bytes(CONTENT[kind].replace(b"a", "ä".encode()).decode().encode(encoding))
    with pytest.raises(InputError, match=r"given\.file (is no text in UTF-8|holds zero bytes)"):
        READERS[kind](file)


@pytest.mark.parametrize("kind", READERS)
def test_what_is_not_there_or_is_a_folder_is_refused(tmp_path: Path, kind: str) -> None:
    for path in (tmp_path / "absent", tmp_path, tmp_path / ("long" * 100)):
        with pytest.raises(InputError, match="cannot be read"):
            READERS[kind](path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"given\.file cannot be read as JSON \(it is empty\)"),
        (" \n", "it is empty"),
        ('{"a": 1', "Expecting"),
        ('{"a": 1}}', "Extra data"),
        ("[" * 100_000, "recursion"),
        ("[" * 100_000 + "]" * 100_000, "recursion"),
        ('{"gqa": 1, "pope": 2, "gqa": 3}', "'gqa' stands twice in one object"),
        ('{"a": {"b": 1, "b": 1}}', "'b' stands twice"),
        ('["\\ud800"]', "surrogates"),
        ("1" * 5000, "digits"),
    ],
)
def test_json_that_is_none_is_refused(file: Path, content: str, message: str) -> None:
    file.write_text(content)
    with pytest.raises(InputError, match=message):
        read_json(file)


def test_json_is_read_as_it_is(file: Path) -> None:
    content = {"a": [1, 2.5, None, True, "ä"], "b": {"c": {}}, "large": 10**400}
    file.write_text(json.dumps(content))
    assert read_json(file) == content


def test_parts_of_a_document_are_of_their_kind() -> None:
    document = {"object": {"a": 1}, "list": [1], "text": "b", "null": None}
    assert member(document, "object", dict, "there") == {"a": 1}
    assert member(document, "list", list, "there") == [1]
    assert member(document, "text", str, "there") == "b"
    assert member(document, "null", dict, "there") is member(document, "absent", str, "there") is None
    for name, kind, wanted in (
        ("list", dict, "an object"),
        ("object", str, "a text"),
        ("text", list, "a list"),
    ):
        with pytest.raises(InputError, match=f"there has .* as {name}, and {wanted} is wanted"):
            member(document, name, kind, "there")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty: a line with the names"),
        ("\n\n", "is empty"),
        ("a,b\n1,2,\n3,4\n", "Line 2 of .* has 3 cells, and 2 columns have a name"),
        ("a,b\n1,2\n3,4,\n", "Line 3 of .* has 3 cells"),
        ("a,b\n1,2,\n3,4,\n", "Line 2 of .* has 3 cells"),
        ("a,b\n\n1,2\n3\n", "Line 4 of .* has 1 cells"),
        ('a,b\n"1\n1",2\n3\n', "Line 4 of .* has 1 cells"),
        ("a,b,\n1,2,3\n", "Line 2 of .* has 3 cells, and 2 columns"),
        ('a,b\n1,"2\n', "line 2: unexpected end of data"),
        ('a,b\n1,"2"2\n', "line 2: ',' expected"),
        ("a,a\n1,2\n", "several columns a"),
        ("a,b\n1," + "2" * 200_000, "field larger"),
    ],
)
def test_a_csv_whose_columns_shift_is_refused(file: Path, content: str, message: str) -> None:
    file.write_text(content)
    with pytest.raises(InputError, match=message):
        read_csv(file)


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n007,x\nNaN,\n",
        "a,b\r\n007 , x\r\n\r\nNA, \r\n",
        "a,b,\n007,x,\n,None,\n",
        ',a,b\n0,"007",x\n1,,\n',
    ],
)
def test_blanks_empty_lines_an_index_and_ends_of_lines_do_not_count(file: Path, content: str) -> None:
    file.write_bytes(content.encode())
    lines = read_csv(file)
    assert lines.columns == ("a", "b")
    assert lines.rows == (("007", "x"), (None, None))
    assert lines.records()[0] == {"a": "007", "b": "x"}
    assert lines.frame().to_dict("records") == lines.records()


cells = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=6)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=5))
def test_what_pandas_writes_is_read_back(file: Path, rows: list[tuple[str, str]]) -> None:
    pd.DataFrame(rows, columns=["a", "b"]).to_csv(file, index=False, encoding="utf-8")
    wanted = [tuple(None if one.strip() in EMPTY else one.strip() for one in row) for row in rows]
    assert list(read_csv(file).rows) == wanted


def write_parquet(file: Path, **options: Any) -> pd.DataFrame:
    table = pd.DataFrame({"a": np.arange(400) / 7, "b": [f"row {number}" for number in range(400)]})
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), file, **options)
    return table


def test_parquet_is_read_as_it_is(file: Path) -> None:
    table = write_parquet(file)
    pd.testing.assert_frame_equal(read_parquet(file), table, check_dtype=False)


def test_a_flipped_bit_of_a_checked_page_is_found_and_no_damage_is_an_error_of_others(file: Path) -> None:
    table = write_parquet(file, write_page_checksum=True, compression="none")
    sound, found = file.read_bytes(), 0
    for place in range(0, len(sound), 61):
        file.write_bytes(sound[:place] + bytes([sound[place] ^ 16]) + sound[place + 1 :])
        try:
            read = read_parquet(file)
        except InputError as error:
            found += str(file) in str(error)
        else:
            same = [*read.columns] == ["a", "b"] and read["a"].equals(table["a"])
            assert same or place > len(sound) - 1200, "pages have checksums, the footer behind them none"
    assert found > 60


def test_parquet_that_is_none_or_has_a_column_twice_is_refused(file: Path) -> None:
    for content in (b"", b"PAR1", b"a,b\n1,2\n"):
        file.write_bytes(content)
        with pytest.raises(InputError, match="cannot be read as Parquet"):
            read_parquet(file)
    pq.write_table(pa.table([[1], [2]], names=["a", "a"]), file)
    with pytest.raises(InputError, match=r"several columns a|Multiple matches .* in a"):
        read_parquet(file)


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("61.9", 61.9),
        (" -1e-3 ", -1e-3),
        (".5", 0.5),
        ("5.", 5.0),
        (7, 7.0),
        (np.int64(7), 7.0),
        (np.float32(0.5), 0.5),
        (Decimal("0.1"), 0.1),
        *(
            (none, None)
            for none in ("", "-", "61,9", "6_1", "0x10", "inf", "nan", "1e999", "１", "1 2", True, np.True_)
        ),
        *(
            (none, None)
            for none in (float("nan"), float("inf"), 10**400, Decimal("sNaN"), 1j, [1], None, b"1")
        ),
    ],
)
def test_what_is_a_number(cell: object, number: float | None) -> None:
    assert number_in(cell) == number
