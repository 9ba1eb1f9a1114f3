"""``otanalysis keep-distances``: from a sweep by the command line to the small table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from typer.testing import CliRunner, Result

from otanalysis.cli import app
from otanalysis.studies.world_distances import read_distances
from tests.studies.scene_dumps import scenes_dump

Refused = Callable[[Result, str, Path], None]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_sweep_with_gammas_of_each_method_becomes_a_small_table(tmp_path: Path) -> None:
    dump = scenes_dump(tmp_path / "stamps" / "where")
    gammas = ("--gammas", "otprune = 0.01,1; otprune-paper=0.05", "--methods", "otprune,otprune-paper,first")
    how = ("--ratios", 0.25, "--distances", "all", "--jobs", 1, "--quiet")
    swept = run("sweep", dump, *gammas, *how, "--out", tmp_path / "results")
    assert swept.exit_code == 0, swept.output
    out = tmp_path / "distances.parquet"
    done = run("keep-distances", dump, "--sweep", swept.stdout.strip(), "--out", out)
    assert done.exit_code == 0, done.output
    assert done.stdout.split() == [str(out)]
    rows = read_distances(out, "stamps")
    found = rows.groupby("method")["gamma"].unique().map(lambda values: sorted(values.tolist()))
    assert (found["otprune"], found["otprune-paper"]) == ([0.01, 1.0], [0.05])


def test_what_is_no_sweep_is_refused(tmp_path: Path, assert_refused: Refused) -> None:
    dump, out = scenes_dump(tmp_path / "where"), tmp_path / "distances.parquet"
    done = run("keep-distances", dump, "--sweep", dump / "manifest.json", "--out", out)
    assert_refused(done, "is not a table that otanalysis wrote", out)
    swept = run("sweep", dump, "--gammas", "otprune=0.01;0.1", "--out", tmp_path / "results")
    assert_refused(swept, "--gammas wants METHOD=GAMMA,... for each method, got '0.1'", tmp_path / "results")
    swept = run("sweep", dump, "--gammas", "otprune=0.01;otprune = 0.1", "--out", tmp_path / "results")
    assert_refused(swept, "--gammas wants each method once, all its gammas together", tmp_path / "results")
    gammas = ("--methods", "first", "--gammas", "otprune=0.5")
    swept = run("sweep", dump, *gammas, "--out", tmp_path / "results")
    assert_refused(
        swept, "--gammas is for methods of --methods, and otprune is none of first", tmp_path / "results"
    )


def test_a_sweep_is_not_overwritten(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep.parquet"
    sweep.write_bytes(b"kept sets")
    done = run("keep-distances", tmp_path, "--sweep", sweep, "--out", tmp_path / "." / "sweep.parquet")
    assert done.exit_code == 2
    assert "is a sweep itself, whose kept sets would be lost" in done.output.replace("\n", " ")
    assert sweep.read_bytes() == b"kept sets"
