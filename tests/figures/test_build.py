"""From dumps on disk to figures, and every mistake as one sentence with nothing written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from otanalysis.cli import app
from otanalysis.defaults import COMPARED_METHODS
from otanalysis.errors import DumpError, InputError, OtAnalysisError
from otanalysis.figures import build
from otanalysis.figures.build import RATIOS, run
from otanalysis.figures.declaration import Declaration
from otanalysis.figures.record import DRAWN
from otanalysis.figures.registry import FIGURES
from otanalysis.studies.table2 import Size, synthetic

MakeDump = Callable[..., Path]
GAMMAS = FIGURES["5"].gammas


def accuracy_of(folder: Path, benchmarks: list[str]) -> Path:
    """A complete table: more tokens, higher score."""
    rows = []
    for benchmark in benchmarks:
        head = {"model": "noise", "benchmark": benchmark, "metric": "accuracy", "n": 400}
        rows.append(head | {"method": "full", "ratio": 1.0, "value": 0.9, "standard_error": 0.015})
        for place, method in enumerate(COMPARED_METHODS):
            for ratio in RATIOS:
                for gamma in GAMMAS.get(method, (None,)):
                    value = 0.5 + ratio + 0.01 * place
                    setting = {"method": method, "ratio": ratio, "gamma": gamma}
                    rows.append(head | setting | {"value": value, "standard_error": 0.02})
    path = folder / "accuracy.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_dumps_and_accuracies_become_figures_and_a_second_run_measures_and_draws_nothing(
    make_dump: MakeDump, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dumps = [make_dump(name, samples=2, m=24, d=4) for name in ("alpha", "beta")]
    table = accuracy_of(tmp_path, ["alpha", "beta"])
    said: list[str] = []
    out, results = tmp_path / "figures", tmp_path / "results"
    paths = run((4, 5), dumps, table, out, jobs=1, results=results, say=said.append)
    assert {path.name for path in paths} == {
        *(f"figure{n}.{kind}" for n in (4, 5) for kind in ("pdf", "png", "csv")),
        "captions.md",
    }
    assert all(path.stat().st_size > 200 for path in paths)
    assert said == []
    measured = {path: path.stat().st_mtime_ns for path in results.rglob("*.parquet")}
    before = {path.name: path.read_bytes() for path in paths}
    with monkeypatch.context() as patch:
        patch.delattr(Declaration, "tables")
        again = run((4, 5), dumps, table, out, jobs=1, results=results, say=said.append)
    assert {path.name: path.read_bytes() for path in again} == before
    assert {path: path.stat().st_mtime_ns for path in results.rglob("*.parquet")} == measured
    assert len(measured) > 0

    run((4,), dumps, table, out, jobs=1, distance="w2_squared", results=results, say=said.append)
    captions = (out / "captions.md").read_text()
    assert captions.count("**Figure 4.") == captions.count("**Figure 5.") == 1, "a caption went missing"
    assert captions.encode() != before["captions.md"]
    assert captions.count("**Model.** Measured on `noise`: what holds here") == 2


def test_a_figure_is_there_before_what_the_next_one_needs_is_measured(
    make_dump: MakeDump, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, there = tmp_path / "out", list[set[str]]()
    measured = build._measured

    def watched(*given: Any, **how: Any) -> pd.DataFrame:
        there.append({path.name for path in out.glob("[!.]*")})
        return measured(*given, **how)

    monkeypatch.setattr(build, "_measured", watched)
    dump = make_dump("alpha", samples=1, m=24, d=4)
    how: dict[str, Any] = {"results": tmp_path / "results", "jobs": 1, "say": [].append}
    run((3, "distances"), [dump], None, out, **how)
    assert there == [set(), {"figure3.pdf", "figure3.png", "figure3.csv", "captions.md", DRAWN}]


def test_without_accuracies_the_distances_are_drawn_and_the_rest_is_named(
    make_dump: MakeDump, tmp_path: Path
) -> None:
    said: list[str] = []
    paths = run(
        (3,),
        [make_dump("alpha", samples=2, m=24, d=4)],
        None,
        tmp_path / "out",
        jobs=1,
        normalise="rows",
        results=tmp_path / "results",
        say=said.append,
    )
    assert {path.name for path in paths} == {
        "figure3.pdf",
        "figure3.png",
        "figure3.csv",
        "captions.md",
        "missing_scores.sh",
    }
    assert len(said) == 1
    assert "OTPrune at 5%, 9.8%, 15%, 20%" in said[0]
    table = pd.read_csv(tmp_path / "out" / "figure3.csv")
    assert set(table.normalisation) == {"rows"}


def test_the_verdicts_are_made_of_figures_that_need_not_be_drawn(
    make_dump: MakeDump, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of dumps with a single image, by which nothing is decided."""
    dumps = [make_dump(name, samples=1, m=30, d=4, seed=len(name)) for name in ("alpha", "gamma-rays")]
    table = accuracy_of(tmp_path, ["alpha", "gamma-rays"])
    out = tmp_path / "figures"
    how: dict[str, Any] = {"out": out, "results": tmp_path / "results", "jobs": 1}
    said: list[str] = []
    paths = run(("verdicts",), dumps, table, say=said.append, progress=False, **how)
    assert {path.name for path in paths} == {"verdicts.md", "verdicts.csv"}
    assert {path.name for path in out.iterdir()} == {"verdicts.md", "verdicts.csv", DRAWN}
    found = pd.read_csv(out / "verdicts.csv")
    measured = found[found["command"].str.startswith("python -m otanalysis.figures", na=False)]
    untold = measured["claim"].str.contains("by some distance")
    assert measured["value"].notna().equals(~untold), "every table that a claim rests on was made"
    of_images = measured["place"].str.contains("Figure [24]|equation [347]")
    assert of_images.sum() == 14
    assert set(measured.loc[of_images, "verdict"]) == {"not decidable here"}
    assert measured.loc[of_images, ["low", "high"]].isna().all(axis=None)
    assert "| not known (of 30) |" in (out / "verdicts.md").read_text()
    assert set(found["verdict"]) == {"holds", "does not hold", "not decidable here"}
    assert (out / "verdicts.md").read_text().count("\n") == len(found) + 2

    few: dict[str, Any] = {"laws": ["gaussian"], "trials": 2, "draws": 5, "progress": False}
    synthetic(sizes=[Size(20, 10, 5)], out=tmp_path / "results", **few)
    run(("verdicts", "distances"), dumps, table, say=said.append, progress=False, **how)
    assert {path.name for path in out.iterdir()} == {
        *(f"distances.{kind}" for kind in ("pdf", "png", "csv")),
        *("captions.md", "verdicts.md", "verdicts.csv", DRAWN),
    }
    assert pd.read_csv(out / "verdicts.csv").set_index("place").loc["Table 2", "value"] > 0
    grid = pd.read_csv(out / "distances.csv")
    assert set(grid["normalisation"]) == {"none", "columns", "rows"}
    assert set(grid["baseline"]) == {"otprune", "otprune-paper"}
    assert set(grid["n"]) == {2}, "one image a dump"
    caption = (out / "captions.md").read_text()
    assert caption.startswith("**Figure E. ")
    assert "have no interval and no test, and decide nothing.\n\n**Model.**" in caption
    assert said == []
    before = {path: path.read_bytes() for path in out.iterdir()}
    monkeypatch.delattr(Declaration, "tables")
    monkeypatch.delattr(build, "all_claims")
    run(("verdicts", "distances"), dumps, table, say=said.append, progress=False, **how)
    assert {path: path.read_bytes() for path in out.iterdir()} == before


def test_the_share_kept_is_an_option_of_the_command(make_dump: MakeDump, tmp_path: Path) -> None:
    dump, out = make_dump("alpha", samples=2, m=24, d=4), tmp_path / "out"
    where = ["--out", str(out), "--results", str(tmp_path / "results"), "--jobs", "1", "--quiet"]
    done = CliRunner().invoke(app, ["figures", str(dump), "--only", "2", "--ratio", "0.2", *where])
    assert done.exit_code == 0, done.output
    assert set(pd.read_csv(out / "figure2.csv")["ratio"]) == {0.2}


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"only": (1,)}, InputError, "'1' was asked for"),
        ({"only": ()}, InputError, "none was asked for"),
        ({"distance": "w3"}, InputError, "'w3'"),
        ({"normalise": "tokens"}, InputError, "'tokens'"),
        ({"ratio": 0.3}, InputError, "0.3"),
        ({"jobs": 0}, InputError, "got 0"),
        ({"accuracy": "absent.csv"}, InputError, r"absent\.csv"),
        ({"dumps": ["absent-dump"]}, DumpError, "absent-dump"),
    ],
)
def test_a_mistake_is_told_before_anything_is_written(
    make_dump: MakeDump,
    tmp_path: Path,
    options: dict[str, object],
    error: type[OtAnalysisError],
    words: str,
) -> None:
    given = {"dumps": [make_dump("alpha", m=24)], "out": tmp_path / "out", "results": tmp_path / "results"}
    with pytest.raises(error, match=words):
        run(**{**given, **options})  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "results").exists()


def test_tables_that_do_not_fit_the_dumps_are_refused_before_the_sweep(
    make_dump: MakeDump, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    other = accuracy_of(tmp_path, ["gqa"])
    with pytest.raises(InputError, match="none of the benchmarks"):
        run(dumps=[make_dump("alpha")], accuracy=other, out=tmp_path / "out", results=results)
    twice = [make_dump("one", benchmark="pope"), make_dump("two", benchmark="pope", seed=1)]
    with pytest.raises(InputError, match="pope came twice"):
        run(dumps=twice, out=tmp_path / "out", results=results)
    models = pd.concat(
        [pd.read_csv(other).assign(benchmark="alpha", model=name) for name in ("llava-7b", "llava-13b")]
    )
    models.to_csv(tmp_path / "models.csv", index=False)
    with pytest.raises(InputError, match="none of which is the model"):
        run(dumps=[tmp_path / "alpha"], accuracy=tmp_path / "models.csv", results=results)
    assert not results.exists()


def test_dumps_of_two_models_and_tables_of_two_metrics_are_refused_before_the_sweep(
    make_dump: MakeDump, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    dumps = [make_dump("alpha", model="one"), make_dump("beta", model="two")]
    with pytest.raises(InputError, match="dumps of one model, and these are of one, two"):
        run(dumps=dumps, out=tmp_path / "out", results=results)
    table = pd.read_csv(accuracy_of(tmp_path, ["alpha"]))
    pd.concat([table, table.assign(metric="f1")]).to_csv(tmp_path / "metrics.csv", index=False)
    with pytest.raises(InputError, match="one metric per benchmark, and alpha have several"):
        run(dumps=dumps[:1], accuracy=tmp_path / "metrics.csv", out=tmp_path / "out", results=results)
    assert not results.exists()


def test_the_command_says_one_sentence_and_exits_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own once, and then in this one, which has loaded everything."""
    missing = ["--accuracy", "nothing.csv", "--dumps", "nowhere"]
    program = [sys.executable, "-m", "otanalysis.figures", *missing]
    done = subprocess.run(program, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "nothing.csv" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    monkeypatch.chdir(tmp_path)
    for arguments, words in ((["--dumps", "nowhere", "elsewhere"], "nowhere"), (["--only", "two"], "'two'")):
        said = CliRunner().invoke(app, ["figures", *arguments])
        assert said.exit_code == 2
        assert words in said.stderr
        assert len(said.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_help_shows_an_example() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "otanalysis.figures", "--help"], capture_output=True, text=True, check=True
    )
    assert "Example: python -m otanalysis.figures --only 2,4" in " ".join(done.stdout.split())
