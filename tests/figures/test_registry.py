"""The registry is the one place that lists figures: a file and a line make one, whatever else is drawn."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest
from typer.testing import CliRunner

import otanalysis.figures
from otanalysis.cli import app
from otanalysis.cli.figures import figures as command
from otanalysis.defaults import COMPARED_METHODS
from otanalysis.errors import InputError
from otanalysis.figures import registry
from otanalysis.figures.build import run
from otanalysis.figures.declaration import Measured
from otanalysis.figures.record import DRAWN
from otanalysis.figures.registry import FIGURES
from otanalysis.selection import SELECTORS

MakeDump = Callable[..., Path]

TOY = """
from matplotlib.figure import Figure

from otanalysis.figures.declaration import Declaration, Setting


def draw(table):
    figure = Figure()
    figure.add_subplot().bar(table["method"], table["w2"])
    return figure


FIGURE = Declaration(
    title="Figure T. Mean distance.",
    file="toy",
    needs="sweep",
    table=lambda given: given.rows.groupby("method", as_index=False)["w2"].mean(),
    draw=draw,
    caption=lambda tables: f"**{FIGURE.title}** {len(tables['toy'])} methods.",
    methods=("uniform", "random"),
    scores=lambda swept, ratio: {Setting.released("uniform", ratio): False},
)
"""


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Add a figure as one would: a file, and a line of the registry."""
    folder = tmp_path / "rooms"
    folder.mkdir()
    (folder / "toy.py").write_text(TOY)
    monkeypatch.setattr(otanalysis.figures, "__path__", [*otanalysis.figures.__path__, str(folder)])
    monkeypatch.setitem(registry._FILES, "toy", "toy")  # type: ignore[attr-defined]
    monkeypatch.delitem(sys.modules, "otanalysis.figures.toy", raising=False)


@pytest.mark.usefixtures("toy")
def test_a_file_and_a_line_make_a_figure(make_dump: MakeDump, tmp_path: Path) -> None:
    dump, out = make_dump("alpha", samples=2, m=24, d=4), tmp_path / "out"
    arguments = ["figures", str(dump), "--only", "toy", "--out", str(out), "--jobs", "1", "--quiet"]
    done = CliRunner().invoke(app, [*arguments, "--results", str(tmp_path / "results")])
    assert done.exit_code == 0, done.output
    names = {path.name for path in out.iterdir()}
    assert names == {"toy.pdf", "toy.png", "toy.csv", "captions.md", "missing_scores.sh", DRAWN}
    assert (out / "toy.png").read_bytes().startswith(b"\x89PNG")
    assert set(pd.read_csv(out / "toy.csv")["method"]) == {"uniform", "random"}, "only what it needs is swept"
    captions = (out / "captions.md").read_text()
    assert captions.startswith("**Figure T. Mean distance.** 2 methods.\n\n**Missing scores.** ")
    assert "all tokens; Uniform at 9.8%" in captions
    assert "--tasks alpha" in (out / "missing_scores.sh").read_text()


@pytest.mark.usefixtures("toy")
def test_a_new_figure_is_drawn_beside_the_others_and_named_to_who_mistypes(
    make_dump: MakeDump, tmp_path: Path
) -> None:
    dump, out = make_dump("alpha", samples=2, m=24, d=4), tmp_path / "out"
    how = {"out": out, "jobs": 1, "results": tmp_path / "results", "progress": False}
    run(("toy", 4), [dump], say=lambda _: None, **how)  # type: ignore[arg-type]
    assert (out / "figure4.png").is_file()
    assert set(pd.read_csv(out / "toy.csv")["method"]) == set(COMPARED_METHODS), "one sweep for both"
    captions = (out / "captions.md").read_text()
    assert captions.index("**Figure 4.") < captions.index("**Figure T.")
    with pytest.raises(InputError, match="toy, verdicts can be drawn, and 'tow' was asked for"):
        run(("tow",), [dump])


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_says_what_it_needs_and_is_called(name: str) -> None:
    figure = FIGURES[name]
    assert re.match(r"Figure \w\. [A-Z]", figure.title)
    assert figure.needs in get_args(Measured)
    assert figure.file in (name, f"figure{name}")
    assert set(figure.methods) <= set(SELECTORS)
    assert inspect.getmodule(figure.draw).__name__ == f"otanalysis.figures.{figure.file}"  # type: ignore[union-attr]


def test_titles_and_files_are_all_different() -> None:
    assert len({figure.file for figure in FIGURES.values()}) == len(FIGURES)
    assert len({figure.title[:9] for figure in FIGURES.values()}) == len(FIGURES), (
        "captions go by their letter"
    )


def test_the_registry_is_read_only_and_knows_no_other() -> None:
    with pytest.raises(TypeError, match="does not support item assignment"):
        FIGURES["6"] = FIGURES["2"]  # type: ignore[index]
    assert "figure2" not in FIGURES
    with pytest.raises(KeyError, match="6"):
        _ = FIGURES["6"]


def test_all_are_drawn_unless_some_are_asked_for() -> None:
    everything = (*FIGURES, "verdicts")
    assert inspect.signature(command).parameters["only"].default == ",".join(everything)
    assert inspect.signature(run).parameters["only"].default == everything


def test_names_are_known_before_matplotlib_is_loaded() -> None:
    code = (
        "import sys; from otanalysis.figures import FIGURES\n"
        "print(*FIGURES, 'matplotlib' in sys.modules); FIGURES['2']; print('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [*FIGURES, "False", "True"]


@pytest.mark.parametrize("name", otanalysis.figures.__all__)
def test_every_name_of_the_front_is_there(name: str) -> None:
    assert getattr(otanalysis.figures, name) is not None
    assert name in dir(otanalysis.figures)


def test_an_unknown_name_of_the_front_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="draw_figure6"):
        _ = otanalysis.figures.draw_figure6
