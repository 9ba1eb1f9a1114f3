"""``otanalysis accuracy import`` prints what it writes, extends a table, and names mistakes in a line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from otanalysis.cli import app
from otanalysis.scores import read_accuracy

Refused = Callable[[Result, str, Path], None]
ARGUMENTS = "pretrained=org/llava,method={method},ratio={ratio},gamma=0.01,seed=0"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["accuracy", "import", *map(str, arguments)], env={"COLUMNS": "120"})


def write_results(folder: Path, scores: dict[str, Any], *, method: str, ratio: float) -> Path:
    """Write a results file as ``lmms-eval --model otanalysis_hf`` does, of ``{task: (key, value)}``."""
    results = {
        task: {"alias": task, f"{key},none": value, f"{key}_stderr,none": 0.005}
        for task, (key, value) in scores.items()
    }
    file = folder / "org__llava" / "20260101_120000_results.json"
    file.parent.mkdir(parents=True)
    content = {
        "results": results,
        "n-samples": {task: {"original": 500, "effective": 500} for task in scores},
        "config": {"model": "otanalysis_hf", "model_args": ARGUMENTS.format(method=method, ratio=ratio)},
        "model_name": "org/llava",
    }
    file.write_text(json.dumps(content))
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    scores = {"gqa": ("exact_match", 0.5662), "mme": ("mme_perception_score", 1368.0)}
    better = {"gqa": ("exact_match", 0.6196), "mme": ("mme_perception_score", 1506.0)}
    return (
        write_results(tmp_path / "otprune", scores, method="otprune", ratio=0.098),
        write_results(tmp_path / "full", better, method="full", ratio=1),
    )


def test_two_imports_make_one_table(runs: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "tables" / "accuracy.csv"
    first = run(runs[0], "--method", "otprune", "--ratio", 0.098, "--model", "llava", "--out", out)
    assert first.exit_code == 0, first.stderr
    assert "llava: method otprune, ratio 0.098, gamma 0.01, seed 0" in first.stdout
    assert [line.split()[1::2] for line in first.stdout.splitlines() if " gqa " in line] == [
        ["gqa", "EM", "56.62", "0.5", "500"]
    ]
    assert "accuracy.csv: 2 rows" in first.stdout
    second = run(runs[1], "--model", "llava", "--out", out)
    assert second.exit_code == 0, second.stderr
    assert "accuracy.csv: 4 rows" in second.stdout
    table = read_accuracy(out)
    assert table[["benchmark", "method", "ratio", "value"]].to_numpy().tolist() == [
        ["gqa", "otprune", 0.098, 56.62],
        ["mme", "otprune", 0.098, 1368.0],
        ["gqa", "full", 1.0, 61.96],
        ["mme", "full", 1.0, 1506.0],
    ]
    before = out.read_bytes()
    assert run(runs[0], "--model", "llava", "--out", out).exit_code == 0
    assert out.read_bytes() == before, "the same rows twice are once"


_IMPORT = """
import sys
from otanalysis import scores
from otanalysis.cli import app
write = scores.write_accuracy
def slow(*given):
    print("about to write", flush=True)
    sys.stdin.readline()
    write(*given)
scores.write_accuracy = slow
app(["accuracy", "import", *sys.argv[1:]])
"""


@contextmanager
def another_import(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Another process between reading a table and writing it."""
    command, pipe = [sys.executable, "-c", _IMPORT, *map(str, arguments)], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "about to write\n"
        try:
            yield process
        finally:
            process.kill()


def plain(folder: Path, benchmark: str) -> Path:
    file = folder / f"{benchmark}.csv"
    file.write_text(f"benchmark,metric,value,model,method\n{benchmark},m,1,llava,full\n")
    return file


@pytest.mark.parametrize("through_link", [False, True])
def test_of_two_imports_into_one_table_none_loses_the_rows_of_the_other(
    tmp_path: Path, through_link: bool
) -> None:
    (tmp_path / "tables").mkdir()
    out = tmp_path / "tables" / "accuracy.csv"
    assert run(plain(tmp_path, "first"), "--out", out).exit_code == 0
    other = tmp_path / "linked.csv" if through_link else out
    if through_link:
        other.symlink_to(out)
    with another_import(plain(tmp_path, "second"), "--out", out) as process:
        refused = run(plain(tmp_path, "third"), "--out", other)
        assert refused.exit_code == 2
        assert f"process {process.pid}" in refused.stderr
        assert "is importing scores there since" in refused.stderr
        importing = ("accuracy", "import", tmp_path / "third.csv")
        waiting = subprocess.Popen(
            [sys.executable, "-m", "otanalysis", *importing, "--out", other, "--wait"],
            stderr=subprocess.PIPE,
            text=True,
        )
        with waiting:
            assert waiting.stderr is not None
            assert "waiting for it" in waiting.stderr.readline()
            _, said = process.communicate("go on\n", timeout=60)
            assert process.returncode == 0, said
            assert waiting.wait(timeout=60) == 0
    assert read_accuracy(out)["benchmark"].tolist() == ["first", "second", "third"]
    assert other.is_symlink() == through_link


@pytest.mark.parametrize("name", ["GQA", "gqa\u200b"])
def test_a_benchmark_that_is_nearly_a_task_is_remarked(tmp_path: Path, name: str) -> None:
    for benchmark in (name, "gqa"):
        result = run(
            plain(tmp_path, benchmark), "--tasks", benchmark, "--metric", "gqa=m", "--out", tmp_path / "a.csv"
        )
        assert result.exit_code == 0, result.stderr
        assert ("is not the task gqa: import it" in result.stderr) == (benchmark == name)


def test_names_that_look_like_markup_are_printed_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "scores.csv"
    file.write_text("benchmark,metric,value,model,method\n[/b],[bold]m,1,[/],full\n")
    result = run(file, "--out", tmp_path / "accuracy.csv")
    assert result.exit_code == 0, result.stderr
    assert "[/]: method full, ratio 1.0" in result.stdout
    assert " [/b] " in result.stdout
    assert " [bold]m " in result.stdout


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize(
    ("limit", "said"), [(None, None), (-1, None), (100.0, "--limit 100"), (0.5, "--limit 0.5")]
)
def test_a_score_of_a_part_says_so(
    tmp_path: Path, older: bool, limit: float | None, said: str | None
) -> None:
    folder = write_results(tmp_path / "run", {"gqa": ("exact_match", 0.5)}, method="first", ratio=0.5)
    [file] = folder.rglob("*.json")
    content = json.loads(file.read_text())
    content["config"]["limit"] = limit
    if older:
        del content["n-samples"]
    file.write_text(json.dumps(content))
    out = tmp_path / "accuracy.csv"
    result = run(folder, "--out", out)
    assert result.exit_code == 0, result.stderr
    [source] = read_accuracy(out)["source"]
    remark = "The evaluation was limited to part of the questions of gqa"
    assert (remark in result.stderr) == ("part of the questions" in source) == (said is not None)
    assert said is None or f"({said})" in source
    content["config"]["limit"] = "some"
    file.write_text(json.dumps(content))
    refused = run(folder, "--out", out)
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert "records a --limit of 'some'" in refused.stderr


def test_json_holds_the_imported_rows_alone(runs: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "accuracy.parquet"
    assert run(runs[0], "--out", out).exit_code == 0
    rows = json.loads(run(runs[1], "--out", out, "--json").stdout)
    assert [(row["benchmark"], row["value"], row["n"]) for row in rows] == [
        ("gqa", 61.96, 500),
        ("mme", 1506.0, 500),
    ]
    assert len(read_accuracy(out)) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--method", "random"), "records method otprune, and --method says random"),
        (("--ratio", "1.5"), "must lie in (0, 1]"),
        (("--ratio", "nan"), "--ratio must lie in (0, 1], got nan"),
        (("--ratio", "inf"), "The ratio must be a finite number"),
        (("--gamma", "nan"), "The gamma must be a finite number"),
        (("--gamma", "1e-999"), "gamma must be positive"),
        (
            ("--metric", "gqa=exact_match,strict"),
            "has no exact_match,strict for gqa; it has: exact_match,none",
        ),
        (("--metric", "gqa"), "--metric wants TASK=KEY"),
        (("--tasks", "gqa,,mme"), "--tasks"),
        (("--tasks", "pope"), "no score of pope"),
        (("--seed", "-1"), "whole number from 0 on"),
    ],
)
def test_mistakes_are_one_sentence_and_write_nothing(
    runs: tuple[Path, Path],
    tmp_path: Path,
    assert_refused: Refused,
    options: tuple[str, ...],
    message: str,
) -> None:
    out = tmp_path / "accuracy.csv"
    assert_refused(run(runs[0], *options, "--out", out), message, out)


def test_a_foreign_ending_is_refused_before_reading(tmp_path: Path, assert_refused: Refused) -> None:
    out = tmp_path / "accuracy.xlsx"
    assert_refused(run("absent", "--out", out), "must end in .csv or .parquet", out)


def test_a_value_that_disagrees_with_the_table_leaves_it_as_it_was(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "accuracy.csv"
    run(runs[0], "--out", out)
    before = out.read_bytes()
    other = write_results(tmp_path / "again", {"gqa": ("exact_match", 0.57)}, method="otprune", ratio=0.098)
    result = run(other, "--out", out)
    assert result.exit_code == 2
    assert "is 57 in [lmms-eval" in result.stderr
    assert "56.62 in [lmms-eval" in result.stderr
    assert result.stderr.count("\n") == 1
    assert out.read_bytes() == before


def test_a_method_that_is_none_of_ours_is_remarked(tmp_path: Path) -> None:
    file = tmp_path / "scores.csv"
    file.write_text("benchmark,metric,value\ngqa,EM,56.6\n")
    options = ("--ratio", 0.1, "--model", "m", "--out", tmp_path / "accuracy.csv")
    odd = run(file, "--method", "OTPrune", *options)
    assert odd.exit_code == 0
    assert "m: method OTPrune, ratio 0.1 " in odd.stdout
    assert "The figures know otprune, not OTPrune" in odd.stderr
    foreign = run(file, "--method", "fastv", *options)
    assert "The figures do not show fastv" in foreign.stderr
    assert run(file, "--method", "otprune", *options).stderr == ""


@pytest.mark.parametrize("gamma", [1e-12, 5e-324, 123456.789012345])
def test_json_and_table_hold_every_digit_of_a_number(tmp_path: Path, gamma: float) -> None:
    file, out = tmp_path / "scores.csv", tmp_path / "accuracy.csv"
    file.write_text("benchmark,metric,value\nmine,m,1.2345678901234567e-11\n")
    options = ("--method", "otprune", "--ratio", 0.1, "--model", "m", "--gamma", repr(gamma), "--out", out)
    [row] = json.loads(run(file, *options, "--json").stdout)
    assert (row["gamma"], row["value"], row["n"], row["seed"]) == (gamma, 1.2345678901234567e-11, None, None)
    assert read_accuracy(out)[["gamma", "value"]].to_numpy().tolist() == [[gamma, row["value"]]]


def test_tiny_gammas_are_told_apart(tmp_path: Path) -> None:
    file, out = tmp_path / "scores.csv", tmp_path / "accuracy.csv"
    file.write_text("benchmark,metric,value\nmine,m,1\n")
    options = ("--method", "otprune", "--ratio", 0.1, "--model", "m", "--out", out)
    for gamma in ("1e-12", "1e-13", "1.0000000000001e-13"):
        assert run(file, *options, "--gamma", gamma).exit_code == 0
    assert read_accuracy(out)["gamma"].tolist() == [1e-12, 1e-13], "what went through text is the same"


def test_a_damaged_table_is_left_as_it_is(tmp_path: Path) -> None:
    file, out = tmp_path / "scores.csv", tmp_path / "accuracy.csv"
    file.write_text("benchmark,metric,value\nmine,m,1\n")
    out.write_text("model,benchmark,method,metric,value\nm,gqa,full,EM,61.9,\n")
    before = out.read_bytes()
    result = run(file, "--method", "full", "--model", "m", "--out", out)
    assert result.exit_code == 2
    assert "Line 2 of" in result.stderr
    assert result.stderr.count("\n") == 1
    assert out.read_bytes() == before
