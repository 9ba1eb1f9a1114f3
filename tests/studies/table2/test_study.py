"""The synthetic table: every number by its definition, blocks found again, and the published table."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from itertools import combinations
from math import comb
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner, Result

from otanalysis.cli.synthetic import synthetic as command
from otanalysis.errors import InputError
from otanalysis.progress import reported
from otanalysis.selection import SELECTORS, select
from otanalysis.selection.otprune import OTPrune, OTPrunePaper
from otanalysis.studies.provenance import read_provenance, write_table
from otanalysis.studies.table2 import study as synthetic_module
from otanalysis.studies.table2.laws import SIZES, Size
from otanalysis.studies.table2.study import (
    ENUMERATED_PER_DRAW,
    METHODS,
    SyntheticBlock,
    SyntheticTrial,
    summarise_synthetic,
    synthetic,
)
from otanalysis.studies.table2.tables import (
    ALL_SUBSETS,
    PAPER_RUNG,
    RATIO,
    WIN_RATE,
    closest_sentence,
    compare_with_published,
    published_synthetic,
    synthetic_table,
)
from otanalysis.surrogate import RUNGS, Ladder

SMALL = Size(8, 3, 3)
MEDIUM = Size(11, 4, 4)
ROUNDING = 1e-9
EVERY_RUNG = tuple(rung.number for rung in RUNGS)
SELECTED = tuple(SELECTORS[name] for name in METHODS)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic")
    sizes = [SMALL, MEDIUM]
    laws = ["gaussian", "unit-rows"]
    return synthetic(sizes=sizes, laws=laws, rungs=EVERY_RUNG, trials=2, draws=40, out=folder, progress=False)


@pytest.fixture(scope="module")
def rows(measured: Path) -> pd.DataFrame:
    return pd.read_parquet(measured)


def test_there_is_a_row_for_everything(rows: pd.DataFrame) -> None:
    keys = ["m", "law", "trial", "rung", "method"]
    assert len(rows) == 2 * 2 * 2 * len(RUNGS) * len(METHODS)
    assert not rows.duplicated(keys).any()
    assert set(rows["method"]) == set(METHODS)
    assert set(rows["optimum"]) == {"enumerated"}
    assert rows["wins"].between(0, rows["draws"]).all()
    small = rows["m"] == SMALL.m
    assert set(rows.loc[small, "draws"]) == {comb(8, 3)}
    assert rows.loc[small, "every"].all()
    assert set(rows.loc[~small, "draws"]) == {40}
    assert not rows.loc[~small, "every"].any()


def test_no_method_and_no_subset_beats_the_optimum(rows: pd.DataFrame) -> None:
    for rung in RUNGS:
        own = rows[rows["rung"] == rung.number]
        for column in ("value", "random_best"):
            values, best = (own[name].to_numpy() for name in (column, "best_known"))
            assert (rung.badness(values) >= rung.badness(best) - ROUNDING).all()
        assert (own["best_known"] == own["bound"]).all()
        np.testing.assert_allclose(
            own.loc[own["every"], "random_best"], own.loc[own["every"], "best_known"], rtol=ROUNDING
        )


@pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: rung.column)
@pytest.mark.parametrize("normalise", ["none", "columns"])
def test_wins_are_counted_over_all_subsets_of_the_plain_ladder(rung: Any, normalise: Any) -> None:
    trial = SyntheticTrial(SMALL, "gaussian", 0, 5)
    block = SyntheticBlock(trial, normalise, rung.number, 0, comb(8, 3), True, SELECTED)
    found = pd.DataFrame(block()).set_index("method")
    ladder = Ladder(trial.tokens(), normalise=normalise)
    every = [
        float(rung.badness(np.asarray(ladder.values(np.array(kept))[rung.column])))
        for kept in combinations(range(8), 3)
    ]
    assert found["random_best"].unique() == pytest.approx([abs(min(every))], rel=1e-7)
    for name in METHODS:
        kept = select(trial.tokens(), name, keep=3).indices
        bad = float(rung.badness(np.asarray(ladder.values(kept)[rung.column])))
        assert found.loc[name, "value"] == pytest.approx(abs(bad), rel=1e-7)
        assert found.loc[name, "wins"] == sum(other > bad + ROUNDING for other in every)


def test_the_win_rate_is_strict_and_the_best_subset_ties_with_itself() -> None:
    """The best subset beats all but itself; counting ties half it would win half a subset more."""

    class Best:
        name = "best"

        def __call__(self, tokens: Any, keep: int, **_: Any) -> Any:
            ladder = Ladder(tokens, normalise="columns")
            every = [np.array(kept) for kept in combinations(range(len(tokens)), keep)]
            values = [ladder.values(kept)["trace_objective"] for kept in every]
            return SimpleNamespace(indices=every[int(np.argmax(values))])

    trial = SyntheticTrial(SMALL, "gaussian", 0, 0)
    [row] = SyntheticBlock(trial, "columns", PAPER_RUNG, 0, comb(8, 3), True, (Best(),))()  # type: ignore[arg-type]
    assert row["wins"] == comb(8, 3) - 1
    assert row["value"] == row["random_best"] == pytest.approx(row["best_known"], rel=ROUNDING)


def test_random_subsets_estimate_the_share_of_all() -> None:
    trial = SyntheticTrial(MEDIUM, "gaussian", 0, 0)

    def share(count: int, every: bool) -> pd.Series:
        found = pd.DataFrame(SyntheticBlock(trial, "columns", PAPER_RUNG, 0, count, every, SELECTED)())
        return found.set_index("method")["wins"] / count

    drawn, whole = share(20_000, False), share(comb(11, 4), True)
    # Five standard deviations of a share of 20 000 draws.
    assert (drawn - whole).abs().max() < 5 * 0.5 / np.sqrt(20_000)
    assert whole["divprune"] < whole["otprune"]


def test_blocks_put_together_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {"sizes": [MEDIUM], "laws": ["uniform"], "trials": 2, "progress": False}
    whole = summarise_synthetic(synthetic(**asked, draws=comb(11, 4), out=tmp_path / "whole")).table
    monkeypatch.setattr(synthetic_module, "BLOCK", 100)
    path = synthetic(**asked, draws=comb(11, 4), out=tmp_path / "blocks")
    assert pd.read_parquet(path).groupby("trial")["first"].unique().iloc[0].tolist() == [0, 100, 200, 300]
    pd.testing.assert_frame_equal(summarise_synthetic(path).table, whole)


def test_more_draws_go_on_from_the_finished_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic_module, "BLOCK", 20)
    calls: list[int] = []
    original = SyntheticBlock.__call__

    def counted(self: SyntheticBlock) -> list[dict[str, Any]]:
        calls.append(self.first)
        return original(self)

    monkeypatch.setattr(SyntheticBlock, "__call__", counted)
    asked: dict[str, Any] = {"sizes": [MEDIUM], "laws": ["gaussian"], "trials": 1, "progress": False}
    synthetic(**asked, draws=40, out=tmp_path)
    assert sorted(calls) == [0, 20]
    table = pd.read_parquet(synthetic(**asked, draws=60, out=tmp_path))
    assert calls[2:] == [40]
    wins = table.groupby("first")["wins"].apply(list)
    assert wins[0] != wins[20] or wins[20] != wins[40]  # blocks are no copies of each other


def test_the_papers_first_two_rows_are_over_all_subsets_with_its_draws() -> None:
    assert comb(30, 10) == ALL_SUBSETS
    full = 10_000_000
    for size in SIZES:
        every = [
            block.every
            for block in synthetic_module._blocks(
                SyntheticTrial(size, "gaussian", 0, 0), "columns", PAPER_RUNG, full, SELECTED
            )
        ]
        assert set(every) == {size in SIZES[:2]}
        assert (comb(size.m, size.keep) <= ENUMERATED_PER_DRAW * full) == (size in SIZES[:2])


def test_trials_follow_seed_and_number() -> None:
    def numbers(trial: SyntheticTrial) -> list[float]:
        block = SyntheticBlock(trial, "columns", PAPER_RUNG, 0, 30, False, SELECTED)
        return [row[name] for row in block() for name in ("value", "random_best")]

    first = numbers(SyntheticTrial(SMALL, "uniform", 0, 0))
    assert first == numbers(SyntheticTrial(SMALL, "uniform", 0, 0))
    for other in (
        SyntheticTrial(SMALL, "uniform", 1, 0),
        SyntheticTrial(SMALL, "uniform", 0, 1),
        SyntheticTrial(SMALL, "gaussian", 0, 0),
    ):
        assert first != numbers(other)


def test_finished_trials_are_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[SyntheticTrial] = []
    original = SyntheticBlock.__call__

    def counted(self: SyntheticBlock) -> list[dict[str, Any]]:
        calls.append(self.trial)
        return original(self)

    monkeypatch.setattr(SyntheticBlock, "__call__", counted)
    asked: dict[str, Any] = {"sizes": [SMALL], "laws": ["gaussian"], "out": tmp_path, "progress": False}
    first = pd.read_parquet(synthetic(trials=1, **asked))
    longer = synthetic(trials=3, **asked)
    assert [trial.number for trial in calls] == [0, 1, 2]
    table = pd.read_parquet(longer)
    pd.testing.assert_frame_equal(table[table["trial"] == 0].reset_index(drop=True), first)
    synthetic(trials=3, **asked)
    assert len(calls) == 3
    longer.unlink()
    broken = sorted((tmp_path / "parts-synthetic").glob("*.parquet"))[0]
    broken.write_bytes(broken.read_bytes()[:50])
    pd.testing.assert_frame_equal(pd.read_parquet(synthetic(trials=3, **asked)), table)
    assert len(calls) == 4
    assert read_provenance(longer)["settings"]["trials"] == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"laws": ["normal"]}, "Unknown law 'normal'; known are gaussian"),
        ({"methods": ["greedy"]}, "Unknown method 'greedy'; known are otprune, "),
        ({"rungs": [6]}, "Unknown rung 6; known are 0, 1"),
        ({"gammas": []}, "gammas must be distinct and at least one"),
        ({"gammas": [-1.0]}, "gamma must be"),
        ({"normalisations": ["tokens"]}, "normalise"),
        ({"draws": 0}, "draws must be at least 1, got 0"),
        ({"laws": []}, "laws must be distinct and at least one"),
        ({"sizes": [SMALL, SMALL]}, "sizes must be distinct"),
        ({"trials": 0}, "trials must be at least 1, got 0"),
        ({"jobs": 0}, "jobs must be at least 1"),
        ({"seed": -1}, "seed must be at least 0"),
    ],
)
def test_mistakes_are_named_before_anything_is_written(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    asked: dict[str, Any] = {"sizes": [SMALL], "laws": ["gaussian"], "trials": 1} | changes
    with pytest.raises(InputError, match=words):
        synthetic(**asked, out=tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("m", "d", "keep"), [(5, 3, 5), (5, 3, 0), (5, 0, 2)])
def test_a_size_leaves_something_to_choose(m: int, d: int, keep: int) -> None:
    with pytest.raises(InputError, match=r"1 <= keep < m"):
        Size(m, d, keep)


def test_every_gamma_is_measured_in_both_units(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"sizes": [MEDIUM], "laws": ["gaussian"], "trials": 1, "progress": False}
    table = pd.read_parquet(synthetic(**asked, gammas=[0.01, 100.0], draws=10, out=tmp_path))
    found = table.set_index(["method", "gamma"])["value"]
    trial = SyntheticTrial(MEDIUM, "gaussian", 0, 0)
    for kind in (OTPrune, OTPrunePaper):
        for gamma in (0.01, 100.0):
            kept = select(trial.tokens(), kind(gamma=gamma), keep=MEDIUM.keep).indices
            value = Ladder(trial.tokens(), normalise="columns").values(kept)["trace_objective"]
            assert found[kind.name, gamma] == pytest.approx(value, rel=ROUNDING)
    assert table["gamma"].isna().sum() == 1  # DivPrune has none


def made(**changes: Any) -> pd.DataFrame:
    """Return one row of a table of trials: 8 of 10 on a size whose optimum is the best random subset."""
    row = {"m": 100, "d": 50, "keep": 30, "law": "gaussian", "trial": 0, "normalise": "columns", "rung": 3}
    row |= {"quantity": "trace_objective", "method": "otprune", "gamma": 0.01, "first": 0, "draws": 4}
    row |= {"every": False, "value": 8.0, "wins": 3, "random_best": 10.0, "best_known": 12.0, "bound": 16.0}
    return pd.DataFrame([row | {"optimum": "certificate"} | changes])


@pytest.mark.parametrize(
    ("changes", "ratio", "certified"),
    [
        ({}, 0.8, 0.5),
        ({"m": 30, "d": 20, "keep": 10}, 8 / 12, 0.5),  # over all subsets
        ({"random_best": 7.0}, 1.0, 0.5),  # better than every random one
        ({"m": 20, "d": 10, "keep": 5, "every": True, "random_best": 12.0}, 8 / 12, 8 / 12),
        ({"rung": 0, "random_best": 6.0, "best_known": 5.0, "bound": 4.0}, 0.75, 0.5),
        ({"rung": 0, "random_best": 0.0, "value": 0.0, "best_known": 0.0, "bound": 0.0}, 1.0, 1.0),
    ],
)
def test_ratios_have_the_values_of_a_hand_calculation(
    changes: dict[str, Any], ratio: float, certified: float
) -> None:
    table = synthetic_table(made(**changes)).set_index("measure")
    assert table.loc[RATIO, "value"] == pytest.approx(ratio)
    assert table.loc[RATIO, "certified"] == pytest.approx(certified)
    assert table.loc[WIN_RATE, "value"] == 0.75
    assert table["certified"].isna().loc[WIN_RATE]


def test_blocks_add_up_to_their_trial() -> None:
    later = made(first=4, wins=1, random_best=20.0, best_known=np.nan, bound=np.nan, optimum="")
    table = synthetic_table(pd.concat([made(), later])).set_index("measure")
    assert table.loc[WIN_RATE, "value"] == 4 / 8
    assert table.loc[RATIO, "value"] == 8 / 20
    assert set(table["draws"]) == {8}
    assert set(table["optimum"]) == {"certificate"}


def test_means_are_plain_means_and_intervals_hold_them(rows: pd.DataFrame) -> None:
    table = synthetic_table(rows)
    pick = {"m": MEDIUM.m, "law": "gaussian", "rung": 2, "method": "divprune"}
    own = rows.loc[np.logical_and.reduce([rows[name] == wanted for name, wanted in pick.items()])]
    cell = table.loc[np.logical_and.reduce([table[name] == wanted for name, wanted in pick.items()])]
    cell = cell.set_index("measure")
    share = own["best_known"] / own["value"]
    assert cell.loc[WIN_RATE, "value"] == pytest.approx((own["wins"] / own["draws"]).mean())
    assert cell.loc[RATIO, "value"] == pytest.approx(share.mean())
    assert cell.loc[RATIO, "certified"] == pytest.approx(share.mean())
    assert cell.loc[RATIO, "low"] == pytest.approx(share.min())
    assert cell.loc[RATIO, "high"] == pytest.approx(share.max())
    assert set(table["trials"]) == {2}


def test_a_single_trial_has_no_interval(rows: pd.DataFrame) -> None:
    table = synthetic_table(rows[rows["trial"] == 0])
    assert table[["low", "high"]].isna().all(axis=None)
    assert table["value"].notna().all()


def test_mixed_ways_to_the_optimum_are_named_with_their_shares(rows: pd.DataFrame) -> None:
    mixed = rows.assign(optimum=np.where(rows["trial"] == 0, "milp", "certificate"))
    assert set(synthetic_table(mixed)["optimum"]) == {"milp (50%), certificate (50%)"}


def published_rows(**values: dict[str, tuple[float, int]]) -> pd.DataFrame:
    """Return a trial a law of the first size: value and wins of 10 000, over an optimum of 1."""
    first = {
        "m": 20,
        "d": 10,
        "keep": 5,
        "random_best": 1.0,
        "best_known": 1.0,
        "bound": 1.0,
        "draws": 10_000,
    }
    return pd.concat(
        made(**first, law=law, method=method, gamma=gamma, value=value, wins=wins)
        for law, methods in values.items()
        for method, (value, wins) in methods.items()
        for gamma in [np.nan if method == "divprune" else 0.01]
    )


def test_the_comparison_recognises_the_published_numbers_and_a_shift() -> None:
    exact = {"otprune": (0.8781, 9456), "divprune": (0.7453, 6014)}
    shifted = {"otprune": (0.9781, 9456), "otprune-paper": (0.8781, 9456), "divprune": (0.7453, 6214)}
    table = synthetic_table(published_rows(uniform=shifted, gaussian=exact))
    found = compare_with_published(table)
    overall = found[found["m"].isna()]
    assert overall[["law", "method"]].to_numpy().tolist() == [
        ["gaussian", "otprune"],
        ["uniform", "otprune-paper"],
        ["uniform", "otprune"],
    ]
    np.testing.assert_allclose(overall["ratio_gap"].to_numpy(float), [0.0, 0.0, 5.0], atol=ROUNDING)
    np.testing.assert_allclose(overall["win_gap"].to_numpy(float), [0.0, 1.0, 1.0], atol=ROUNDING)
    assert overall["sizes"].tolist() == [1, 1, 1]
    assert len(found) == 6  # over all sizes, and each
    said = closest_sentence(table, found)
    assert "Closest of 3 combinations: gaussian tokens" in said
    assert "off by 0.0 percentage points" in said
    worse = table[table["law"] == "uniform"]
    assert "in the win rate of divprune at 20x10x5: 62.14 measured, 60.14 published" in closest_sentence(
        worse, compare_with_published(worse)
    )


def test_only_the_papers_objective_is_compared(rows: pd.DataFrame) -> None:
    trial = published_rows(gaussian={"otprune": (0.8, 9000)})
    table = synthetic_table(pd.concat([trial, trial.assign(rung=5)]))
    assert table.groupby("rung")["published"].count().to_dict() == {3: 2, 5: 0}
    small = synthetic_table(rows[rows["m"] == SMALL.m])
    assert compare_with_published(small).empty
    assert "nothing to compare" in closest_sentence(small, compare_with_published(small))


def test_the_published_table_is_read_as_shares(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    table = published_synthetic()
    assert len(table) == 10
    shares = table[[RATIO, WIN_RATE]].to_numpy()
    assert ((shares >= 0.5) & (shares <= 1)).all()
    row = table[(table["m"] == 20) & (table["method"] == "otprune")].iloc[0]
    assert (row["ratio"], row[WIN_RATE]) == (0.8781, 0.9456)
    monkeypatch.setenv("OTANALYSIS_DATA", str(tmp_path))
    with pytest.raises(InputError, match="published table was wanted"):
        published_synthetic()
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "synthetic.csv").write_text("m,d\n1,2\n")
    with pytest.raises(InputError, match="lacks the columns k, optimality_ratio_percent"):
        published_synthetic()
    head = "m,d,k,method,optimality_ratio_percent,win_rate_percent\n"
    for rows, message in (
        ("20,10,5,divprune,74.5,\n", "win_rate_percent that is no number"),
        ("20\n", "Line 2"),
    ):
        (tmp_path / "published" / "synthetic.csv").write_text(head + rows)
        with pytest.raises(InputError, match=message):
            published_synthetic()


def test_the_summary_lies_beside_its_table(measured: Path) -> None:
    summary = summarise_synthetic(measured)
    read = pd.read_csv(measured.with_name("synthetic_summary.csv"))
    np.testing.assert_allclose(read["value"], summary.table["value"], rtol=1e-7)
    published = pd.read_csv(measured.with_name("synthetic_published.csv"))
    assert len(published) == len(summary.comparison)
    provenance = json.loads(measured.with_name("synthetic_summary.provenance.json").read_text())
    assert provenance == read_provenance(measured)
    with pytest.raises(InputError, match="is not a table that otanalysis wrote"):
        summarise_synthetic(measured.with_name("synthetic_summary.csv"))


def test_a_table_by_the_definitions_of_before_is_measured_again(tmp_path: Path) -> None:
    stored = Path(__file__).parents[2] / "data" / "results_0.1.0" / "results"
    shutil.copytree(stored, tmp_path, dirs_exist_ok=True)
    with pytest.raises(InputError, match=r"lacks the columns .*wins.*pass the synthetic.parquet of"):
        summarise_synthetic(tmp_path / "synthetic.parquet")
    path = synthetic(sizes=[SMALL], laws=["gaussian"], trials=2, draws=5, out=tmp_path, progress=False)
    assert set(summarise_synthetic(path).table["draws"]) == {5}


def test_a_column_of_another_type_is_refused(measured: Path, tmp_path: Path) -> None:
    table = pq.read_table(measured)
    place = table.column_names.index("value")
    texts = table.set_column(place, "value", pa.array(["x"] * len(table)))
    write_table(tmp_path / "synthetic.parquet", texts, request="r", about={})
    with pytest.raises(InputError, match="has value of another type"):
        summarise_synthetic(tmp_path / "synthetic.parquet")


@pytest.fixture
def run() -> Callable[..., Result]:
    app = typer.Typer()
    app.command()(reported()(command))
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_prints_tables_and_json(run: Callable[..., Result], tmp_path: Path) -> None:
    asked = [
        "--trials",
        1,
        "--sizes",
        "8x3x3,20x10x5",
        "--laws",
        "gaussian",
        "--out",
        tmp_path,
        "--jobs",
        1,
        "--draws",
        50,
    ]
    shown = run(*asked, "--quiet")
    assert shown.exit_code == 0, shown.output
    assert "3 of 8 tokens of dimension 3" in shown.stdout
    assert "Closest of 2 combinations" in shown.stdout
    assert "60.1" in shown.stdout  # a published win rate
    assert (tmp_path / "synthetic_summary.csv").is_file()
    told = json.loads(run(*asked, "--json", "--quiet").stdout)
    assert {row["law"] for row in told["table"]} == {"gaussian"}
    assert told["published"][0]["sizes"] == 1
    assert told["closest"].startswith("Closest of 2 combinations")
    alone = run("--trials", 1, "--sizes", "8x3x3", "--laws", "uniform", "--out", tmp_path, "--quiet")
    assert "None of these sizes is published" in alone.stdout


@pytest.mark.parametrize("text", ["20x10", "20x10xfive", "20,10,5", "20x10x20"])
def test_the_command_names_a_wrong_size(run: Callable[..., Result], tmp_path: Path, text: str) -> None:
    result = run("--sizes", text, "--out", tmp_path, "--quiet")
    assert result.exit_code == 2
    assert "20x10x5" in result.stderr
    assert not list(tmp_path.iterdir())
