"""A picture stays where only the same could come out, and is drawn again after any change."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from otanalysis.figures import pictures
from otanalysis.figures.pictures import DRAWN, Files, Pictures, drawn

TABLE = pd.DataFrame({"x": [0.0, 1.0, 2.0], "y": [0.5, 0.25, 1.0], "name": ["a", "b", "b"]})
MODULE = """
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

def draw(table):
    figure = Figure((1, 1))
    figure.add_artist(Line2D(table["x"], table["y"], color="{colour}"))
    return figure
"""
Draw = Callable[[pd.DataFrame], Figure]


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


@pytest.fixture
def folder(tmp_path: Path, load: Callable[[str], Draw]) -> Path:
    """Return a folder with one picture."""
    folder = tmp_path / "figures"
    folder.mkdir()
    first = Pictures(folder)
    for name, data in {**first.of("curve", TABLE, load("red")), **first.record()}.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def drawings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of pictures that are drawn from now on."""
    names: list[str] = []

    def noted(name: str, table: object, draw: Callable[..., Figure]) -> Files:
        names.append(name)
        return drawn(name, table, draw)

    monkeypatch.setattr(pictures, "drawn", noted)
    return names


def test_a_picture_that_is_there_is_not_drawn_again(
    folder: Path, load: Callable[[str], Draw], drawings: list[str]
) -> None:
    there = Pictures(folder)
    files = there.of("curve", TABLE.copy(), load("red"))
    assert drawings == []
    assert files == {name: (folder / name).read_bytes() for name in ("curve.pdf", "curve.png")}
    assert files == drawn("curve", TABLE, load("red")), "and the same would come out"
    assert there.record() == {DRAWN: (folder / DRAWN).read_bytes()}
    there.of("other", TABLE, load("red"))
    assert drawings == ["other"], "another name is another picture"


def _one_bit(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.assign(y=np.nextafter(table["y"], 2.0)),
        lambda table: table.assign(name=["a", "b", "c"]),
        lambda table: table.rename(columns={"name": "title"}),
        lambda table: table.astype({"x": np.float32}),
        lambda table: table.set_index("name", drop=False),
    ],
)
def test_any_change_of_the_table_draws_it_again(
    folder: Path,
    load: Callable[[str], Draw],
    drawings: list[str],
    change: Callable[[pd.DataFrame], pd.DataFrame],
) -> None:
    Pictures(folder).of("curve", change(TABLE), load("red"))
    assert drawings == ["curve"]


def test_other_code_settings_or_versions_draw_it_again(
    folder: Path, load: Callable[[str], Draw], drawings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    blue = Pictures(folder).of("curve", TABLE, load("blue"))
    assert blue["curve.png"] != (folder / "curve.png").read_bytes()
    with mpl.rc_context({"lines.linewidth": 9.0}):
        Pictures(folder).of("curve", TABLE, load("red"))
    with monkeypatch.context() as patch:
        patch.setattr(pictures, "_code", lambda: "other code of the package")
        Pictures(folder).of("curve", TABLE, load("red"))
    with monkeypatch.context() as patch:
        patch.setattr(pictures, "environment", lambda _: {"versions": {"matplotlib": "0"}})
        Pictures(folder).of("curve", TABLE, load("red"))
    assert drawings == ["curve"] * 4
    Pictures(folder).of("curve", TABLE, load("red"))
    assert drawings == ["curve"] * 4, "all is as it was"


@pytest.mark.parametrize("file", ["curve.pdf", "curve.png", DRAWN])
@pytest.mark.parametrize("damage", [_one_bit, lambda _: b"", lambda _: b"[1]", None])
def test_what_is_damaged_or_missing_is_drawn_again(
    folder: Path,
    load: Callable[[str], Draw],
    drawings: list[str],
    file: str,
    damage: Callable[[bytes], bytes] | None,
) -> None:
    if damage is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(damage((folder / file).read_bytes()))
    files = Pictures(folder).of("curve", TABLE, load("red"))
    assert drawings == ["curve"]
    assert files == drawn("curve", TABLE, load("red"))
