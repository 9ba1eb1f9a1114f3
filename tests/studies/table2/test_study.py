"""The synthetic table: every number by its definition, trials found again, and the published table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner, Result

from otanalysis.cli.synthetic import synthetic as command
from otanalysis.errors import InputError
from otanalysis.progress import reported
from otanalysis.selection import SELECTORS
from otanalysis.studies.provenance import read_provenance
from otanalysis.studies.table2 import study as synthetic_module
from otanalysis.studies.table2.study import Size, SyntheticTrial, summarise_synthetic, synthetic
from otanalysis.studies.table2.tables import (
    RATIOS,
    WIN_RATE,
    compare_with_published,
    published_synthetic,
    synthetic_table,
)
from otanalysis.surrogate import RUNGS, Ladder

SMALL = Size(8, 3, 3)
MEDIUM = Size(11, 4, 4)
ROUNDING = 1e-9


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic")
    sizes = [SMALL, MEDIUM]
    return synthetic(sizes=sizes, laws=["gaussian", "unit-rows"], trials=2, out=folder, progress=False)


@pytest.fixture(scope="module")
def rows(measured: Path) -> pd.DataFrame:
    return pd.read_parquet(measured)


def test_there_is_a_row_for_everything(rows: pd.DataFrame) -> None:
    keys = ["m", "law", "trial", "rung", "method"]
    assert len(rows) == 2 * 2 * 2 * len(RUNGS) * len(SELECTORS)
    assert not rows.duplicated(keys).any()
    assert set(rows["method"]) == set(SELECTORS)
    assert set(rows["optimum"]) == {"enumerated"}
    assert rows["win_rate"].between(0, 1).all()


def test_no_method_and_no_random_subset_beats_the_optimum(rows: pd.DataFrame) -> None:
    for rung in RUNGS:
        own = rows[rows["rung"] == rung.number]
        for column in ("value", "random_best", "random_mean", "random_worst"):
            assert (rung.badness(own[column]) >= rung.badness(own["best_known"]) - ROUNDING).all()
        assert (own["best_known"] == own["bound"]).all()


def test_values_and_win_rates_are_those_of_the_plain_ladder(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    original = synthetic_module.SyntheticTrial.__call__.__globals__["rung_values"]

    def recorded(ladder: Ladder, subsets: np.ndarray) -> dict[str, np.ndarray]:
        seen["tokens"], seen["subsets"] = ladder.tokens, subsets
        return dict(original(ladder, subsets))

    monkeypatch.setattr("otanalysis.studies.table2.study.rung_values", recorded)
    found = pd.DataFrame(SyntheticTrial(SMALL, "gaussian", 0, 5)())
    ladder, subsets = Ladder(seen["tokens"]), seen["subsets"]
    values = [ladder.values(kept) for kept in subsets]
    methods = len(SELECTORS)
    assert len(subsets) == methods + SMALL.draws
    assert {len(set(kept)) for kept in subsets.tolist()} == {SMALL.keep}
    for rung in RUNGS:
        random = [rung.badness(one[rung.column]) for one in values[methods:]]
        own = found[found["rung"] == rung.number].set_index("method")
        for number, name in enumerate(SELECTORS):
            bad = rung.badness(values[number][rung.column])
            wins = sum(1.0 if other > bad + ROUNDING else 0.5 * (other > bad - ROUNDING) for other in random)
            assert own.loc[name, "value"] == pytest.approx(abs(bad), rel=1e-7, abs=ROUNDING)
            assert own.loc[name, "win_rate"] == pytest.approx(wins / SMALL.draws, abs=1e-12)


def test_random_subsets_hold_every_token_equally_often(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = np.zeros(SMALL.m)

    def counted(_: Ladder, subsets: np.ndarray) -> dict[str, np.ndarray]:
        np.add.at(counts, subsets[len(SELECTORS) :].ravel(), 1)
        return {rung.column: np.arange(len(subsets), dtype=float) for rung in RUNGS}

    monkeypatch.setattr("otanalysis.studies.table2.study.rung_values", counted)
    monkeypatch.setattr("otanalysis.studies.table2.study.optima", lambda *_: _any_optimum())
    SyntheticTrial(SMALL, "gaussian", 0, 0)()
    expected = SMALL.draws * SMALL.keep / SMALL.m
    # Six standard deviations of a hypergeometric count summed over independent draws.
    assert np.abs(counts - expected).max() < 6 * np.sqrt(expected * (1 - SMALL.keep / SMALL.m))


def _any_optimum() -> dict[str, Any]:
    from otanalysis.studies.table2.optimum import Optimum

    return {rung.column: Optimum(0.0, 0.0, "enumerated") for rung in RUNGS}


def test_trials_follow_seed_and_number() -> None:
    def numbers(trial: SyntheticTrial) -> list[float]:
        return [row["value"] for row in trial()]

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
    original = SyntheticTrial.__call__

    def counted(self: SyntheticTrial) -> list[dict[str, Any]]:
        calls.append(self)
        return original(self)

    monkeypatch.setattr(SyntheticTrial, "__call__", counted)
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


def one_row(**changes: Any) -> pd.DataFrame:
    row = {"rung": 3, "value": 6.0, "random_mean": 4.0, "random_best": 5.0, "random_worst": 2.0}
    return pd.DataFrame([row | changes])


@pytest.mark.parametrize(
    ("rung", "expected"),
    [
        (3, {"share": 6 / 8, "distance": np.nan, "gain": 2 / 4, "range": 4 / 6, "best-random": 1.0}),
        (
            0,
            {"share": 8 / 6, "distance": (8 / 6) ** 0.5, "gain": 2 / 4, "range": 4 / 6, "best-random": 5 / 6},
        ),
    ],
)
def test_ratios_have_the_values_of_a_hand_calculation(rung: int, expected: dict[str, float]) -> None:
    rows = one_row(rung=rung)
    for name, definition in RATIOS.items():
        got = definition.compute(rows, np.array([8.0]))
        np.testing.assert_allclose(got, [expected[name]], rtol=1e-12, err_msg=name)


def test_ratios_are_one_at_the_optimum_even_at_zero() -> None:
    for rung, value in ((0, 0.0), (0, 3.0), (5, 9.0)):
        rows = one_row(rung=rung, value=value, random_mean=5.0, random_worst=4.0)
        for name in ("share", "gain", "range"):
            assert RATIOS[name].compute(rows, np.array([value]))[0] == 1.0
    assert np.isnan(RATIOS["share"].compute(one_row(value=1.0), np.array([0.0]))[0])


def test_means_are_plain_means_and_certified_ratios_are_not_larger(rows: pd.DataFrame) -> None:
    worse = rows.assign(bound=np.where(rows["rung"] < 3, 0.5, 1.25) * rows["bound"])
    table = synthetic_table(worse)
    pick = {"m": MEDIUM.m, "law": "gaussian", "rung": 2, "method": "dpp"}
    own = worse.loc[np.logical_and.reduce([worse[name] == wanted for name, wanted in pick.items()])]
    cell = table.loc[np.logical_and.reduce([table[name] == wanted for name, wanted in pick.items()])]
    cell = cell.set_index("measure")
    assert cell.loc[WIN_RATE, "value"] == pytest.approx(own["win_rate"].mean())
    share = own["best_known"] / own["value"]
    assert cell.loc["share", "value"] == pytest.approx(share.mean())
    assert cell.loc["share", "certified"] == pytest.approx(share.mean() / 2)
    assert cell.loc["share", "low"] == pytest.approx(share.min())
    assert cell.loc["share", "high"] == pytest.approx(share.max())
    known = table[table["certified"].notna()]
    assert (known["certified"] <= known["value"] + ROUNDING).all()
    assert set(table["trials"]) == {2}


def test_a_single_trial_has_no_interval(rows: pd.DataFrame) -> None:
    table = synthetic_table(rows[rows["trial"] == 0])
    assert table[["low", "high"]].isna().all(axis=None)
    assert table["value"].notna().all()


def test_mixed_ways_to_the_optimum_are_named_with_their_shares(rows: pd.DataFrame) -> None:
    mixed = rows.assign(optimum=np.where(rows["trial"] == 0, "milp", "certificate"))
    assert set(synthetic_table(mixed)["optimum"]) == {"milp (50%), certificate (50%)"}


def test_the_comparison_recognises_its_own_numbers_and_a_shift(rows: pd.DataFrame) -> None:
    table = synthetic_table(rows)
    picked = table[(table["law"] == "unit-rows") & (table["rung"] == 1)]
    wide = picked.pivot_table(index=["m", "d", "keep", "method"], columns="measure", values="value")
    fake = wide.reset_index().rename(columns={"gain": "ratio"})
    fake = fake[fake["method"].isin(["otprune", "divprune"])][["m", "d", "keep", "method", "ratio", WIN_RATE]]
    found = compare_with_published(table, fake)
    best = found.iloc[0]
    assert (best["law"], best["rung"], best["definition"]) == ("unit-rows", 1, "gain")
    assert best["gap"] == pytest.approx(0.0, abs=ROUNDING)
    assert best["sizes"] == 2
    assert (found.loc[1:, "gap"] > 1e-3).any()
    moved = compare_with_published(table, fake.assign(ratio=fake["ratio"] + 0.25))
    own = moved[(moved["law"] == "unit-rows") & (moved["rung"] == 1) & (moved["definition"] == "gain")]
    np.testing.assert_allclose(own["ratio_gap"].to_numpy(dtype=float), 25.0)
    np.testing.assert_allclose(own["win_gap"].to_numpy(dtype=float), 0.0, atol=ROUNDING)
    assert len(own) == 3  # over both sizes, and each


def test_nothing_published_leaves_an_empty_comparison(rows: pd.DataFrame) -> None:
    table = synthetic_table(rows[rows["m"] == SMALL.m])
    assert compare_with_published(table, published_synthetic()).empty


def test_the_published_table_is_read_as_shares(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    table = published_synthetic()
    assert len(table) == 8
    assert table[["ratio", WIN_RATE]].stack().between(0.5, 1).all()
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


@pytest.fixture
def run() -> Callable[..., Result]:
    app = typer.Typer()
    app.command()(reported()(command))
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_prints_tables_and_json(run: Callable[..., Result], tmp_path: Path) -> None:
    asked = ["--trials", 1, "--sizes", "8x3x3,20x10x5", "--laws", "gaussian", "--out", tmp_path, "--jobs", 1]
    shown = run(*asked, "--quiet")
    assert shown.exit_code == 0, shown.output
    assert "3 of 8 tokens of dimension 3" in shown.stdout
    assert "Closest to the published table" in shown.stdout
    assert "60.1" in shown.stdout  # a published win rate
    assert (tmp_path / "synthetic_summary.csv").is_file()
    told = json.loads(run(*asked, "--json", "--quiet").stdout)
    assert {row["law"] for row in told["table"]} == {"gaussian"}
    assert told["published"][0]["sizes"] == 1
    alone = run("--trials", 1, "--sizes", "8x3x3", "--laws", "uniform", "--out", tmp_path, "--quiet")
    assert "None of these sizes is published" in alone.stdout


@pytest.mark.parametrize("text", ["20x10", "20x10xfive", "20,10,5", "20x10x20"])
def test_the_command_names_a_wrong_size(run: Callable[..., Result], tmp_path: Path, text: str) -> None:
    result = run("--sizes", text, "--out", tmp_path, "--quiet")
    assert result.exit_code == 2
    assert "20x10x5" in result.stderr
    assert not list(tmp_path.iterdir())
