"""``otanalysis certify`` prints what it writes, fails on a broken certificate, names mistakes in a line."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner, Result

from otanalysis.cli.certify import certify
from otanalysis.defaults import COMPARED_METHODS
from otanalysis.errors import StorageError
from otanalysis.progress import reported
from otanalysis.selection import SELECTORS
from otanalysis.studies.coverage import COVERAGE_METHODS
from otanalysis.tokens import DumpWriter
from otanalysis.transport import ExactTransport, wasserstein2

Refused = Callable[[Result, str, Path], None]
MakeDump = Callable[..., Path]
SMALL = ("--ratios", "0.25,0.5", "--seeds", "0,1", "--jobs", "1", "--quiet")
DRAWN = sum(SELECTORS[name].stochastic for name in COMPARED_METHODS)


def run(*arguments: object) -> Result:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(reported()(certify))
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_earlier_results_stay_where_the_last_table_cannot_be_written(
    make_dump: MakeDump, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dump, out = make_dump("a", samples=1, m=8), tmp_path / "out"
    how = (dump, "--methods", "otprune", "--seeds", "0", "--jobs", "1", "--quiet", "--out", out)
    assert run(*how, "--ratios", "0.25").exit_code == 0
    earlier = {path: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert len(earlier) == 7

    def full(path: Path) -> None:
        raise StorageError(f"{path} cannot be written: the disk is full.")

    monkeypatch.setattr("otanalysis.studies.coverage.summarise_coverage", full)
    assert run(*how, "--ratios", "0.5").exit_code == 2
    assert {path: path.read_bytes() for path in out.iterdir() if path.is_file()} == earlier


def test_the_printed_numbers_are_those_of_the_written_tables(make_dump: MakeDump, tmp_path: Path) -> None:
    dumps = [make_dump("a", samples=2, m=16), make_dump("b", samples=2, m=16, seed=1)]
    result = run(*dumps, *SMALL, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    rows = pd.read_parquet(tmp_path / "out" / "certify.parquet")
    assert len(rows) == 4 * 2 * (len(COMPARED_METHODS) + DRAWN + 1)
    overall = [
        table[table["benchmark"] == "mean"].set_index(["quantity", "method", "ratio"])
        for table in (
            pd.read_csv(tmp_path / "out" / f"{name}_summary.csv") for name in ("certify", "coverage")
        )
    ]
    said = [(table, quantity) for table in overall for quantity in ("over_floor", "gap_closed")]
    for method in (*COMPARED_METHODS, "best"):
        lines = [line for line in result.stdout.splitlines() if re.match(rf"│ {method} ", line)]
        for (table, quantity), line in zip(said, lines, strict=True):
            for ratio in (0.25, 0.5):
                row = table.loc[(quantity, method, ratio)]
                if row["low"] < row["high"]:
                    assert f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})" in line
                else:
                    assert f"{row['value']:.2f}" in line
    assert set(overall[1].index.get_level_values("method")) == {*COVERAGE_METHODS, "best"}
    greedy = pd.read_csv(tmp_path / "out" / "certify_greedy.csv").set_index(["benchmark", "ratio"])
    row = greedy.loc[("mean", 0.25)]
    shown = " │ ".join(f"{row[name]:.4f}" for name in ("median", "low", "worst"))
    assert shown in result.stdout
    said = " ".join(result.stdout.split())
    assert "4 images." in said
    assert f"{len(rows)} of {len(rows)}" in said
    for name in ("certify", "coverage"):
        assert str(tmp_path / "out" / f"{name}.parquet") in result.stdout.replace("\n", "")


def test_images_of_one_name_in_two_dumps_are_two(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with DumpWriter(tmp_path / name, model="noise", benchmark=name) as writer:
            writer.add("image-1", np.random.default_rng(len(name) + ord(name)).standard_normal((12, 3)))
    result = run(tmp_path / "a", tmp_path / "b", *SMALL, "--methods", "uniform", "--out", tmp_path / "out")
    assert "2 images." in result.stdout


def test_json_holds_the_overall_rows_of_the_chosen_methods(make_dump: MakeDump, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ("--json", "--limit", 1, "--methods", "otprune,random", "--normalise", "rows", "--effort", 0.5)
    result = run(make_dump("a", samples=2), *SMALL, *options, "--gamma", 0.5, "--out", out)
    assert result.exit_code == 0, result.stderr
    said = json.loads(result.stdout)
    assert set(said) == {"distance", "coverage", "greedy"}
    for name, file in (("distance", "certify"), ("coverage", "coverage")):
        table = pd.DataFrame(said[name])
        assert set(table["method"]) == {"otprune", "random", "best"}
        assert len(table) == 2 * 2 * 3
        assert set(table["n"]) == {1}
        assert set(table["normalisation"]) == {"rows"}
        assert (table.loc[table["quantity"] == "over_floor", "value"] >= 1.0).all()
        assert set(pd.read_parquet(out / f"{file}.parquet")["gamma"].dropna()) == {0.5}
    assert [one["n"] for one in said["greedy"]] == [1, 1]
    assert {one["benchmark"] for one in said["greedy"]} == {"mean"}


def test_the_surrogate_may_be_judged_by_the_papers_gamma(make_dump: MakeDump, tmp_path: Path) -> None:
    dump = make_dump("a", samples=1)
    for gamma_of in ("released", "paper"):
        options = ("--methods", "otprune-paper", "--gamma", 0.5, "--gamma-of", gamma_of)
        result = run(dump, *SMALL, *options, "--out", tmp_path / gamma_of)
        assert result.exit_code == 0, result.stderr
    released, paper = (
        pd.read_parquet(tmp_path / gamma_of / "certify.parquet") for gamma_of in ("released", "paper")
    )
    assert (released["w2"] == paper["w2"]).all(), "what the method keeps does not hang on it"
    assert (released["logdet_ceiling"] < paper["logdet_ceiling"]).all(), "the factor is gamma m / k"


def test_without_random_no_share_is_printed(make_dump: MakeDump, tmp_path: Path) -> None:
    result = run(make_dump("a", samples=1), *SMALL, "--methods", "uniform", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert "over its certified floor" in result.stdout
    assert "down to the floor" not in result.stdout


def test_keeping_all_tokens_is_printed_without_a_share(make_dump: MakeDump, tmp_path: Path) -> None:
    result = run(
        make_dump("a", samples=1), "--ratios", "1", "--jobs", 1, "--quiet", "--out", tmp_path / "out"
    )
    assert result.exit_code == 0, result.stderr
    assert re.search(r"│ otprune +│ +1\.00 │", result.stdout)
    assert "nan" not in result.stdout


def test_a_second_call_says_the_same_and_measures_nothing(
    monkeypatch: pytest.MonkeyPatch, make_dump: MakeDump, tmp_path: Path
) -> None:
    call = (make_dump("a", samples=1), *SMALL, "--methods", "random", "--out", tmp_path / "out")
    first = run(*call)
    monkeypatch.delattr("otanalysis.studies.certify.wasserstein2_floor")
    monkeypatch.delattr("otanalysis.studies.coverage.quantisation_floor")
    assert run(*call).stdout == first.stdout


def test_a_broken_certificate_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, make_dump: MakeDump, tmp_path: Path
) -> None:
    def lying(tokens: np.ndarray, kept: np.ndarray, **options: object) -> ExactTransport:
        honest = wasserstein2(tokens, kept, **options)  # type: ignore[arg-type]
        u, v = honest.potentials
        return dataclasses.replace(honest, potentials=(u - 1.0, v)) if 0 in kept else honest

    monkeypatch.setattr("otanalysis.studies.certify.wasserstein2", lying)
    result = run(make_dump("a", samples=1), *SMALL, "--methods", "first,last", "--out", tmp_path / "out")
    assert result.exit_code == 1
    rows = pd.read_parquet(tmp_path / "out" / "certify.parquet")
    assert set(rows.loc[~rows["certified"], "method"]) - {"best"} == {"first"}
    assert f"{int(rows['certified'].sum())} of {len(rows)}" in " ".join(result.stdout.split())
    asked = run(make_dump("b", samples=1), *SMALL, "--methods", "first", "--json", "--out", tmp_path / "json")
    assert asked.exit_code == 1
    assert set(json.loads(asked.stdout)) == {"distance", "coverage", "greedy"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--methods", "clairvoyant"], "Unknown method 'clairvoyant'"),
        (["--methods", ","], "--methods"),
        (["--ratios", "a"], "--ratios"),
        (["--ratios", "2"], "(0, 1]"),
        (["--seeds", "x"], "--seeds"),
        (["--normalise", "cells"], "Unknown normalisation 'cells'"),
        (["--gamma", "0"], "gamma"),
        (["--gamma-of", "mine"], "gamma_of must be one of released, paper"),
        (["--effort", "0"], "effort"),
        (["--effort", "inf"], "effort"),
        (["--limit", "0"], "limit must be at least 1"),
        (["--jobs", "0"], "jobs must be at least 1"),
    ],
)
def test_mistakes_are_one_sentence(
    make_dump: MakeDump, assert_refused: Refused, tmp_path: Path, options: list[str], message: str
) -> None:
    assert_refused(run(make_dump("a"), *options, "--out", tmp_path / "out"), message, tmp_path / "out")


def test_a_missing_dump_is_one_sentence(tmp_path: Path) -> None:
    result = run(tmp_path / "nowhere", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "nowhere" in result.stderr
    assert result.stderr.count("\n") == 1
