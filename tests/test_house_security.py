"""SECURITY.md holds: nothing that the package reads is run, but where the page says so."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "otanalysis"

PIPES = {"explore/worker.py", "explore/serve.py"}
"""They unpickle what their own child, or parent, writes into a pipe that nobody else has."""


def dangers(source: str) -> list[str]:
    """Return the calls that can run code out of data, and imports of modules that are made for it."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = (
                [one.name for one in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            )
            found += [
                f"line {node.lineno}: imports {one}"
                for one in modules
                if one.split(".")[0] in {"pickle", "marshal", "shelve", "dill", "cloudpickle", "yaml"}
            ]
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        given = {one.arg: ast.unparse(one.value) for one in node.keywords}
        if name in {"eval", "exec", "compile", "joblib.load", "pd.read_pickle", "os.system"}:
            found.append(f"line {node.lineno}: {name}")
        if name == "torch.load" and given.get("weights_only") != "True":
            found.append(f"line {node.lineno}: torch.load without weights_only=True")
        if name.endswith(("np.load", "read_array")) and given.get("allow_pickle", "False") != "False":
            found.append(f"line {node.lineno}: {name} of pickled objects")
        if "trust_remote_code" in given or given.get("shell") == "True":
            found.append(f"line {node.lineno}: {name} runs what it is given")
    return found


def test_only_the_pipes_of_the_explorer_unpickle() -> None:
    files = sorted(PACKAGE.rglob("*.py"))
    assert len(files) > 100

    found = {path.relative_to(PACKAGE).as_posix(): dangers(path.read_text("utf-8")) for path in files}

    assert {name for name, lines in found.items() if lines} == PIPES


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads",
        "import os, marshal",
        "eval(text)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "np.lib.format.read_array(handle, allow_pickle=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "subprocess.run(line, shell=True)",
    ],
)
def test_what_can_run_code_is_found(line: str) -> None:
    assert dangers(line)


@pytest.mark.parametrize(
    "line",
    [
        "torch.load(path, weights_only=True)",
        "np.load(path)",
        "np.lib.format.read_array(handle, allow_pickle=False)",
    ],
)
def test_what_reads_data_alone_is_not_accused(line: str) -> None:
    assert dangers(line) == []
