"""What was made stays where only the same could come out, and is made again after any change."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from otanalysis.figures import record
from otanalysis.figures.declaration import Given
from otanalysis.figures.record import CAPTIONS, DRAWN, Made, Record, key_of

TABLE = pd.DataFrame({"x": [0.0, 1.0, 2.0], "n": [1, None, 3], "name": ["a", "b", "b"]}).astype(
    {"n": "Int64"}
)
MODULE = """
def draw(table):
    return "{colour}"
"""
CAPTION = "**Figure 2.** A curve."
Draw = Callable[[object], str]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Draw]:
    """Return a function that writes the module of a drawing and loads it."""
    monkeypatch.syspath_prepend(str(tmp_path / "code"))

    def load(colour: str) -> Draw:
        name = f"drawing_in_{colour}"
        (tmp_path / "code").mkdir(exist_ok=True)
        (tmp_path / "code" / f"{name}.py").write_text(MODULE.format(colour=colour))
        monkeypatch.delitem(sys.modules, name, raising=False)
        draw: Draw = import_module(name).draw
        return draw

    return load


class Desk:
    """A folder with one curve of :data:`TABLE`, and the names of what was made there since."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.made = folder, list[str]()
        folder.mkdir()
        known = Record(folder)
        curve = known.get(
            "curve", key_of(TABLE), lambda: Made({"curve.pdf": b"p", "curve.csv": b"q"}, CAPTION)
        )
        for name, data in {**curve.files, **known.file(), CAPTIONS: f"{CAPTION}\n".encode()}.items():
            (folder / name).write_bytes(data)

    def ask(self, made_of: object = TABLE, *code: Draw, name: str = "curve") -> Made:
        """Ask for the curve of a table again."""

        def make() -> Made:
            self.made.append(name)
            return Made({"curve.pdf": b"new"})

        return Record(self.folder).get(name, key_of(made_of, *code), make)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "figures")


def test_what_is_there_is_not_made_again(desk: Desk) -> None:
    assert desk.ask(TABLE.copy()) == Made({"curve.pdf": b"p", "curve.csv": b"q"}, CAPTION)
    assert desk.made == []
    assert Record(desk.folder).file() == {DRAWN: (desk.folder / DRAWN).read_bytes()}
    assert desk.ask(name="other").files == {"curve.pdf": b"new"}
    assert desk.made == ["other"], "another name is other work"


CHANGES: list[Callable[[pd.DataFrame], pd.DataFrame]] = [
    lambda table: table.assign(x=np.nextafter(table["x"], 2.0)),
    lambda table: table.assign(x=table["x"].where(table["x"] != 0.0, -0.0)),
    lambda table: table.assign(name=["a", "b", "c"]),
    lambda table: table.assign(name=["b", "a", "a"]),
    lambda table: table.assign(n=table["n"].fillna(2)),
    lambda table: table.rename(columns={"name": "title"}),
    lambda table: table.astype({"x": np.float32}),
    lambda table: table.astype({"n": "float64"}),
    lambda table: table.set_index("name", drop=False),
    lambda table: table[["n", "x", "name"]],
    lambda table: table.iloc[::-1].reset_index(drop=True),
    lambda table: table.iloc[:2],
]


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_of_a_table_makes_it_again(
    desk: Desk, change: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    desk.ask(change(TABLE))
    assert desk.made == ["curve"]


@pytest.mark.parametrize(
    "inside",
    [
        lambda table: [1, [table]],
        lambda table: {"table": table},
        lambda table: Given(table, distance="w2"),
        lambda table: vars(Given(TABLE, scores=table)),
    ],
)
def test_tables_count_wherever_they_are(inside: Callable[[pd.DataFrame], Any]) -> None:
    changed = TABLE.assign(x=np.nextafter(TABLE["x"], 2.0))
    assert key_of(inside(TABLE)) == key_of(inside(TABLE.copy()))
    assert key_of(inside(TABLE)) != key_of(inside(changed))
    assert key_of(Given(TABLE)) != key_of(Given(TABLE, ratio=0.2)) != key_of(Given(TABLE, ratio=0.15))


def test_the_use_of_a_table_changes_nothing() -> None:
    """Pandas remembers at a column's type and index what it was asked, and a pickle holds that."""
    table = TABLE.copy()
    before = key_of(table)
    _ = table["n"].dtype.index_class  # type: ignore[union-attr]
    _ = table.index.is_unique
    table.groupby(["n", "name"])["x"].mean()
    assert key_of(table) == before


def test_other_code_settings_or_versions_make_it_again(
    desk: Desk, load: Callable[[str], Draw], monkeypatch: pytest.MonkeyPatch
) -> None:
    with mpl.rc_context({"lines.linewidth": 9.0}):
        desk.ask()
    for name in ("_code_here", "_versions"):
        with monkeypatch.context() as patch:
            patch.setattr(record, name, lambda: "other")
            desk.ask()
    assert desk.made == ["curve"] * 3
    desk.ask()
    assert desk.made == ["curve"] * 3, "all is as it was"
    red, blue = load("red"), load("blue")
    assert key_of(TABLE, red) == key_of(TABLE, load("red")) != key_of(TABLE, blue)


def test_the_code_and_versions_are_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("x = 1")
    first = record._code([tmp_path / "one.py"])
    (tmp_path / "one.py").write_text("x = 2")
    assert record._code([tmp_path / "one.py"]) != first
    assert {"python", "matplotlib", "scipy"} <= set(record._versions())
    assert record._versions()["numpy"] == np.__version__


def _one_bit(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("file", ["curve.pdf", "curve.csv", DRAWN, CAPTIONS])
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: _one_bit(data.rstrip()),
        lambda _: b"",
        lambda _: b"[1]",
        lambda _: b'{"curve": {"made_of": 1, "files": {"curve.pdf": [1]}, "caption": []}}',
        lambda _: b'{"curve": [2]}',
        lambda _: b'{"curve": {"made_of": "", "files": {"no\\u0000name": ""}, "caption": ""}}',
        lambda _: b"\xff\xfe**Figure 2.** A curve.",
        None,
    ],
)
def test_what_is_damaged_or_missing_is_made_again(
    desk: Desk, file: str, damage: Callable[[bytes], bytes] | None
) -> None:
    if damage is None:
        (desk.folder / file).unlink()
    else:
        (desk.folder / file).write_bytes(damage((desk.folder / file).read_bytes()))
    assert desk.ask().files == {"curve.pdf": b"new"}
    assert desk.made == ["curve"]


def test_captions_of_other_figures_are_no_matter(desk: Desk) -> None:
    (desk.folder / CAPTIONS).write_text(f"**Figure 1.** Before.\n\n{CAPTION}\n\n**Figure 3.** After.\n")
    assert desk.ask().caption == CAPTION
    assert desk.made == []
