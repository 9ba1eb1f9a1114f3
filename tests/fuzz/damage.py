"""Ways to damage a file: of its bytes, and of what JSON, CSV, Parquet and pictures are made of."""

from __future__ import annotations

import csv
import io
import json
import re
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

T = TypeVar("T")
Damage = Callable[[np.random.Generator, bytes], tuple[bytes, str]]

ODD_VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        -1,
        0,
        1,
        2,
        0.5,
        -0.0,
        10**15,
        10**30,
        10**400,
        float("nan"),
        float("inf"),
        -1000.0,
    ),
    *("", " ", "x", "N/A", "none", "NaN", "1e999", "6_1", "0.5", "otprune", "full", "dev", "a\0b", "a\nb"),
    *("\ud800", "a" * 5000, "../x", "pretrained=a,method=otprune,ratio=2"),
    *([], [[]], {}, [0.5], {"gqa": 1}, {"": None}, [["a"] * 3] * 3),
)
"""What stands in JSON in place of a value."""

ODD_CELLS = (
    *(
        "",
        " ",
        "x",
        "-",
        "nan",
        "NA",
        "None",
        "inf",
        "-inf",
        "1e999",
        "1e-999",
        "9" * 400,
        "-1",
        "0",
        "0.5",
        "2",
    ),
    *("1e15", "1e300", "6_1", "61,9", "0x10", "True", "variable", "full", "majority", "adversarial", "dev"),
    *("a\nb", 'a"b', "'", "\ufeff", "\x1b[31m", "a" * 5000, "\u0661"),
)
"""What stands in a cell of a CSV in place of what was there."""

ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-7", "cp037")


def choice(rng: np.random.Generator, values: Sequence[T]) -> T:
    """Return one of the values."""
    return values[int(rng.integers(len(values)))]


def damage_bytes(rng: np.random.Generator, data: bytes) -> tuple[bytes, str]:
    """Flip bits, cut, insert, repeat, empty or encode anew."""
    size = len(data)
    start = int(rng.integers(size + 1))
    stop = min(size, start + int(rng.integers(1, 65)))
    ways: tuple[tuple[str, Callable[[], bytes]], ...] = (
        ("a bit flipped", lambda: _flipped(rng, data, 1)),
        ("bits flipped", lambda: _flipped(rng, data, int(rng.integers(2, 33)))),
        ("cut off", lambda: data[:start]),
        ("begins later", lambda: data[start:]),
        ("bytes overwritten", lambda: data[:start] + rng.bytes(stop - start) + data[stop:]),
        ("bytes taken out", lambda: data[:start] + data[stop:]),
        ("bytes put in", lambda: data[:start] + rng.bytes(stop - start) + data[start:]),
        ("a piece twice", lambda: data[:stop] + data[start:]),
        ("zeros from somewhere on", lambda: data[:start] + bytes(size - start)),
        ("all twice", lambda: data + data),
        ("empty", lambda: b""),
        ("one byte", lambda: rng.bytes(1)),
        ("of another encoding", lambda: _encoded(data, choice(rng, ENCODINGS))),
    )
    words, damaged = choice(rng, ways)
    return damaged(), f"{words} at {start}"


def _flipped(rng: np.random.Generator, data: bytes, count: int) -> bytes:
    flipped = bytearray(data)
    for _ in range(count if data else 0):
        flipped[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    return bytes(flipped)


def _encoded(data: bytes, encoding: str) -> bytes:
    return data.decode("utf-8", "replace").encode(encoding, "replace")


def damage_json(rng: np.random.Generator, data: bytes) -> tuple[bytes, str]:
    """Replace, remove, rename, add or nest values anywhere in a document, or numbers in its text."""
    if rng.integers(4) == 0:
        return _odd_number(rng, data)
    holder: dict[str, Any] = {"": json.loads(data)}
    told = " and ".join(_changed(rng, holder) for _ in range(int(rng.integers(1, 4))))
    return json.dumps(holder.get("")).encode("utf-8", "surrogatepass"), told


def damage_lines(rng: np.random.Generator, data: bytes) -> tuple[bytes, str]:
    """Damage one of several lines of JSON, or their order."""
    lines = data.splitlines()
    place = int(rng.integers(len(lines)))
    if rng.integers(5) == 0:
        return b"\r".join([*lines, lines[place]]), f"line {place} twice"
    lines[place], told = damage_json(rng, lines[place])
    return b"\n".join(lines), f"in line {place} {told}"


def _odd_number(rng: np.random.Generator, data: bytes) -> tuple[bytes, str]:
    numbers = list(re.finditer(rb"-?\d+(\.\d+)?", data))
    number = choice(rng, numbers)
    new = choice(
        rng, (b"1e999", b"9" * 400, b"9" * 5000, b"NaN", b"-Infinity", b"0.1.2", b"00", b"[" * 5000, b'"1"')
    )
    return data[: number.start()] + new + data[number.end() :], f"{new[:9]!r} for {number[0]!r}"


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, one in inner for place in ((*at, key), *_places(one, (*at, key)))]


def _changed(rng: np.random.Generator, content: dict[str, Any]) -> str:
    place = choice(rng, _places(content) or [("",)])
    holder: Any = content
    for key in place[:-1]:
        holder = holder[key]
    key, what = place[-1], choice(rng, ("replaced", "removed", "renamed", "added", "nested", "swapped"))
    if what == "removed" and holder is not content:
        del holder[key]
    elif what == "renamed" and isinstance(holder, dict) and holder is not content:
        holder[choice(rng, ("", "x", "none", "gqa,none", "a" * 99, "\ud800", "\0"))] = holder.pop(key)
    elif what == "added" and isinstance(holder, dict):
        holder[choice(rng, ("", "x", "results", "groups", "n-samples"))] = choice(rng, ODD_VALUES)
    elif what == "nested":
        holder[key] = choice(rng, ([holder[key]], {"x": holder[key]}, [[[holder[key]]]]))
    elif what == "swapped":
        holder[key] = json.loads(json.dumps(content.get("")))
    else:
        holder[key] = choice(rng, ODD_VALUES)
    return f"{'.'.join(map(str, place[1:]))[:60]} {what}"


def damage_csv(rng: np.random.Generator, data: bytes) -> tuple[bytes, str]:
    """Change cells, shift columns, take out, repeat and mix lines."""
    rows = list(csv.reader(io.StringIO(data.decode())))
    told = " and ".join(_changed_rows(rng, rows) for _ in range(int(rng.integers(1, 4))))
    text = io.StringIO()
    style: dict[str, Any] = choice(
        rng,
        (
            {},
            {},
            {"delimiter": ";"},
            {"quoting": csv.QUOTE_ALL},
            {"quotechar": "'"},
            {"lineterminator": "\r"},
        ),
    )
    csv.writer(text, **({"lineterminator": "\n"} | style)).writerows(rows)
    return text.getvalue().encode("utf-8", "surrogatepass"), f"{told}, {style}"


def _changed_rows(rng: np.random.Generator, rows: list[list[str]]) -> str:
    if not rows:
        return "nothing left"
    line = int(rng.integers(len(rows)))
    row, place = rows[line], int(rng.integers(max(1, len(rows[line]))))
    what = choice(
        rng, ("cell",) * 6 + ("longer", "shorter", "all longer", "gone", "twice", "shuffled", "column gone")
    )
    if what == "cell" and row:
        row[place] = choice(rng, (*ODD_CELLS, *rows[0]))
    elif what == "longer":
        row.append(choice(rng, ODD_CELLS))
    elif what == "shorter":
        del row[place : place + 1]
    elif what == "all longer":
        for one in rows[int(rng.integers(2)) :]:
            one.append("")
    elif what == "gone":
        del rows[line]
    elif what == "twice":
        rows.insert(int(rng.integers(len(rows) + 1)), list(row))
    elif what == "shuffled":
        order = rng.permutation(len(row))
        row[:] = [row[one] for one in order]
    elif what == "column gone":
        for one in rows:
            del one[place : place + 1]
    return f"line {line}, place {place}: {what}"


def damage_parquet(rng: np.random.Generator, data: bytes) -> tuple[bytes, str]:
    """Write the table anew, with columns of other types, values, names or none, or with other metadata."""
    table = pq.read_table(io.BytesIO(data))
    place = int(rng.integers(table.num_columns))
    name, rows = table.column_names[place], table.num_rows
    what = choice(
        rng, ("replaced", "replaced", "replaced", "gone", "renamed", "twice", "sliced", "metadata", "cast")
    )
    if what == "replaced":
        column, told = _odd_column(rng, rows)
        table = table.set_column(place, name, column)
        what = f"replaced by {told}"
    elif what == "gone":
        table = table.drop_columns([name])
    elif what == "renamed":
        names = table.column_names
        table = table.rename_columns([*names[:place], choice(rng, ("", "x", *names)), *names[place + 1 :]])
    elif what == "twice":
        table = table.append_column(choice(rng, (name, "", "x", "split")), table.column(place))
    elif what == "sliced":
        table = choice(rng, (table.slice(0, 0), pa.concat_tables([table, table]), table.slice(rows // 2)))
    elif what == "metadata":
        held = dict(table.schema.metadata or {b"pandas": b"{}"})
        key = choice(rng, sorted(held))
        held[key] = choice(
            rng, (b"", b"{", b"[]", b"null", b"5", b'{"columns": 5}', held[key][::-1], b"\xff")
        )
        table = table.replace_schema_metadata(held)
    else:
        told_type = choice(rng, (pa.string(), pa.large_string(), pa.float32(), pa.int8(), pa.float16()))
        try:
            table = table.set_column(place, name, table.column(place).cast(told_type, safe=False))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            table = table.set_column(place, name, pa.nulls(rows, told_type))
        what = f"cast to {told_type}"
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue(), f"{name} {what}"


def _odd_column(rng: np.random.Generator, rows: int) -> tuple[pa.Array, str]:
    kinds: tuple[tuple[str, Any, Any], ...] = (
        ("nulls", None, pa.null()),
        ("no text", None, pa.string()),
        ("no number", None, pa.float64()),
        ("NaN", float("nan"), pa.float64()),
        ("infinity", float("inf"), pa.float64()),
        ("1e300", 1e300, pa.float64()),
        ("-1", -1, pa.int64()),
        ("a large whole number", 2**63 - 1, pa.int64()),
        ("truths", True, pa.bool_()),
        ("texts", "x", pa.string()),
        ("numbers in texts", "0.5", pa.string()),
        ("digits", "9" * 400, pa.string()),
        ("bytes", b"\xff\0", pa.binary()),
        ("lists", [0.5], pa.list_(pa.float64())),
        ("objects", {"a": 1}, pa.struct({"a": pa.int64()})),
        ("times", 10**18, pa.timestamp("us")),
        ("days", 10**6, pa.date32()),
        ("durations", 5, pa.duration("s")),
    )
    told, value, kind = choice(rng, kinds)
    if rng.integers(3) == 0 and kind == pa.string():
        return pa.array([value] * rows, kind).dictionary_encode(), f"{told}, in a dictionary"
    values = [value if rng.integers(4) or value is None else None for _ in range(rows)]
    return pa.array(values, kind), told


def damage_png(rng: np.random.Generator, data: bytes) -> tuple[bytes, str]:
    """Change size or depth in the header, or repeat, leave out and add chunks; their checksums are right."""
    chunks = _chunks(data)
    what = choice(rng, ("header", "header", "chunk gone", "chunk twice", "text", "depth"))
    place = int(rng.integers(len(chunks)))
    if what in ("header", "depth"):
        width, height, *rest = struct.unpack(">IIBBBBB", chunks[0][1])
        if what == "header":
            sizes = (0, 1, 7, 65536, 2**31 - 1)
            width, height = choice(rng, (*sizes, width)), choice(rng, (*sizes, height))
        else:
            rest[int(rng.integers(5))] = int(rng.integers(256))
        chunks[0] = (chunks[0][0], struct.pack(">IIBBBBB", width, height, *rest))
        what = f"{what}: {width} x {height}, {rest}"
    elif what == "chunk gone":
        del chunks[place]
    elif what == "chunk twice":
        chunks.insert(place, chunks[place])
    else:
        packed = zlib.compress(bytes(int(10 ** rng.integers(1, 8))))
        chunks.insert(1, (choice(rng, (b"zTXt", b"iCCP", b"eXIf")), b"a\0\0" + packed))
    written = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    return data[:8] + b"".join(written), f"{what} at chunk {place}"


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, place = [], 8
    while place < len(data):
        (size,) = struct.unpack(">I", data[place : place + 4])
        found.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + size]))
        place += size + 12
    return found


FORMATS: dict[str, Damage] = {
    ".json": damage_json,
    ".jsonl": damage_lines,
    ".csv": damage_csv,
    ".parquet": damage_parquet,
    ".png": damage_png,
}
"""What damages the content of a file, by the ending of its name; its bytes can be damaged whatever it is."""


def damage_folder(rng: np.random.Generator, folder: Path) -> str:
    """Damage a file below a folder, in its bytes or in its content; return what was done, in words."""
    file = choice(rng, sorted(path for path in folder.rglob("*") if path.is_file()))
    way = FORMATS.get(file.suffix, damage_bytes) if rng.integers(2) else damage_bytes
    data, told = way(rng, file.read_bytes())
    if rng.integers(20) == 0:
        data, more = damage_bytes(rng, data)
        told = f"{told}, {more}"
    file.write_bytes(data)
    return f"{file.relative_to(folder)}: {told}"
