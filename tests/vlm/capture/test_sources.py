"""Folders, lists and tables give the same pictures in a fixed order, and tell their mistakes at once."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from otanalysis.errors import InputError, MissingDependencyError
from otanalysis.vlm.capture.sources import open_pictures

Write = Callable[..., Path]
COUNT = 5


def pixels(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (4 + number, 6, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of five pictures in two levels, and of things that are none."""
    place = tmp_path / "pictures"
    (place / "deep").mkdir(parents=True)
    (place / ".hidden").mkdir()
    for number in range(COUNT):
        name = f"deep/{number}.PNG" if number > 2 else f"{number}.png"
        Image.fromarray(pixels(number)).save(place / name)
    Image.fromarray(pixels(9)).save(place / ".hidden" / "9.png")
    Image.fromarray(pixels(9)).save(place / ".9.png")
    (place / "notes.txt").write_text("no picture")
    return place


def rows(folder: Path, **columns: list[Any]) -> pa.Table:
    """Return the table that the package datasets writes for the pictures of the folder."""
    files = sorted(folder.rglob("[0-9].[Pp]*"), key=lambda path: path.stem)
    pictures = [
        {"bytes": file.read_bytes(), "path": file.name} for file in files if ".hidden" not in file.parts
    ]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.table({"image": pa.array(pictures, kind), **columns})


def test_a_folder_gives_its_pictures_by_path(folder: Path) -> None:
    source = open_pictures(folder)
    assert len(source) == COUNT
    items = list(source)
    assert [item.id for item in items] == ["0.png", "1.png", "2.png", "deep/3.PNG", "deep/4.PNG"]
    for number, item in enumerate(items):
        np.testing.assert_array_equal(item.read().pixels, pixels(number))
    assert [item.id for item in source] == [item.id for item in items]
    assert source.provenance == {"kind": "folder", "name": "pictures", "pictures": COUNT}


def test_a_list_gives_pictures_ids_and_everything_else(folder: Path) -> None:
    lines = [
        {"image": "2.png", "question": "which ?", "answers": ["a", "b"]},
        {"image": str(folder / "0.png"), "id": 7},
        {"image": "2.png", "id": "again", "image_size": 3},
    ]
    file = folder / "list.jsonl"
    file.write_text("\n".join(["", *map(json.dumps, lines), ""]))
    source = open_pictures(file)
    assert len(source) == 3
    first, second, third = source
    assert (first.id, second.id, third.id) == ("2.png", "7", "again")
    assert first.extra == {"image": "2.png", "question": "which ?", "answers": ["a", "b"]}
    np.testing.assert_array_equal(first.read().pixels, pixels(2))
    np.testing.assert_array_equal(second.read().pixels, pixels(0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"image": "a.png"}\n{"image"', "line 2 is not JSON"),
        ('{"image": "a.png", "score": NaN}', "line 1 is not JSON: NaN"),
        ('["a.png"]', 'line 1: an object with "image"'),
        ('{"picture": "a.png"}', 'line 1: an object with "image"'),
        ('{"image": ["a.png", "b.png"]}', 'line 1: an object with "image"'),
        ('{"image": "a.png"}\n\n{"image": "a.png"}', "line 3: the id 'a.png' is that of line 1 already"),
        ('{"image": "a.png", "id": true}', '"id" must be'),
        ("\n", "lists no picture"),
        ("[" * 100_000, "line 1 is not JSON"),
        ('{"image": "a.png", "id": ' + "1" * 5000 + "}", "line 1 is not JSON"),
        ('\ufeff{"image": "a.png"}', "line 1 is not JSON"),
        (b'{"image": "\xe4.png"}', "is no text in UTF-8"),
        (b"\xff\xfe{\0", "is no text in UTF-8"),
    ],
)
def test_mistakes_of_a_list_are_told_with_their_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    file = tmp_path / "list.jsonl"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError) as raised:
        open_pictures(file)
    assert message in str(raised.value)


def write_parquet(table: pa.Table, place: Path) -> Path:
    (place / "data").mkdir(parents=True)
    pq.write_table(table.slice(0, 3), place / "data" / "test-00000-of-00002.parquet", row_group_size=2)
    pq.write_table(table.slice(3), place / "data" / "test-00001-of-00002.parquet")
    return place


def write_saved(table: pa.Table, place: Path) -> Path:
    """Write what Dataset.save_to_disk of datasets 5.2 writes: streams of Arrow, and their list."""
    place.mkdir(parents=True)
    names = [f"data-{number:05d}-of-00002.arrow" for number in range(2)]
    for name, part in zip(names, (table.slice(0, 2), table.slice(2)), strict=True):
        with pa.OSFile(str(place / name), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(part)
    state = {"_data_files": [{"filename": name} for name in names], "_split": None}
    (place / "state.json").write_text(json.dumps(state))
    (place / "dataset_info.json").write_text("{}")
    return place


@pytest.mark.parametrize("write", [write_parquet, write_saved])
def test_tables_give_pictures_and_plain_columns(folder: Path, tmp_path: Path, write: Write) -> None:
    scores = [0.5, float("nan"), 1.0, None, 2.0]
    plain = {"question": [f"q{number}" for number in range(COUNT)], "score": scores}
    table = rows(folder, **plain, mask=pa.array([b"x"] * COUNT, pa.binary()))
    source = open_pictures(write(table, tmp_path / "set"))
    items = list(source)
    assert len(source) == len(items) == COUNT
    assert [item.id for item in items] == [f"row-{number:06d}" for number in range(COUNT)]
    assert [item.extra for item in items] == [
        {"question": f"q{number}", "score": None if score is None or score != score else score}
        for number, score in enumerate(scores)
    ]
    for number, item in enumerate(items):
        np.testing.assert_array_equal(item.read().pixels, pixels(number))
    assert dict(source.provenance) == {"kind": "dataset", "name": "set", "column": "image", "pictures": COUNT}


def test_columns_become_what_json_can_hold(folder: Path, tmp_path: Path) -> None:
    columns: dict[str, list[Any]] = {
        "day": [date(2026, 1, 31)] * COUNT,
        "boxes": [[{"side": float("inf"), "name": "a"}, {"side": 0.1, "name": None}]] * COUNT,
        "crops": [[{"bytes": b"x", "number": 1}]] * COUNT,
        "flag": [True] * COUNT,
    }
    first = next(iter(open_pictures(write_parquet(rows(folder, **columns), tmp_path / "set"))))
    boxes = [{"side": None, "name": "a"}, {"side": 0.1, "name": None}]
    assert first.extra == {"day": "2026-01-31", "boxes": boxes, "flag": True}
    assert first.extra["flag"] is True


def test_ids_of_a_table_are_taken_where_they_are_distinct(folder: Path, tmp_path: Path) -> None:
    own = write_parquet(rows(folder, id=[3, 1, 2, 5, 4]), tmp_path / "own")
    assert [item.id for item in open_pictures(own)] == ["3", "1", "2", "5", "4"]
    shared = write_parquet(rows(folder, id=["a", "b", "c", "a", "d"]), tmp_path / "shared")
    items = list(open_pictures(shared))
    assert items[3].id == "row-000003"
    assert items[3].extra == {"id": "a"}


def test_one_of_several_splits_must_be_named(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "splits"
    place.mkdir()
    for name, part in (("train", slice(0, 4)), ("test", slice(4, 5))):
        write_saved(rows(folder).slice(part.start, part.stop - part.start), place / name)
    (place / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(InputError, match=r"has the splits train, test; give one: .*splits:train"):
        open_pictures(place)
    assert len(open_pictures(f"{place}:train")) == 4
    assert len(open_pictures(f"{place}:test")) == 1
    with pytest.raises(InputError, match=r"has the splits train, test, not 'dev'"):
        open_pictures(f"{place}:dev")
    both = write_parquet(rows(folder), tmp_path / "both")
    pq.write_table(rows(folder).slice(0, 2), both / "data" / "train-00000-of-00001.parquet")
    with pytest.raises(InputError, match="has the splits test, train; give one"):
        open_pictures(both)
    assert open_pictures(f"{both}:train").provenance["name"] == "both:train"


def test_a_table_may_point_to_files_and_lack_pictures(folder: Path, tmp_path: Path) -> None:
    cells = [{"bytes": None, "path": str(folder / "1.png")}, {"bytes": None, "path": None}]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(pa.table({"photo": pa.array(cells, kind)}), tmp_path / "a.parquet")
    there, lost = open_pictures(tmp_path / "a.parquet")
    np.testing.assert_array_equal(there.read().pixels, pixels(1))
    with pytest.raises(InputError, match="the row holds no picture"):
        lost.read()


def test_tables_without_one_column_of_pictures_are_refused(folder: Path, tmp_path: Path) -> None:
    table = rows(folder)
    two = pa.table({"left": table["image"], "right": table["image"]})
    pq.write_table(two, tmp_path / "two.parquet")
    with pytest.raises(InputError, match=r"several of pictures \(left, right\)"):
        open_pictures(tmp_path / "two.parquet")
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "none.parquet")
    with pytest.raises(InputError, match="there is no column of pictures"):
        open_pictures(tmp_path / "none.parquet")
    pq.write_table(table.slice(0, 0), tmp_path / "empty.parquet")
    with pytest.raises(InputError, match="has no rows"):
        open_pictures(tmp_path / "empty.parquet")


def test_damaged_datasets_are_one_sentence(folder: Path, tmp_path: Path) -> None:
    """Bytes of the files changed and cut: the error is ours, or the pictures are read."""
    for write in (write_parquet, write_saved):
        sound = write(rows(folder, id=list("abcde")), tmp_path / write.__name__)
        refused = 0
        for number in range(150):
            generator = np.random.default_rng(number)
            file = sorted(path for path in sound.rglob("*") if path.is_file())[number % 3 - 1]
            held = file.read_bytes()
            data = bytearray(held)
            for _ in range(1 + number % 4):
                data[int(generator.integers(len(data)))] = int(generator.integers(256))
            file.write_bytes(data[: int(generator.integers(len(data)))] if number % 5 == 0 else data)
            try:
                for item in open_pictures(sound):
                    item.read()
            except InputError:
                refused += 1
            file.write_bytes(held)
        assert refused > 30
        assert len(list(open_pictures(sound))) == COUNT


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("state.json", "{", "cannot be read"),
        ("state.json", "[]", "cannot be read"),
        ("state.json", '{"_data_files": []}', "cannot be read"),
        ("state.json", '{"_data_files": [{"file": 1}]}', "cannot be read"),
        ("state.json", '{"_data_files": [{"filename": "../set.arrow"}]}', "no file of its folder"),
        ("state.json", '{"_data_files": [{"filename": "/etc/passwd"}]}', "no file of its folder"),
        ("dataset_dict.json", "{}", "cannot be read"),
        ("dataset_dict.json", '{"splits": 3}', "cannot be read"),
        ("dataset_dict.json", '{"splits": [["a"]]}', "cannot be read"),
    ],
)
def test_lists_of_a_dataset_that_are_none_are_one_sentence(
    folder: Path, tmp_path: Path, name: str, text: str, message: str
) -> None:
    place = write_saved(rows(folder), tmp_path / "set")
    (place / name).write_text(text)
    with pytest.raises(InputError, match=message):
        open_pictures(place)


@pytest.mark.parametrize("cells", [[5, 10**12], [None, None]])
def test_cells_that_hold_no_picture_are_told(tmp_path: Path, cells: list[Any]) -> None:
    """A number of bytes is no picture of so many bytes."""
    kind = pa.struct([("bytes", pa.int64()), ("path", pa.int64())])
    table = pa.table({"image": pa.array([{"bytes": cell, "path": 3} for cell in cells], kind)})
    pq.write_table(table, tmp_path / "odd.parquet")
    items = list(open_pictures(tmp_path / "odd.parquet"))
    assert len(items) == len(cells)
    for item in items:
        with pytest.raises(InputError, match="the row holds no picture"):
            item.read()


def test_what_is_nothing_of_this_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="no file that ends in"):
        open_pictures(_empty(tmp_path))
    with pytest.raises(InputError, match="is none of these"):
        open_pictures(folder / "notes.txt")
    with pytest.raises(InputError, match="is no dataset with splits"):
        open_pictures(f"{folder}:train")
    with pytest.raises(InputError, match="There is no file or folder"):
        open_pictures(tmp_path / "no" / "where")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingDependencyError, match=r"no file or folder my/photos.*pip install datasets"):
        open_pictures("my/photos")


def _empty(tmp_path: Path) -> Path:
    place = tmp_path / "empty"
    place.mkdir()
    return place


class _Rows(list[Any]):
    """Stands for a Dataset: as much of it as is used."""

    _fingerprint = "f00d"

    def __init__(self, table: list[Any], features: dict[str, Any]) -> None:
        super().__init__(table)
        self.features = features

    def __getitem__(self, key: Any) -> Any:
        return [row[key] for row in self] if isinstance(key, str) else super().__getitem__(key)

    def cast_column(self, name: str, kind: Any) -> _Rows:
        assert kind.decode is False
        return _Rows(list(self), {**self.features, name: kind})


class _Image:
    def __init__(self, decode: bool = True) -> None:
        self.decode = decode


def test_a_name_on_the_hub_goes_through_datasets(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = _Rows(rows(folder, id=list("abcde")).to_pylist(), {"image": _Image(), "id": str})
    asked: list[tuple[str, str | None]] = []

    def load_dataset(name: str, split: str | None = None) -> Any:
        asked.append((name, split))
        if name == "no/where":
            raise RuntimeError("Dataset 'no/where' doesn't exist\non the Hub")
        return table if split else {"train": table, "test": table}

    fake = SimpleNamespace(load_dataset=load_dataset, Image=_Image)
    monkeypatch.setitem(sys.modules, "datasets", fake)
    source = open_pictures("some/photos:test")
    assert asked == [("some/photos", "test")]
    assert [item.id for item in source] == list("abcde")
    np.testing.assert_array_equal(next(iter(source)).read().pixels, pixels(0))
    assert source.provenance["fingerprint"] == "f00d"
    with pytest.raises(InputError, match="has the splits train, test; give one: some/photos:train"):
        open_pictures("some/photos")
    with pytest.raises(InputError, match=r"gave no dataset of that name: Dataset 'no/where' doesn't exist$"):
        open_pictures("no/where")


def test_what_the_package_datasets_saves_is_read(folder: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    files = [str(item.load.__self__) for item in open_pictures(folder)]
    made = datasets.Dataset.from_dict({"image": files}).cast_column("image", datasets.Image())
    made.save_to_disk(tmp_path / "saved", num_shards=2)
    made.to_parquet(tmp_path / "parquet" / "test.parquet")
    for place in ("saved", "parquet"):
        items = list(open_pictures(tmp_path / place))
        assert len(items) == COUNT
        for number, item in enumerate(items):
            np.testing.assert_array_equal(item.read().pixels, pixels(number))


def test_a_table_with_a_column_twice_and_a_line_with_too_large_a_number_are_refused(tmp_path: Path) -> None:
    pictures = pa.array([{"bytes": b"x"}], pa.struct({"bytes": pa.binary()}))
    pq.write_table(pa.table([pictures, pa.array([1.5])], names=["image", "image"]), tmp_path / "t.parquet")
    with pytest.raises(InputError, match="several columns image"):
        open_pictures(tmp_path / "t.parquet")
    (tmp_path / "list.jsonl").write_text('{"image": "a.png", "n": 1e999}\n')
    with pytest.raises(InputError, match="line 1 is not JSON: 1e999 is too large"):
        open_pictures(tmp_path / "list.jsonl")
