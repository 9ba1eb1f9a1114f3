"""Scores that figures lack are named one by one, with commands that measure and import just those."""

from __future__ import annotations

import shlex
from ast import literal_eval
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from hypothesis import given, strategies as st

from otanalysis.cli import app
from otanalysis.defaults import COMPARED_METHODS
from otanalysis.figures.build import run
from otanalysis.figures.missing import MissingScores, Setting, missing_scores, needed_settings
from otanalysis.mini import bundled_accuracy_path
from otanalysis.scores.table import write_accuracy
from otanalysis.vlm.lmms_eval.arguments import HarnessArguments

RATIOS, GAMMAS = (0.05, 0.098), (0.001, 0.01)
BENCHMARKS = ("gqa", "pope")
OTPRUNE = ("otprune", "otprune-paper")


def swept(methods: tuple[str, ...] = COMPARED_METHODS) -> pd.DataFrame:
    """Return the keys of a sweep: every method at every ratio, OTPrune with every gamma in both units."""
    return pd.DataFrame(
        [
            {"benchmark": benchmark, "method": method, "ratio": ratio, "gamma": gamma}
            for benchmark in BENCHMARKS
            for method in methods
            for ratio in RATIOS
            for gamma in (GAMMAS if method in OTPRUNE else (np.nan,))
        ]
    )


def whole_table() -> pd.DataFrame:
    """Return a score for everything that the figures show."""
    rows = [
        {"benchmark": benchmark, "method": one.method, "ratio": one.ratio, "gamma": one.gamma}
        for one in needed_settings(swept(), (2, 3, 4, 5), 0.098)
        for benchmark in BENCHMARKS
    ]
    return pd.DataFrame(rows).assign(model="m", metric="x", value=1.0)


def test_the_figures_need_what_their_definitions_say() -> None:
    full = Setting("full", 1.0)
    second = set(needed_settings(swept(), (2,), 0.098))
    assert second == {
        full,
        *(Setting(name, 0.098, 0.01 if name in OTPRUNE else None) for name in COMPARED_METHODS),
    }
    third = set(needed_settings(swept(), (3,), 0.098))
    shares = ("divprune", "dpp", "random")
    assert third == {
        full,
        *(Setting(name, ratio) for name in shares for ratio in RATIOS),
        *(Setting(name, ratio, 0.01) for name in OTPRUNE for ratio in RATIOS),
    }
    fifth = set(needed_settings(swept(), (5,), 0.098))
    assert fifth == {
        full,
        *(Setting(name, ratio, gamma) for name in OTPRUNE for ratio in RATIOS for gamma in GAMMAS),
    }
    assert needed_settings(swept(), (4,), 0.098) == {}


def test_a_whole_table_lacks_nothing_and_none_lacks_everything() -> None:
    assert missing_scores(swept(), whole_table(), only=(2, 3, 4, 5), ratio=0.098).benchmarks == {}
    lacking = missing_scores(swept(), None, only=(2, 3, 4, 5), ratio=0.098)
    assert set(lacking.benchmarks) == set(needed_settings(swept(), (2, 3, 4, 5), 0.098))
    assert set(lacking.benchmarks.values()) == {BENCHMARKS}
    assert "there is no accuracy table (--accuracy TABLE)" in lacking.sentence()


@given(gone=st.sets(st.integers(0, len(whole_table()) - 1), max_size=6))
def test_what_is_taken_out_of_a_whole_table_is_what_is_missing(gone: set[int]) -> None:
    table = whole_table()
    lacking = missing_scores(swept(), table.drop(index=list(gone)), only=(2, 3, 4, 5), ratio=0.098)
    found = {(name, setting) for setting, names in lacking.benchmarks.items() for name in names}
    wanted = {
        (
            row["benchmark"],
            Setting(row["method"], row["ratio"], None if pd.isna(row["gamma"]) else row["gamma"]),
        )
        for row in table.iloc[sorted(gone)].to_dict("records")
    }
    assert found == wanted


def test_the_sentence_names_method_share_and_benchmark() -> None:
    table = whole_table()
    gone = (table["method"] == "dpp") & (table["ratio"] == 0.05) & (table["benchmark"] == "pope")
    lacking = missing_scores(swept(), table[~gone], only=(2, 3), ratio=0.098)
    assert lacking.sentence() == (
        "Scores are left out of the figures: the accuracy table lacks DPP at 5% (benchmarks pope)."
    )


def test_a_score_without_gamma_stands_for_the_released_one_but_not_where_gamma_is_shown() -> None:
    table = whole_table()
    loose = table.assign(gamma=np.nan).drop_duplicates(["benchmark", "method", "ratio"])
    assert missing_scores(swept(), loose, only=(2, 3), ratio=0.098).benchmarks == {}
    assert missing_scores(swept(), loose, only=(5,), ratio=0.098).benchmarks != {}


def test_the_commands_are_understood_by_the_plug_in_and_the_import(tmp_path: Path) -> None:
    lacking = missing_scores(swept(), None, only=(2, 3, 5), ratio=0.098)
    lines = lacking.commands("a model", tmp_path / "my table.csv", pretrained="org/a model")
    assert len(lines) == 2 * len(lacking.benchmarks)
    importer = typer.main.get_command(app).commands["accuracy"].commands["import"]  # type: ignore[attr-defined]
    asked = set()
    for run_line, import_line in zip(lines[::2], lines[1::2], strict=True):
        words = shlex.split(run_line)
        assert words[:6] == ["python", "-m", "lmms_eval", "--model", "otanalysis_hf", "--model_args"]
        arguments = dict(part.split("=", 1) for part in words[6].split(","))
        # The harness hands on numbers where words look like them.
        numbers = {
            name: value if name in ("pretrained", "method") else literal_eval(value)
            for name, value in arguments.items()
        }
        parsed = HarnessArguments.parse(numbers)
        context = importer.make_context("import", shlex.split(import_line)[3:])
        options = context.params
        assert options["model"] == "a model"
        assert Path(options["out"]) == tmp_path / "my table.csv"
        assert [str(path) for path in options["results"]] == [words[words.index("--output_path") + 1]]
        assert options["method"] == arguments["method"]
        share = 1.0 if options["method"] == "full" else options["ratio"]
        assert (parsed.pretrained, parsed.ratio) == ("org/a model", share)
        asked.add(Setting(options["method"], share, options["gamma"]))
        assert words[words.index("--tasks") + 1] == ",".join(BENCHMARKS)
    assert asked == set(lacking.benchmarks)


def test_scenes_are_measured_by_the_package_itself() -> None:
    rows = swept().assign(benchmark="count-digits")
    lacking = missing_scores(rows, None, only=(3,), ratio=0.098)
    assert lacking.worlds == ("digits",)
    remedy = lacking.remedy(lacking.commands("mini-llava", None), None, "x.sh")
    assert "otanalysis evaluate" in remedy
    assert "lmms_eval" not in remedy
    assert f"--accuracy {shlex.quote(str(bundled_accuracy_path()))} has the scores of mini-llava" in remedy
    assert not MissingScores({Setting("full", 1.0): ("presence", "gqa")}, given=True).worlds


@pytest.mark.parametrize(
    ("benchmarks", "worlds"),
    [
        (("place", "either"), ("stamps",)),
        (("presence",), ("digits", "stamps")),  # the one name that both have
        (("presence", "place"), ("stamps",)),
        (("place", "count-digits"), ()),
    ],
)
def test_each_world_of_scenes_is_told_by_its_benchmarks(
    benchmarks: tuple[str, ...], worlds: tuple[str, ...]
) -> None:
    lacking = MissingScores({Setting("full", 1.0): benchmarks}, given=False)
    assert lacking.worlds == worlds
    remedy = lacking.remedy(lacking.commands("m", None), None, "x.sh")
    assert [f"evaluate --scenes {world} --model" in remedy for world in worlds] == [True] * len(worlds)
    assert ("stamp-llava/accuracy.csv" in remedy) == ("stamps" in worlds)
    assert ("lmms_eval" in remedy) == (not worlds)


def test_scores_that_a_table_lacks_are_not_promised_of_the_bundled_one() -> None:
    """Which may be that table."""
    lacking = MissingScores({Setting("otprune-paper", 0.098): ("place",)}, given=True)
    assert lacking.remedy(lacking.commands("stamp-llava", None), None, "x.sh") == (
        "These are benchmarks of the scenes of stamps: `otanalysis evaluate --scenes stamps --model FOLDER "
        "--out accuracy.csv` measures them."
    )


def test_a_name_that_no_known_task_has_gets_a_remedy_of_its_own() -> None:
    lacking = MissingScores({Setting("full", 1.0): ("my-benchmark", "gqa")}, given=True)
    remedy = lacking.remedy(lacking.commands("m", "table.csv"), "table.csv", "x.sh")
    assert "my-benchmark: if lmms-eval has a task of that name" in remedy
    assert "draw again" not in remedy
    plain = MissingScores({Setting("full", 1.0): ("gqa",)}, given=False)
    known = plain.remedy(plain.commands("m", None), None, "x.sh")
    assert "draw again with --accuracy accuracy.csv" in known
    assert "if lmms-eval has a task" not in known


@pytest.fixture
def table_of_gqa(tmp_path: Path) -> Path:
    rows = [
        {
            "model": "noise",
            "benchmark": "gqa",
            "method": method,
            "ratio": ratio,
            "metric": "em",
            "value": value,
        }
        for method, ratio, value in (("full", 1.0, 60.0), ("divprune", 0.05, 50.0), ("divprune", 0.098, 55.0))
    ]
    path = tmp_path / "gqa.csv"
    write_accuracy(pd.DataFrame(rows), path)
    return path


def test_the_script_beside_the_figures_comes_and_goes_with_what_is_missing(
    make_dump: object, tmp_path: Path, table_of_gqa: Path
) -> None:
    dump = make_dump("gqa", samples=2, m=24, d=4)  # type: ignore[operator]
    out, said = tmp_path / "out", []

    def draw(accuracy: Path, only: tuple[int, ...]) -> None:
        run(only, [dump], accuracy, out, jobs=1, results=tmp_path / "r", say=said.append, progress=False)

    draw(table_of_gqa, (3,))
    script = out / "missing_scores.sh"
    assert script.read_text().startswith("#!/bin/sh\nset -e\npython -m lmms_eval --model otanalysis_hf")
    assert "DivPrune at 15%, 20%" in said[-1]
    assert "**Missing scores.**" in (out / "captions.md").read_text()
    assert (out / "figure3.png").is_file()
    draw(table_of_gqa, (4,))
    assert not script.exists()


def test_scores_under_other_names_than_the_dumps_are_told(
    make_dump: object, tmp_path: Path, table_of_gqa: Path
) -> None:
    dumps = [make_dump(name, samples=2, m=24, d=4) for name in ("gqa", "pope-val")]  # type: ignore[operator]
    table = pd.read_csv(table_of_gqa)
    write_accuracy(pd.concat([table, table.assign(benchmark="pope")]), table_of_gqa)
    said: list[str] = []
    run((3,), dumps, table_of_gqa, tmp_path / "out", jobs=1, results=tmp_path / "r", say=said.append)
    assert any("No score is of pope-val, and no dump is of pope" in line for line in said)
