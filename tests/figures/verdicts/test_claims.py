"""Every verdict follows the numbers, whichever way they fall, and none is there without numbers."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer

from otanalysis.cli import app
from otanalysis.errors import InputError
from otanalysis.figures.registry import FIGURES
from otanalysis.figures.verdicts import as_markdown, theory, verdict_table
from otanalysis.figures.verdicts.claim import PaperClaim
from otanalysis.figures.verdicts.claims import BASIS, all_claims
from otanalysis.figures.verdicts.measured import STANDS_FOR, measured_claims
from otanalysis.figures.verdicts.published import table1_claims, table2_claim
from otanalysis.figures.verdicts.theory import STATEMENTS, theory_claims
from otanalysis.files import bundled_data
from otanalysis.scores.table import read_accuracy
from otanalysis.stats.distance_grid import distance_grid
from otanalysis.stats.figure_tables import figure3_table, figure5_table
from otanalysis.stats.judging import FAILS, HOLDS, OPEN, Evidence, Within
from otanalysis.stats.ladder_tables import ladder_table
from otanalysis.stats.rank_tables import figure2_ratios
from otanalysis.studies.table2 import Size, summarise_synthetic, synthetic
from otanalysis.theorem import SubmodularEverywhere, build_claims, negative_controls
from otanalysis.theorem.check import Claim
from tests.neighbours import load

PAPER = ("first", "last", "uniform", "random", "divprune")
OTPRUNE = ("otprune", "otprune-paper")
QUICK = 20  # resamples: the verdicts below hang on values that are far from any limit


LADDER = load("stats/test_ladder_tables.py").made_up


def judged(made: dict[str, Any]) -> pd.DataFrame:
    return verdict_table(measured_claims(made))


def of(table: pd.DataFrame, words: str, quantity: str = "") -> pd.Series:
    own = table[table["claim"].str.contains(words, regex=False)]
    own = own[own["quantity"].str.contains(quantity, regex=False)]
    assert len(own) == 1, f"{len(own)} claims of {words!r}, {quantity!r}"
    return own.iloc[0]


@pytest.mark.parametrize(("slope", "verdict", "rho"), [(-0.01, HOLDS, 1.0), (0.01, FAILS, -1.0)])
def test_the_ranks_agree_or_not(tables: Any, slope: float, verdict: str, rho: float) -> None:
    accuracy = tables.accuracy.copy()
    for (name, ratio), rows in tables.sweep[tables.sweep.method.isin(PAPER)].groupby(["method", "ratio"]):
        own = (accuracy.method == name) & (accuracy.ratio == ratio)
        accuracy.loc[own, "value"] = 0.5 + slope * rows.w2.mean()
    accuracy["standard_error"] = 1e-6
    ranks = figure2_ratios(tables.sweep, accuracy, methods=PAPER, resamples=QUICK)
    row = of(judged({"figure2_ranks": ranks}), "a smaller distance")
    assert (row["verdict"], row["value"], round(row["p_value"], 4)) == (verdict, rho, 0.0167)
    assert row["tokens"] == "raw tokens, 132 images of 11 benchmarks"


def test_ranks_that_chance_could_give_decide_nothing(tables: Any) -> None:
    ranks = figure2_ratios(tables.sweep, tables.accuracy, methods=PAPER, resamples=QUICK)
    assert of(judged({"figure2_ranks": ranks}), "a smaller distance")["verdict"] == OPEN


@pytest.mark.parametrize("missing", ["divprune", "random"])
def test_a_rival_that_is_missing_leaves_the_claim_open(tables: Any, missing: str) -> None:
    table = figure3_table(tables.sweep, tables.accuracy, resamples=QUICK)
    ahead = table.assign(value=table.value + 0.5 * (table.method == "otprune"))
    of_distance = distance_grid(tables.sweep, resamples=QUICK).assign(value=2.0, low=1.9, high=2.1)
    whole = {"figure3": ahead, "distances": {"all": of_distance}}
    some = {
        "figure3": ahead[ahead.method != missing],
        "distances": {"all": of_distance[of_distance.method != missing]},
    }
    for words in ("keeps the most accuracy", "are the closest"):
        assert of(judged(whole), words, "released code's")["verdict"] == HOLDS
        assert of(judged(some), words, "released code's")["verdict"] == OPEN


@pytest.mark.parametrize("method", OTPRUNE)
@pytest.mark.parametrize(("shift", "verdict"), [(0.5, HOLDS), (-0.5, FAILS)])
def test_the_lead_in_score_is_that_over_the_best_rival(
    tables: Any, method: str, shift: float, verdict: str
) -> None:
    table = figure3_table(tables.sweep, tables.accuracy, resamples=QUICK)
    own = (table.method == method) & (table.quantity == "relative_score")
    moved = table.assign(value=table.value + shift * own)
    unit = {"otprune": "released code's", "otprune-paper": "paper's"}[method]
    row = of(judged({"figure3": moved}), "keeps the most accuracy", unit)
    assert row["verdict"] == verdict
    scores = table[(table.quantity == "relative_score") & (table.benchmark == "mean")]
    wide = scores.pivot(index="ratio", columns="method", values="value")
    lead = wide[method] + shift - wide[["divprune", "dpp", "random"]].max(axis=1)
    assert row["value"] == pytest.approx(lead.min())
    assert row["low"] < row["value"] < row["high"]


@pytest.mark.parametrize(("factor", "closest", "literal", "largest"), [(0.01, HOLDS, HOLDS, FAILS)])
@pytest.mark.parametrize("turn", [False, True])
def test_the_closest_by_distance_and_by_f(
    tables: Any, factor: float, closest: str, literal: str, largest: str, turn: bool
) -> None:
    """OTPrune's distance and objective a hundredth, or a hundred times, of what they were."""
    sweep = tables.sweep[tables.sweep.gamma.isna() | (tables.sweep.gamma == 0.01)]
    scale = np.where(sweep.method.isin(OTPRUNE), 1 / factor if turn else factor, 1.0)
    moved = sweep.assign(w2=sweep.w2 * scale, trace_objective=sweep.trace_objective * scale)
    both = pd.concat([moved, moved.assign(normalisation="columns")])
    table = judged({"distances": {"all": distance_grid(both, resamples=QUICK)}})
    other = {HOLDS: FAILS, FAILS: HOLDS}
    for unit in ("the released code's gamma", "the paper's gamma"):
        for words, verdict in (
            ("are the closest", closest),
            ("lower is closer", literal),
            ("has the largest f", largest),
        ):
            assert of(table, words, unit)["verdict"] == (other[verdict] if turn else verdict)


def test_one_reading_is_enough_for_some_reading(tables: Any) -> None:
    grid = distance_grid(tables.sweep[tables.sweep.method.isin([*OTPRUNE, "dpp"])], resamples=QUICK)
    none = grid.assign(place="not closest")
    assert of(judged({"distances": {"all": none}}), "by some distance")["verdict"] == FAILS
    one = grid["distance_kind"].eq("bures_w2_squared") & grid["baseline"].eq("otprune-paper")
    row = of(
        judged({"distances": {"all": none.assign(place=none["place"].where(~one, "closest"))}}), "by some"
    )
    assert (row["verdict"], row["value"]) == (HOLDS, 1.0)
    of_f = none.assign(place=none["place"].where(none["closer"] == "lower", "closest"))
    assert of(judged({"distances": {"all": of_f}}), "by some distance")["verdict"] == FAILS, (
        "f is no distance"
    )


@pytest.mark.parametrize(("rho", "verdict"), [(0.95, HOLDS), (0.5, FAILS), (STANDS_FOR, OPEN)])
def test_a_rung_stands_for_the_distance_if_it_orders_as_it_does(rho: float, verdict: str) -> None:
    made = ladder_table(LADDER(), resamples=QUICK)
    rows = made.assign(value=rho, low=rho - 0.01, high=rho + 0.01)
    for words in ("mean zero", "maximising f", "log-determinant"):
        own = judged({"ladder": rows})
        own = own[own["claim"].str.contains(words, regex=False)].set_index("tokens")
        assert own.loc["raw tokens, 12 images", "verdict"] == verdict
        assert own.loc["column-normalised tokens", "verdict"] == OPEN, "which the made-up rows have not"


def test_gamma_is_judged_in_both_units_and_its_units_are_told_apart(tables: Any) -> None:
    table = figure5_table(tables.sweep, tables.accuracy, resamples=QUICK)
    own = (table.quantity == "relative_score") & (table.method == "otprune-paper")
    scores = table.gamma.map({0.005: 0.85, 0.01: 0.9, 0.05: 0.9, 0.1: 0.5})
    found = judged({"figure5": table.assign(value=table.value.where(~own, scores))})
    assert of(found, "slightly better", "the paper's gamma")["verdict"] == HOLDS
    assert of(found, "on a plateau", "the paper's gamma")["verdict"] == FAILS
    assert of(found, "slightly better", "released code's")["verdict"] == OPEN, "no score at 0.005 there"
    unit = of(found, "the released code runs")
    assert unit["verdict"] == FAILS
    assert unit["value"] == pytest.approx(0.01 * 29 / 576)
    assert unit["where"] == "5% kept"


def test_tables_that_are_missing_decide_nothing_and_name_the_command(tmp_path: Path) -> None:
    found = judged({})
    assert set(found["verdict"]) == {OPEN}
    assert found["value"].isna().all()
    lines = as_markdown(found).splitlines()[2:]
    assert all(
        "| not measured | **not decidable here** | `python -m otanalysis.figures" in one for one in lines
    )
    assert table2_claim(tmp_path).evidence == ()


def test_table_2_is_judged_from_the_trials_and_not_from_the_summary(tmp_path: Path) -> None:
    summary = tmp_path / "synthetic_published.csv"
    summary.write_text("gap,law,normalise,method,gamma\n0.5,gaussian,columns,otprune,0.01\n")
    assert table2_claim(tmp_path).evidence == (), "by hand, without trials"
    how: dict[str, Any] = {"laws": ["gaussian"], "draws": 5, "progress": False, "sizes": [Size(20, 10, 5)]}
    synthetic(trials=1, out=tmp_path, **how)
    alone = as_markdown(verdict_table([table2_claim(tmp_path)]))
    assert "| not known (a single trial of the tokens) | **not decidable here** |" in alone
    path = synthetic(trials=2, out=tmp_path, **how)
    best = summarise_synthetic(path).comparison.iloc[0]
    for damaged in (b"", b"gap\n", b"\xff\xfe", b"law\nx\n"):
        summary.write_bytes(damaged)
        row = verdict_table([table2_claim(tmp_path)]).iloc[0]
        assert row["value"] == pytest.approx(best["gap"])
        assert row["verdict"] == (HOLDS if best["gap"] <= 1 else FAILS)
        assert row["where"].startswith(f"gaussian tokens, normalised by {best['normalise']}, otprune")


@pytest.mark.parametrize("damaged", [b"", b"PAR1", b"\xff\xfe", b"law\nx\n"])
def test_damaged_trials_of_table_2_are_refused(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / "synthetic.parquet").write_bytes(damaged)
    with pytest.raises(InputError, match=r"otanalysis synthetic|is not a table that otanalysis wrote"):
        table2_claim(tmp_path)


def test_table_1_is_judged_from_its_cells_and_the_other_way_round() -> None:
    accuracy = read_accuracy(bundled_data("published/accuracy.csv", "published table"))
    found = verdict_table(table1_claims(accuracy))
    assert found["verdict"].tolist() == [HOLDS, FAILS, OPEN, OPEN]
    assert found["where"].tolist()[:3] == ["all 33 pairs", "all 33 pairs", "LLaVA-1.5-7B"]
    assert found["value"][1] == pytest.approx(0.0012, abs=5e-5)
    assert found["p_value"][2] == pytest.approx(0.16, abs=5e-3)
    names = {"otprune": "divprune", "divprune": "otprune"}
    turned = verdict_table(table1_claims(accuracy.assign(method=accuracy["method"].replace(names))))
    assert turned["verdict"].tolist() == [FAILS, FAILS, FAILS, FAILS]
    assert turned["value"][0] < 0
    assert turned["p_value"][0] < 0.01


def test_every_statement_has_its_checks_and_holds() -> None:
    ids = {one.id for one in build_claims(theory.FEW, 0)}
    assert {name for _, _, names in STATEMENTS for name in names} <= ids
    found = verdict_table(theory_claims())
    assert len(found) == len(STATEMENTS)
    assert set(found["verdict"]) == {HOLDS}
    assert (found["value"] == 0).all()


@pytest.mark.parametrize(("broken", "verdict"), [("claim", FAILS), ("control", OPEN)])
def test_a_broken_statement_fails_and_a_blind_check_decides_nothing(
    monkeypatch: pytest.MonkeyPatch, broken: str, verdict: str
) -> None:
    [claim] = [one for one in build_claims(theory.FEW, 0) if one.id == "submodular"]
    wrong, right = SubmodularEverywhere(negative_controls.supermodular_table), SubmodularEverywhere()
    made = Claim(
        claim.id,
        claim.statement,
        claim.instances,
        wrong if broken == "claim" else right,
        claim.control if broken == "claim" else type(claim.control)("nothing wrong", right),
    )
    monkeypatch.setattr(theory, "build_claims", lambda *_: [made])
    assert of(verdict_table(theory_claims()), "submodular")["verdict"] == verdict


def test_commands_are_there_and_no_claim_comes_twice(tmp_path: Path) -> None:
    claims = all_claims({}, tmp_path)
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    commands = {one.command for one in claims if one.command}
    assert len(commands) > 5
    for command in commands:
        words = shlex.split(command)
        if words[:4] == ["python", "-m", "otanalysis.figures", "--only"]:
            assert words[4] in FIGURES
            assert words[4] in BASIS
        else:
            assert words[0] == "otanalysis"
            assert words[1] in known
    keys = [(one.words, one.quantity, one.tokens) for one in claims]
    assert len(set(keys)) == len(keys)
    left_open = [one for one in claims if not one.command]
    assert {verdict_table([one])["verdict"].item() for one in left_open} == {OPEN}


def test_numbers_are_written_with_their_interval_and_a_true_minus() -> None:
    evidence = (Evidence(-0.12345, -0.2, -0.00001, "5% kept", 0.0123),)
    claim = PaperClaim("a", "b", "c", "", evidence, Within(above=0.0), "otanalysis theorem")
    line = as_markdown(verdict_table([claim])).splitlines()[-1]
    number = "−0.123 [−0.2, −1e−05], p = 0.0123 (5% kept)"
    assert line == f"| a | b | c | {number} | **does not hold** | `otanalysis theorem` |"
