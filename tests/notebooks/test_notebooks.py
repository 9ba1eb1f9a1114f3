"""The notebooks: paired with scripts, without outputs, all prose and calls, and they run from any folder."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest
from nbformat import NotebookNode
from nbmake.nb_result import NotebookResult
from nbmake.nb_run import NotebookRun

from otanalysis.files import data_folder

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]
SECONDS_A_CELL = 300
"""A cell that hangs is stopped; none takes more than some seconds."""

LOGIC = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.While, ast.If, ast.Try)
OWN = "own-selector"
"""Tag of the cell in which the reader writes a selector: the one place for logic."""

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def cells(notebook: NotebookNode) -> list[tuple[str, str, list[str]]]:
    """Kind, source and tags of every cell."""
    return [(one.cell_type, one.source, list(one.metadata.get("tags", []))) for one in notebook.cells]


def code_of(source: str) -> str:
    """Code without magics and shell lines of IPython, which Python cannot parse."""
    return re.sub(r"(?m)^[%!].*$", "", source)


def logic_in(source: str) -> list[str]:
    """Names of the statements that are more than calls."""
    nodes = ast.walk(ast.parse(code_of(source)))
    return [type(node).__name__ for node in nodes if isinstance(node, LOGIC)]


def with_outputs(notebook: NotebookNode) -> list[int]:
    """Cells that hold an output or a count of executions."""
    return [
        number
        for number, one in enumerate(notebook.cells)
        if one.cell_type == "code" and (one.outputs or one.execution_count is not None)
    ]


def noise_in(notebook: NotebookNode) -> list[str]:
    """What the cells printed on stderr: warnings, progress bars."""
    outputs = [output for one in notebook.cells for output in one.get("outputs", [])]
    return [output.text for output in outputs if output.output_type == "stream" and output.name == "stderr"]


def test_the_six_notebooks_are_there() -> None:
    assert NAMES == [
        "01_exact_transport",
        "02_surrogate",
        "03_selectors",
        "04_distance_and_accuracy",
        "05_theorem",
        "06_your_model",
    ]


@each
def test_a_notebook_and_its_script_are_one(path: Path) -> None:
    notebook, script = read(path), jupytext.read(path.with_suffix(".py"))
    assert cells(notebook) == cells(script), "run `make notebooks`"
    for one in (notebook, script):
        assert one.metadata.jupytext.formats == "ipynb,py:percent"


@each
def test_no_outputs_are_in_git(path: Path) -> None:
    assert with_outputs(read(path)) == [], "run `make notebooks`"


@each
def test_it_opens_with_what_is_learnt_and_ends_with_exercises(path: Path) -> None:
    words = [source for kind, source, _ in cells(read(path)) if kind == "markdown"]
    assert re.match(rf"# {int(path.name[:2])}\. ", words[0])
    assert "**What you will learn**" in words[0]
    last = words[-1].split("## Exercises\n")
    assert len(last) == 2
    assert len(re.findall(r"(?m)^\d\. ", last[1])) >= 3


@each
def test_it_is_prose_and_calls(path: Path) -> None:
    found = {
        number: logic
        for number, (kind, source, tags) in enumerate(cells(read(path)))
        if kind == "code" and OWN not in tags and (logic := logic_in(source))
    }
    assert found == {}, "logic belongs into the package"


def test_the_checks_see_what_they_look_for() -> None:
    assert logic_in("%matplotlib inline\nfor i in range(3):\n    print(i)") == ["For"]
    assert logic_in("x = [i for i in range(3)]") == []
    ran = nbformat.v4.new_code_cell("1 + 1", execution_count=1)
    loud = nbformat.v4.new_code_cell(
        "warn()", outputs=[nbformat.v4.new_output("stream", name="stderr", text="careful")]
    )
    notebook = nbformat.v4.new_notebook(cells=[ran, loud])
    assert with_outputs(notebook) == [0, 1]
    assert noise_in(notebook) == ["careful"]


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the kernels a data folder without dumps, as in a fresh clone, and settings of nobody."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("mini-llava", "published", "stamp-llava"):
        (folder / name).symlink_to(data_folder() / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTANALYSIS_DATA", str(folder))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        patch.setenv("JUPYTER_CONFIG_DIR", str(folder / "jupyter"))
        yield


def executed(path: Path, folder: Path) -> NotebookResult:
    """Run a copy of a notebook in a folder of its own: none may need files beside it."""
    copy = Path(shutil.copy(path, folder))
    return NotebookRun(copy, SECONDS_A_CELL).execute()


@each
@pytest.mark.usefixtures("surroundings")
def test_it_runs_from_any_folder_without_a_warning(path: Path, tmp_path: Path) -> None:
    result = executed(path, tmp_path)
    assert result.error is None, result.error.trace
    assert noise_in(result.nb) == []
    outputs = [output for one in result.nb.cells for output in one.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs), "no picture came out"


@pytest.mark.usefixtures("surroundings")
def test_a_notebook_that_fails_is_seen(tmp_path: Path) -> None:
    wrong: Any = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import otanalysis.nowhere")])
    nbformat.write(wrong, tmp_path / "source.ipynb")
    (tmp_path / "run").mkdir()
    result = executed(tmp_path / "source.ipynb", tmp_path / "run")
    assert result.error is not None
    assert "ModuleNotFoundError" in result.error.trace
