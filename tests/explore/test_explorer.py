"""The explorer's widgets, on the kernel's side: a changed control changes picture and numbers."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from psutil import STATUS_ZOMBIE, NoSuchProcess, Process

from otanalysis.errors import InputError, MissingDependencyError
from otanalysis.explore import Explorer, state as room
from otanalysis.explore.explorer import View, values_of, view_of
from otanalysis.explore.worker import Background
from otanalysis.selection import build_selection
from otanalysis.tokens import DumpWriter
from otanalysis.transport import wasserstein2_floor

from .conftest import MakePictured


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otanalysis.explore.explorer._PAUSE", 0.05)
    monkeypatch.setattr("otanalysis.explore.explorer._LONG_PAUSE", 0.05)


@pytest.fixture
def explorer(pictured: MakePictured) -> Iterator[Explorer]:
    made = Explorer(pictured(), ratio=0.1)
    yield made
    made.wait()


def shown(explorer: Explorer) -> dict[str, str]:
    return {name: part.value for name, part in explorer.parts.items()}


@pytest.mark.parametrize(
    ("control", "value", "field", "expected"),
    [
        ("ratio", 0.2, "ratio", 0.2),
        ("sample", 2, "sample", 2),
        ("gamma", 1.0, "gamma", 1.0),
        ("kernel", "none", "kernel_normalise", "none"),
        ("distance", "rows", "normalise", "rows"),
        ("first", "dpp", "methods", ("dpp", "ot-medoids")),
        ("second", "random", "methods", ("otprune", "random")),
    ],
)
def test_every_control_changes_the_state_and_what_is_shown(
    explorer: Explorer, control: str, value: Any, field: str, expected: Any
) -> None:
    explorer.wait()
    before = shown(explorer)
    explorer.controls[control].value = value
    assert getattr(explorer.view, field) == expected
    changed = {name for name, content in shown(explorer).items() if content != before[name]}
    assert {"first", "second", "numbers"} <= changed
    explorer.wait()
    assert "…" not in explorer.parts["numbers"].value
    assert "floor</text>" in explorer.parts["curve"].value


def test_numbers_come_at_once_and_the_floor_later(explorer: Explorer) -> None:
    explorer.wait()
    assert "…" not in explorer.parts["numbers"].value
    explorer.controls["ratio"].value = 0.3
    assert "14 of 48 kept" in explorer.parts["numbers"].value
    assert "…" in explorer.parts["numbers"].value
    explorer.wait()
    assert "…" not in explorer.parts["numbers"].value
    explorer.controls["ratio"].value = 0.1  # known already
    assert "…" not in explorer.parts["numbers"].value


def test_a_floor_that_fails_says_so_in_its_place(explorer: Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
    explorer.wait()
    monkeypatch.setattr(room, "wasserstein2_floor", partial(wasserstein2_floor, effort=-1.0))
    explorer.controls["ratio"].value = 0.2
    with pytest.raises(InputError, match="effort must be positive"):
        explorer.wait()
    numbers = explorer.parts["numbers"].value
    assert "not available: effort must be positive and finite; got -1.0" in numbers
    assert "…" not in numbers
    assert 'title="effort must be positive and finite; got -1.0: 1 is about half a second' in numbers
    assert "floor</text>" not in explorer.parts["curve"].value
    assert "not available" in explorer.html()
    panels = explorer.figure().axes
    assert panels
    assert all("not available" in panel.get_xlabel() for panel in panels)
    assert "not available" in explorer._repr_mimebundle_()["text/html"]
    # The floor that is known is shown as before, and so is the next one that does not fail.
    explorer.controls["ratio"].value = 0.1
    assert "not available" not in explorer.parts["numbers"].value
    monkeypatch.undo()
    explorer.move(ratio=0.3)
    explorer.wait()
    assert "not available" not in explorer.parts["numbers"].value
    assert "…" not in explorer.parts["numbers"].value


@dataclass(frozen=True)
class Few:
    """Keeps the first ones, and fails where that are many."""

    most: int = 10

    name: ClassVar[str] = "few"
    nested: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False

    def __call__(self, tokens, keep, *, generator=None, cost=None):  # noqa: ARG002
        if keep > self.most:
            raise ValueError(f"never <more> than {self.most}")
        return build_selection(self, tokens, np.arange(keep))


def test_a_curve_that_fails_says_so_and_the_floor_comes_all_the_same(pictured: MakePictured) -> None:
    words = '<p class="why">few: <span title="ValueError: never &lt;more&gt; than 10">not available'
    explorer = Explorer(pictured(), selectors=[Few()], methods=("few", "dpp"), ratio=0.1)
    with pytest.raises(ValueError, match="never <more> than 10"):
        explorer.wait()
    curve = explorer.parts["curve"].value
    assert words in curve
    assert "floor</text>" in curve
    assert "…" not in explorer.parts["numbers"].value
    assert "dpp: " not in curve
    explorer.move(methods=("random", "dpp"))
    explorer.wait()
    assert "not available" not in explorer.parts["curve"].value
    good = Explorer(pictured(name="again"), selectors=[Few(48)], methods=("few", "dpp"), ratio=0.1)
    good.wait()
    assert "not available" not in good.parts["curve"].value


@pytest.mark.parametrize("way", ["slider", "move"])
def test_a_selector_that_raises_leaves_an_alert_and_no_numbers(pictured: MakePictured, way: str) -> None:
    explorer = Explorer(pictured(), selectors=[Few(8)], methods=("few", "dpp"), ratio=0.1)
    with suppress(ValueError):  # the curve goes further
        explorer.wait()
    before = {name: explorer.parts[name].value for name in ("first", "second", "numbers", "curve")}
    assert all(before.values())

    if way == "slider":
        explorer.controls["ratio"].value = 0.3
    else:
        explorer.move(ratio=0.3)

    alert = explorer.parts["caption"].value
    assert 'role="alert"' in alert
    assert "ValueError: never &lt;more&gt; than 8" in alert
    assert [explorer.parts[name].value for name in before] == ["", "", "", ""]
    assert explorer.view.ratio == 0.3
    with pytest.raises(ValueError, match="never <more> than 8"):
        explorer.wait()
    assert 'role="alert"' in explorer.html()
    shown = explorer._repr_mimebundle_()
    assert 'role="alert"' in shown["text/html"]
    assert "image/png" not in shown
    # What can be shown again is shown, without the alert.
    explorer.move(ratio=0.1)
    assert "alert" not in explorer.parts["caption"].value
    assert all(explorer.parts[name].value for name in before)
    assert "image/png" in explorer._repr_mimebundle_()


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"sample": "3"}, "sample must be an integer; got '3'"),
        ({"sample": None}, "sample must be an integer"),
        ({"methods": 5}, "methods must be several"),
        ({"methods": "dpp"}, "methods must be several"),
        ({"methods": (["dpp"], "dpp")}, "Unknown method"),
        ({"ratio": True}, "ratio must be a number"),
        ({"gamma": "0.1"}, "gamma must be a number"),
        ({"gamma": 10**400}, "gamma must be a number"),
        ({"normalise": None}, "normalise must be one of"),
        ({"kernel_normalise": ["rows"]}, "kernel_normalise must be one of"),
    ],
)
def test_a_state_of_the_wrong_type_is_refused(explorer: Explorer, state: Any, said: str) -> None:
    before = explorer.view
    with pytest.raises(InputError, match=said):
        explorer.move(**state)
    assert explorer.view == before


def test_numbers_of_numpy_are_numbers(explorer: Explorer) -> None:
    explorer.move(ratio=np.float64(0.25), sample=np.int64(1), gamma=np.float32(0.5))
    assert (explorer.view.ratio, explorer.view.sample, explorer.view.gamma) == (0.25, 1, 0.5)
    assert type(explorer.view.ratio) is float


def test_a_floor_of_before_holds_up_no_newer_one(explorer: Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
    explorer.wait()
    monkeypatch.setattr(room, "wasserstein2_floor", partial(wasserstein2_floor, effort=1e6))
    explorer.controls["ratio"].value = 0.2
    end = time.monotonic() + 60
    while not room.other_process().running(explorer._measured._asked[1]):
        assert time.monotonic() < end
        time.sleep(0.01)
    monkeypatch.undo()
    old = explorer._measured._asked[1]
    explorer.controls["gamma"].value = 1.0  # the same floor: it goes on
    time.sleep(0.5)
    assert room.other_process().running(old)
    explorer.controls["ratio"].value = 0.3
    explorer.wait()
    assert "…" not in explorer.parts["numbers"].value
    assert not room.other_process().running(old)
    explorer.move(ratio=0.2)  # what was left is no failure
    explorer.wait()
    assert "…" not in explorer.parts["numbers"].value
    assert "not available" not in explorer.parts["numbers"].value


def test_move_sets_the_controls_and_shows_once(explorer: Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
    pages: list[View] = []
    real = Explorer._page
    monkeypatch.setattr(Explorer, "_page", lambda self, view: (pages.append(view), real(self, view))[1])
    explorer.move(ratio=0.25, methods=("random", "dpp"), sample=1)
    assert len(pages) == 1
    assert explorer.controls["ratio"].value == 0.25
    assert explorer.controls["second"].value == "dpp"
    assert "12 of 48 kept" in explorer.parts["numbers"].value
    explorer.controls["ratio"].value = 0.1
    assert explorer.view == View(sample=1, methods=("random", "dpp"), ratio=0.1)
    with pytest.raises(InputError, match="ratio"):
        explorer.move(ratio=2.0)
    assert explorer.view.ratio == 0.1


def test_values_of_controls_and_views_are_the_same_thing() -> None:
    view = View(3, ("dpp", "first"), 0.2, 1.0, "rows", "columns")
    assert view_of(values_of(view)) == view
    assert view_of({**values_of(view), "ratio": 0.3}) != view


def test_there_is_something_to_read_without_widgets(explorer: Explorer) -> None:
    bundle = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "…" not in bundle["text/html"]
    assert 'class="k"' in bundle["text/html"]
    assert bundle["image/png"].startswith("iVBORw0KGgo")
    assert bundle["text/plain"] == repr(explorer)
    assert "ratio=0.1" in repr(explorer)


def test_in_a_notebook_the_picture_is_an_output_of_its_own(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs: list[dict[str, Any]] = []
    monkeypatch.setattr("IPython.display.publish_display_data", outputs.append)
    explorer._ipython_display_()
    assert [sorted(one) for one in outputs] == [
        ["application/vnd.jupyter.widget-view+json", "text/plain"],
        ["image/png", "text/html", "text/plain"],
    ]
    # The picture hides where the panel is drawn beside it.
    assert "otx-live" in explorer.panel._dom_classes
    assert ":has(.otx-live) .otx-still" in outputs[1]["text/html"]


def test_a_page_made_from_an_executed_notebook_shows_the_state(
    pictured: MakePictured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    cell = f"from otanalysis.explore import Explorer\nExplorer({str(pictured().path)!r}, ratio=0.1)"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    assert "widgets" in notebook.metadata, "no state of widgets is kept: the case is the easy one"
    page, _ = HTMLExporter(embed_images=True).from_notebook_node(notebook)
    assert "5 of 48 kept" in page
    # What is in scripts needs a network to be drawn.
    without_scripts = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert 'class="otx-still"' in without_scripts
    assert without_scripts.count('class="k"') == 10


def is_gone(pid: int) -> bool:
    try:
        return Process(pid).status() == STATUS_ZOMBIE
    except NoSuchProcess:
        return True


def test_a_kernel_that_is_closed_leaves_no_process(
    pictured: MakePictured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    lines = [
        "import os",
        "from otanalysis.explore import Explorer",
        "from otanalysis.explore.state import other_process",
        f"explorer = Explorer({str(pictured().path)!r}, ratio=0.1)",
        "print(other_process().submit(os.getpid).result())",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("\n".join(lines))])
    client = NotebookClient(notebook, timeout=120, kernel_name="python3")
    with client.setup_kernel():
        client.execute_cell(notebook.cells[0], 0)
        pid = int(notebook.cells[0].outputs[-1]["text"])
        assert not is_gone(pid)
    end = time.monotonic() + 60
    while not is_gone(pid):
        assert time.monotonic() < end, "the other process outlives its kernel"
        time.sleep(0.1)


def test_a_sample_that_cannot_be_drawn_says_why(tmp_path: Path) -> None:
    with DumpWriter(tmp_path / "odd", model="m", benchmark="b") as writer:
        writer.add("square", np.random.default_rng(0).standard_normal((9, 3)))
        writer.add("odd", np.random.default_rng(0).standard_normal((11, 3)))
    explorer = Explorer(tmp_path / "odd", ratio=0.4)
    explorer.controls["sample"].value = 1
    assert "11 tokens fill no square" in explorer.parts["caption"].value
    explorer.controls["sample"].value = 0
    assert "square" in explorer.parts["caption"].value
    assert "alert" not in explorer.parts["caption"].value
    explorer.wait()
    with pytest.raises(InputError, match="fill no square"):
        Explorer(tmp_path / "odd", sample=1)


def test_without_ipywidgets_the_error_says_how_to_get_them(
    pictured: MakePictured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(MissingDependencyError, match=r"otanalysis\[notebooks\]"):
        Explorer(pictured())


def test_newer_work_replaces_older_work() -> None:
    background, done = Background(), []
    begun, go_on = threading.Event(), threading.Event()

    def older() -> Iterator[float]:
        begun.set()
        go_on.wait(10)
        yield 0.0
        done.append("older")

    def newer() -> Iterator[float]:
        yield 0.0
        done.append("newer")

    background.ask(older)
    assert begun.wait(10)
    background.ask(lambda: iter(done.append("between") or ()))
    background.ask(newer)
    go_on.set()
    background.wait()
    assert done == ["newer"]


def test_work_is_left_in_its_pause_and_its_error_is_raised() -> None:
    background, done = Background(), []

    def patient() -> Iterator[float]:
        yield 60.0
        done.append("patient")

    def broken() -> Iterator[float]:
        yield 0.0
        raise InputError("broken")

    started = time.monotonic()
    background.ask(patient)
    background.ask(broken)
    with pytest.raises(InputError, match="broken"):
        background.wait()
    assert done == []
    assert time.monotonic() - started < 60, "the pause was sat out"
