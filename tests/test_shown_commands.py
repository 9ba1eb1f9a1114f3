"""What is shown runs: every example of a help, and every command of the README, as written.

Each runs in a folder that has what a reader's would: the bundled dumps (one scene each, under the name of the
full ones, which take minutes), ``tokens.npy``, pictures, dumps and scores of a model. The bundled model
stands for the one of seven billion parameters, the CPU for the GPU. What is not run is listed, with the
reason.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from otanalysis.cli import app
from otanalysis.figures.__main__ import _EXAMPLE as FIGURES_EXAMPLE
from otanalysis.files import data_folder
from otanalysis.mini import write_pictures
from otanalysis.mini.bundled import write_bundled_dumps
from otanalysis.theorem.__main__ import _EXAMPLE as THEOREM_EXAMPLE
from otanalysis.tokens import DumpWriter, open_dump

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

STANDS_FOR = {
    "llava-hf/llava-1.5-7b-hf": "data/mini-llava",
    "--model llava-1.5-7b-hf ": "--model mini-llava ",
    "--device cuda": "--device cpu",
    "DUMP...": "dumps/gqa dumps/pope",
    "--dump DUMP": "--dump dumps/gqa",
    "--model M ": "--model data/mini-llava ",
    "--image I ": "--image scene.png ",
    "--question Q ": "--question 'is there a 7 ?' --keep 56 ",
    "A.csv B.csv": "accuracy.csv accuracy.csv",
}
"""What a reader has or fills in, and what has its place here."""
SHORTENED = {
    "otanalysis evaluate": "--questions 2 --quiet",
    "otanalysis synthetic": "--trials 1 --sizes 20x10x5 --quiet",
    "otanalysis within": "--limit 2 --subsets 7 --quiet",
}
"""Commands that take minutes, and the options that make them short where none are shown."""
NOT_RUN = {
    "otanalysis train-mini": "an hour; the tests of mini/training run its stages",
    "otanalysis train-stamps": "wants a GPU; the tests of stamps/training take its steps",
    "otanalysis assemble": "fetches 183 MB; make test-assembly runs it",
    "otanalysis try --model models/stamp-llava": "wants what otanalysis assemble makes",
    "otanalysis dump-scenes": "needs photographs of objects; tests/cli/test_dump_scenes.py has made-up ones",
    "otanalysis keep-distances": "needs sweeps of scenes; tests/cli/test_keep_distances.py makes one",
    "otanalysis select |": "a list of the commands, each of which has its help",
    "make test": "runs this",
    "make lab": "a server; the tests of the notebooks run what it opens",
    "make figures": "minutes; its one command is the first of those of the table, which run",
    "make evaluate": "minutes; its one command is the example of otanalysis evaluate, which runs",
    "make stamps": "needs photographs of objects, and measures for minutes",
    "make stamp-tables": "needs photographs of objects, and measures for an hour",
    "make train-mini": "an hour; see otanalysis train-mini",
    "make bench": "measures for minutes",
    "make benchmark": "measures for minutes",
    "make benchmark-vlm": "measures for minutes",
    "pip install": "needs the network; make test-wheel and CI install",
}

MINUTES = (
    "otanalysis certify",
    "otanalysis evaluate",
    "otanalysis ladder",
    "otanalysis synthetic",
    "otanalysis theorem",
    "otanalysis figures",
    "python -m otanalysis.theorem",
    "python -m otanalysis.figures",
)
"""What takes a minute or more even so: `make test-shown` runs these too, `make test` only sees them parse."""

HARNESS = """#!{python}
import json, sys
from pathlib import Path
words = dict(zip(sys.argv[1::2], sys.argv[2::2]))
given = words["--model_args"]
name = "-".join(part.split("=")[1] for part in given.split(",")[1:])
file = Path(words["--output_path"], name, "20260101_000000_results.json")
file.parent.mkdir(parents=True, exist_ok=True)
task = words["--tasks"]
scores = {{"alias": task, "exact_match,none": 0.5, "exact_match_stderr,none": 0.1}}
document = {{"results": {{task: scores}}, "higher_is_better": {{task: {{"exact_match": True}}}}}}
document |= {{"n-samples": {{task: {{"effective": 25}}}}}}
document |= {{"config": {{"model": words["--model"], "model_args": given}}}}
file.write_text(json.dumps(document))
"""
"""A stand-in for lmms-eval, whose tasks are on the network: it leaves the file that the real one does."""


def helps() -> dict[str, str]:
    """Return the example of every help of the programs, by the words that ask for it."""
    found = {
        "python -m otanalysis.figures": FIGURES_EXAMPLE,
        "python -m otanalysis.theorem": THEOREM_EXAMPLE,
    }

    def visit(command: object, *words: str) -> None:
        shown = CliRunner().invoke(app, [*words, "--help"]).stdout
        example = re.search(r"Example: (otanalysis .*)", " ".join(shown.split()))
        if example is not None:
            found[" ".join(("otanalysis", *words))] = example[1].strip()
        for name, below in getattr(command, "commands", {}).items():
            visit(below, *words, name)

    visit(typer.main.get_command(app))
    return found


def inline(page: str) -> list[str]:
    """Return the commands that stand in the text or in tables, each once."""
    prose = re.sub(r"^```.*?^```$", "", page, flags=re.M | re.S)
    found = re.findall(r"`((?:otanalysis |python -m otanalysis[ .]|make |pip )[^`]*)`", prose)
    return [one for one in dict.fromkeys(found) if one not in ("make", "pip")]


def blocks(page: str) -> list[str]:
    """Return the shell blocks of a page."""
    return re.findall(r"^```sh\n(.*?)^```$", page, flags=re.M | re.S)


def reason(command: str) -> str | None:
    """Return why a command is not run; None for one that is."""
    return next((why for start, why in NOT_RUN.items() if f"{command} ".startswith(f"{start} ")), None)


def as_run(command: str) -> str:
    """Return a shown command with what stands for what is not there."""
    for shown, here in STANDS_FOR.items():
        command = command.replace(shown, here)
    for start, options in SHORTENED.items():
        if command.startswith(start) and not any(word in command for word in options.split()[::2][:1]):
            command = f"{command} {options}"
    return command


def marked(commands: Iterable[str]) -> list[Any]:
    """Return those of the commands that are run, each a parameter, marked where it takes minutes."""
    return [
        pytest.param(one, marks=pytest.mark.shown if one.startswith(MINUTES) else ())
        for one in commands
        if reason(one) is None
    ]


EXAMPLES = helps()
SHOWN = inline(README)
BLOCKS = blocks(README)


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with dumps of one scene under the name of the full ones."""
    folder = tmp_path_factory.mktemp("bundled") / "data"
    for name in ("mini-llava", "published", "stamp-llava"):
        shutil.copytree(data_folder() / name, folder / name)
    dumps = write_bundled_dumps(folder / "dumps" / "mini-llava", scenes_per_benchmark=1, progress=False)
    kind = dumps[0].parent
    kind.rename(kind.with_name(kind.name.replace("-1-pictures", "-64-pictures")))
    return folder


def desk_in(folder: Path, bundled: Path) -> Path:
    """Fill a folder with what the commands name."""
    (folder / "data").symlink_to(bundled)
    [kind] = (bundled / "dumps" / "mini-llava").iterdir()
    (folder / "dumps").mkdir()
    for name, source in {"gqa": "presence", "pope": "count-digits"}.items():
        (folder / "dumps" / name).symlink_to(kind / source)
    np.save(folder / "tokens.npy", open_dump(kind / "presence")[0].tokens)
    shutil.copy(bundled / "mini-llava" / "accuracy.csv", folder / "accuracy.csv")
    write_pictures(folder / "photos", "presence", 1)
    write_pictures(folder, "presence", 2).rename(folder / "gqa.jsonl")
    shutil.copy(next((folder / "photos").glob("*.png")), folder / "scene.png")
    (folder / "bin").mkdir()
    for name, text in {"lmms-eval": HARNESS.format(python=sys.executable), "pip": "#!/bin/sh\n"}.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    harness = [str(folder / "bin" / "lmms-eval"), "--model", "otanalysis_hf", "--tasks", "gqa"]
    settings = ["--output_path", "runs", "--model_args", "pretrained=m,method=otprune,ratio=0.098"]
    subprocess.run([*harness, *settings], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def desk(bundled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which single commands run, one after the other, as a reader's would."""
    return desk_in(tmp_path_factory.mktemp("desk"), bundled)


def shell(script: str, folder: Path, *, data: Path | None = None) -> str:
    """Run a script by bash in a folder, by the Python of the tests; return what it printed."""
    path = os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    known = {
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "OTANALYSIS_DATA": str(data or folder / "data"),
        "COLUMNS": "200",
    }
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=folder,
        env=os.environ | known,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


def test_the_examples_and_commands_are_found() -> None:
    assert {
        "otanalysis sweep",
        "otanalysis accuracy import",
        "python -m otanalysis.theorem",
    } <= EXAMPLES.keys()
    assert {"otanalysis ladder DUMP...", "make benchmark-vlm", "otanalysis theorem"} <= set(SHOWN)
    assert len(BLOCKS) == 6


def test_nothing_is_left_out_that_is_not_shown() -> None:
    shown = [*EXAMPLES.values(), *SHOWN, *(line for block in BLOCKS for line in block.splitlines())]
    for start in NOT_RUN:
        assert any(f"{one} ".startswith(f"{start} ") for one in shown), f"{start} is not shown any more"


@pytest.mark.parametrize("example", marked(EXAMPLES.values()))
def test_an_example_of_a_help_runs_as_written(example: str, desk: Path) -> None:
    assert shell(as_run(example), desk)


@pytest.mark.parametrize("command", marked(SHOWN))
def test_a_command_of_the_readme_runs_as_written(command: str, desk: Path) -> None:
    assert shell(as_run(command), desk)
    rows = [line for line in README.splitlines() if line.startswith("|")]
    row = next((line for line in rows if f"`{command}`" in line), None)
    if row is not None:
        written = re.findall(r"[\w/]+\.(?:csv|parquet|json)", row.split("|")[3].replace("FILE.csv", ""))
        assert [name for name in written if not list(desk.glob(f"**/{name}"))] == []


@pytest.mark.parametrize(
    "command",
    [one for one in (*EXAMPLES.values(), *SHOWN) if reason(one) is None and one.startswith(MINUTES)],
)
def test_a_long_command_names_options_that_are_there(command: str) -> None:
    """Its own run is `make test-shown`."""
    program, options = command.split(), re.findall(r"--[a-z-]+", command)
    words = program[:3] if program[0] == "python" else program[:2]
    known = shell(" ".join([*words, "--help"]), ROOT, data=data_folder())
    assert [option for option in options if option not in known] == []


def test_targets_that_are_named_are_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M))
    named = {one.split()[1] for one in SHOWN if one.startswith("make ")}
    named |= {line.split()[1] for block in BLOCKS for line in block.splitlines() if line.startswith("make ")}
    assert {"figures", "test"} <= named <= targets


@pytest.mark.shown
def test_the_lines_for_a_real_model_run_in_a_row(bundled: Path, tmp_path: Path) -> None:
    [script] = [one for one in BLOCKS if "lmms-eval --model" in one]
    folder = desk_in(tmp_path, bundled)
    (folder / "dumps" / "gqa").unlink()
    (folder / "accuracy.csv").unlink()
    shutil.rmtree(folder / "runs")
    printed = shell(as_run(script), folder)
    assert "my-figures/figure3.png" in printed
    table = pd.read_csv(folder / "accuracy.csv")
    assert len(table) == 1 + 4 * 4
    assert set(table["method"]) == {"full", "otprune", "divprune", "dpp", "random"}


@pytest.mark.shown
def test_the_lines_for_the_test_inside_the_image_run_in_a_row(bundled: Path, tmp_path: Path) -> None:
    [script] = [one for one in BLOCKS if "otanalysis within" in one]
    printed = shell(as_run(script), desk_in(tmp_path, bundled))
    assert "results/within.parquet" in printed
    assert "my-figures/within.png" in printed


@pytest.mark.shown
def test_the_lines_for_dumps_of_your_own_run_in_a_row(bundled: Path, tmp_path: Path) -> None:
    [script] = [one for one in BLOCKS if "otanalysis verify dumps" in one]
    [code] = re.findall(r"^```python\n(from otanalysis\.tokens .*?)^```$", README, flags=re.M | re.S)
    folder = desk_in(tmp_path, bundled)
    tokens = np.load(folder / "tokens.npy")
    (folder / "accuracy.csv").write_text(
        "model,benchmark,method,ratio,gamma,seed,metric,value,n,standard_error\n"
        "llava-1.5-7b,gqa,full,1,,,EM,61.9,,\nllava-1.5-7b,gqa,otprune,0.098,,,EM,58,,\n"
    )
    here = Path.cwd()
    os.chdir(folder)
    try:
        exec(code, {"DumpWriter": DumpWriter, "my_tokens": lambda: [("one", tokens)]})
    finally:
        os.chdir(here)
    printed = shell(as_run(script), folder)
    assert "is sound: 1 samples" in printed
    assert "my-figures/figure4.png" in printed


def test_a_command_that_fails_is_seen(desk: Path) -> None:
    with pytest.raises(AssertionError, match="is not a dump"):
        shell("otanalysis verify data/dumps/mini-llava", desk)
