"""Figures A to C from dumps on disk: measured once, drawn from their tables, captions joined."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from otanalysis.errors import InputError
from otanalysis.figures.build import RATIOS, run
from otanalysis.stats.certificate_tables import FLOOR
from otanalysis.studies.certify import CertifyStudy
from otanalysis.studies.ladder import LadderStudy
from otanalysis.studies.selections import BEST

MakeDump = Callable[..., Path]

THEORY_FIGURES = ("ladder", "scatter", "floor")


def names_of(only: tuple[str, ...]) -> set[str]:
    names = {f"{name}.{kind}" for name in only for kind in ("pdf", "png", "csv")}
    return (
        names
        | {"captions.md"}
        | ({"floor_certificates.csv", "floor_coverage.csv"} if "floor" in only else set())
    )


def test_figures_a_to_c_are_drawn_and_a_second_run_measures_nothing(
    monkeypatch: pytest.MonkeyPatch, make_dump: MakeDump, tmp_path: Path
) -> None:
    dumps = [make_dump(name, samples=2, m=20, d=3, seed=len(name)) for name in ("alpha", "gamma-rays")]
    out, results = tmp_path / "figures", tmp_path / "results"
    out.mkdir()
    (out / "captions.md").write_text("**Figure 4. Kept.** From before.\n\n**Figure C. Old.** Gone.\n")
    paths = run(THEORY_FIGURES, dumps, out=out, results=results, jobs=1, samples=1)
    assert {path.name for path in paths} == names_of(THEORY_FIGURES)
    assert all(path.stat().st_size > 200 for path in paths)
    captions = (out / "captions.md").read_text()
    heads = [captions.index(f"**Figure {name}.") for name in "4ABC"]
    assert heads == sorted(heads)
    assert all(captions.count(f"**Figure {name}.") == 1 for name in "4ABC")
    assert "From before." in captions
    assert "Gone." not in captions
    assert "2 images of 2 benchmarks" in captions

    floor = pd.read_csv(out / "floor.csv")
    assert {FLOOR, BEST} <= set(floor["method"])
    assert sorted(floor["ratio"].unique()) == sorted(RATIOS)
    proven = pd.read_csv(out / "floor_certificates.csv")
    assert (proven.loc[proven["quantity"] == "over_floor", "value"] >= 1.0).all()
    assert set(pd.read_csv(out / "scatter.csv")["ratio"]) == {0.098}

    def refuse(*_: object) -> object:
        raise AssertionError("a sample was measured again")

    before = {path.name: path.read_bytes() for path in paths}
    for study in (CertifyStudy, LadderStudy):
        monkeypatch.setattr(study, "__call__", refuse)
    again = run(("scatter", "floor"), dumps, out=out, results=results, jobs=1, samples=1)
    assert {path.name for path in again} == names_of(("scatter", "floor"))
    assert all(path.read_bytes() == before[path.name] for path in again)
    with pytest.raises(AssertionError, match="measured again"):
        run(("floor",), dumps, out=out, results=results, jobs=1, samples=2)


def test_options_reach_the_floor_alone(make_dump: MakeDump, tmp_path: Path) -> None:
    out = tmp_path / "out"
    paths = run(
        ("floor",),
        [make_dump("alpha", samples=2, m=30, d=4)],
        out=out,
        results=tmp_path / "results",
        jobs=1,
        samples=2,
        normalise="rows",
        distance="w2_squared",
    )
    assert {path.name for path in paths} == names_of(("floor",))
    table = pd.read_csv(out / "floor.csv")
    assert set(table["normalisation"]) == {"rows"}
    assert set(table["distance_kind"]) == {"w2_squared"}
    assert set(table.loc[table["benchmark"] == "alpha", "n"]) == {2}
    assert "row-normalised tokens" in (out / "captions.md").read_text()
    assert not list((tmp_path / "results").rglob("ladder*"))


@pytest.mark.parametrize(
    ("options", "words"),
    [({"only": ("flor",)}, "'flor' was asked for"), ({"samples": 0}, "samples must be at least 1")],
)
def test_a_mistake_is_told_before_anything_is_written(
    make_dump: MakeDump, tmp_path: Path, options: dict[str, object], words: str
) -> None:
    given = {"only": ("floor",), "dumps": [make_dump("alpha")], "out": tmp_path / "out"}
    with pytest.raises(InputError, match=words):
        run(**{**given, **options, "results": tmp_path / "results"})  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "results").exists()
