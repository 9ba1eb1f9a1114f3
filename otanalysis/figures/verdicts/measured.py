"""Claims on distances and scores, from the tables of Figures 2 to 5, A and E."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from otanalysis.defaults import DEFAULT_GAMMAS, RELEASED_GAMMA
from otanalysis.figures.captions import benchmarks_words, counted
from otanalysis.figures.layout import per_cent, tokens_words
from otanalysis.figures.style import method_look
from otanalysis.figures.verdicts.claim import PaperClaim
from otanalysis.stats.cells import MEAN
from otanalysis.stats.distance_grid import READINGS
from otanalysis.stats.gamma_claim import CLAIMS, PAPER_GRID, PLATEAU, evidence_of, gamma_claim
from otanalysis.stats.judging import Evidence, Exactly, Positive, Within
from otanalysis.stats.rank_tables import Figure2Tables
from otanalysis.stats.statistics import mean_interval

Tables = Mapping[str, Any]
"""The tables of the figures, by file name."""

PAPER_RIVALS = ("divprune", "dpp", "random")
"""What the paper's Figures 3 and 4 compare OTPrune with."""

STANDS_FOR = 0.9
"""Least Spearman correlation, interval included, at which one quantity can stand for another."""

_FIGURES = "python -m otanalysis.figures --only"
_UNITS = {"otprune": "the released code's gamma", "otprune-paper": "the paper's gamma"}
_PAPERS_TOKENS = "columns"


def measured_claims(tables: Tables) -> Iterator[PaperClaim]:
    """Return the claims on the figures' tables; those of a table that is missing have no evidence."""
    yield rank_claim(tables.get("figure2_ranks"))
    yield from _ladder_claims(tables.get("ladder"))
    yield from _score_claims(tables.get("figure3"))
    yield from _distance_claims(tables.get("distances"))
    yield from _gamma_claims(tables.get("figure5"))


def rank_claim(
    tables: Figure2Tables | None,
    whose: str = "First-K, Last-K, Uniform, Random and DivPrune",
    kept: str = "all four ratios",
) -> PaperClaim:
    """Return the claim that methods of small distance score high, over the methods of some tables.

    Parameters
    ----------
    tables : Figure2Tables or None
        The ranks, at one or several shares of tokens kept; None where they are not known.
    whose, kept : str
        The methods and the shares in words.
    """
    evidence: list[Evidence] = []
    tokens = ""
    if tables is not None:
        rows = tables.correlations[tables.correlations["benchmark"] == MEAN]
        evidence = [
            _of(row, "rank_rho", f"{per_cent(float(row['ratio']))} kept", float(row["p_value"]))
            for _, row in rows.iterrows()
        ]
        tokens = _tokens(tables.points, int(rows["samples"].max()))
    return PaperClaim(
        "a smaller distance to all tokens gives a better score",
        "section 3.2, Figure 2",
        f"Spearman's ρ between rank by W2 (1 = smallest) and rank by mean score (1 = best) of {whose}, "
        f"two-sided permutation p; positive, p at most 0.05, at {kept}",
        tokens,
        tuple(evidence),
        Positive(),
        f"{_FIGURES} 2",
        f"W2, {whose}",
    )


def _ladder_claims(ladder: pd.DataFrame | None) -> Iterator[PaperClaim]:
    steps = {
        "bures_w2_squared": (
            "Gaussians of mean zero stand for the token distributions",
            "section 3.3, equation 3",
        ),
        "trace_objective": ("maximising f minimises the distance", "equation 4"),
        "logdet": ("maximising the log-determinant minimises the distance", "equation 7"),
    }
    for measure, (words, place) in steps.items():
        for kind in (_PAPERS_TOKENS, "none"):
            evidence: list[Evidence] = []
            tokens = tokens_words(kind)
            if ladder is not None:
                whole = ladder[(ladder["quantity"] == "rho") & (ladder["pool"] == "all")]
                rows = whole[(whole["normalisation"] == kind) & (whole["measure"] == measure)]
                overall = rows[rows["benchmark"] == MEAN]
                evidence = [_at_ratio(row) for _, row in overall.iterrows()]
                tokens = f"{tokens}, {counted(overall['n'].max(), 'image')}" if len(overall) else tokens
            yield PaperClaim(
                words,
                place,
                "Spearman's ρ with the exact W2² over kept sets of one size, 1 where both order them alike; "
                f"above {STANDS_FOR:g} at all four ratios",
                tokens,
                tuple(evidence),
                Within(above=STANDS_FOR),
                f"{_FIGURES} ladder",
                tokens_words(kind),
            )


def _score_claims(table: pd.DataFrame | None) -> Iterator[PaperClaim]:
    for method in DEFAULT_GAMMAS:
        evidence: list[Evidence] = []
        tokens = ""
        if table is not None:
            rows = table[(table["benchmark"] != MEAN) & (table["quantity"] == "relative_score")]
            evidence = [one for _, own in rows.groupby("ratio") if (one := _lead(own, method)) is not None]
            tokens = benchmarks_words(table)
        yield PaperClaim(
            "OTPrune keeps the most accuracy",
            "Figure 3",
            f"share of the full score, OTPrune with {_UNITS[method]} minus the best of DivPrune, DPP and "
            "Random; above zero at all four ratios",
            tokens,
            tuple(evidence),
            Within(above=0.0),
            f"{_FIGURES} 3",
            _UNITS[method],
        )


def _lead(rows: pd.DataFrame, method: str) -> Evidence | None:
    """Return how far a method's score lies above the best rival's, paired over the benchmarks."""
    scores = rows.pivot(index="benchmark", columns="method", values="value").dropna(axis="columns")
    if method not in scores.columns:
        return None
    kept = f"{per_cent(float(rows['ratio'].iloc[0]))} kept"
    if missing := [name for name in PAPER_RIVALS if name not in scores.columns]:
        return Evidence(float("nan"), where=f"no score of {method_look(missing[0]).label}, {kept}")
    best = scores[list(PAPER_RIVALS)].mean().idxmax()
    lead = (scores[method] - scores[best]).to_numpy(dtype=np.float64)
    where = f"against {method_look(str(best)).label}, {kept}"
    return Evidence(float(lead.mean()), *mean_interval(lead), where)


def _distance_claims(made: Mapping[str, pd.DataFrame] | None) -> Iterator[PaperClaim]:
    grid = None if made is None else made["all"]
    for baseline in DEFAULT_GAMMAS:
        yield _closest(
            grid,
            baseline,
            "w2",
            "none",
            "OTPrune's kept tokens are the closest to all tokens",
            "exact W2 of DivPrune, DPP and Random over that of OTPrune",
            Within(above=1.0),
        )
    for kind, words, rule in (
        ("lower", "f(C_method)/f(C_OTPrune), and lower is closer", Within(above=1.0)),
        ("higher", "OTPrune has the largest f, the objective of equation 4", Within(below=1.0)),
    ):
        for baseline in DEFAULT_GAMMAS:
            side = "above" if kind == "lower" else "below"
            yield _closest(
                grid,
                baseline,
                "trace_objective",
                _PAPERS_TOKENS,
                words,
                f"f of DivPrune, DPP and Random over that of OTPrune, all {side} 1",
                rule,
            )
    yield _some_reading(grid)


def _closest(
    grid: pd.DataFrame | None,
    baseline: str,
    column: str,
    kind: str,
    words: str,
    quantity: str,
    rule: Within,
) -> PaperClaim:
    evidence: list[Evidence] = []
    tokens = tokens_words(kind)
    if grid is not None:
        own = grid[(grid["baseline"] == baseline) & (grid["normalisation"] == kind)]
        rows = own[(own["distance_kind"] == column) & own["method"].isin(PAPER_RIVALS)]
        evidence = [_at_ratio(row, method_look(str(row["method"])).label) for _, row in rows.iterrows()]
        if set(rows["method"]) != set(PAPER_RIVALS):
            evidence.append(Evidence(float("nan"), where="a rival is missing"))
        tokens = f"{tokens}, {counted(rows['n'].max(), 'image')}" if len(rows) else tokens
    return PaperClaim(
        words,
        "Figure 4",
        f"{quantity}, with {_UNITS[baseline]}, at all four ratios",
        tokens,
        tuple(evidence),
        rule,
        f"{_FIGURES} distances",
        _UNITS[baseline],
    )


def _some_reading(grid: pd.DataFrame | None) -> PaperClaim:
    """Return the claim that some distance makes OTPrune the closest, whichever it is."""
    distances = [one.column for one in READINGS if not one.higher_is_closer]
    evidence: tuple[Evidence, ...] = ()
    quantity = "readings by which OTPrune is the closest of all methods at every ratio; at least one"
    if grid is not None and set(distances) <= set(grid["distance_kind"]):
        rows = grid[grid["distance_kind"].isin(distances)]
        groups = rows.groupby(["baseline", "distance_kind", "normalisation"])["place"]
        places = [set(own) for _, own in groups]
        closest = places.count({"closest"})
        # With none of them, one that is not told decides nothing.
        told = closest > 0 or all("not closest" in own for own in places)
        evidence = (Evidence(float(closest) if told else float("nan"), where=f"of {len(places)}"),)
    return PaperClaim(
        "OTPrune is the closest by some distance: W2, W2², Gelbrich, equation 3 or the quantisation error",
        "Figure 4",
        f"{quantity} (either gamma)",
        "raw, column- and row-normalised tokens",
        evidence,
        Exactly(least=1.0),
        f"{_FIGURES} distances",
    )


def _gamma_claims(table: pd.DataFrame | None) -> Iterator[PaperClaim]:
    parts = {
        "better": ("the score is slightly better at gamma 0.01 than at 0.005", "above zero"),
        "plateau": ("from gamma 0.01 on the score is on a plateau", f"changes within ±{PLATEAU:g}"),
    }
    found = None if table is None else gamma_claim(table)
    tokens = "" if table is None else benchmarks_words(table)
    for method in DEFAULT_GAMMAS:
        for part, (words, wanted) in parts.items():
            evidence: list[Evidence] = []
            if found is not None:
                evidence = evidence_of(found[(found["method"] == method) & (found["part"] == part)])
            yield PaperClaim(
                words,
                "section 5.3, Figure 5",
                f"difference of the share of the full score, gamma being {_UNITS[method]}; {wanted}, at all "
                "four ratios",
                tokens,
                tuple(evidence),
                CLAIMS[part],
                f"{_FIGURES} 5",
                _UNITS[method],
            )
    yield _unit_claim(table)


def _unit_claim(table: pd.DataFrame | None) -> PaperClaim:
    """Return the claim that the released code's gamma is one of the paper's grid."""
    evidence: list[Evidence] = []
    if table is not None:
        rows = table[(table["method"] == "otprune-paper") & (table["benchmark"] == MEAN)]
        each = (rows["factor"] / rows["gamma"]).groupby(rows["ratio"]).mean()
        evidence = [
            Evidence(RELEASED_GAMMA / float(scale), where=f"{per_cent(float(str(ratio)))} kept")
            for ratio, scale in each.items()
        ]
    return PaperClaim(
        "the released code runs gamma 0.01 of equation 7",
        "section 5.3, equation 8",
        "the gamma of equation 7 that the released factor 0.01 stands for (times k/m); within the paper's "
        f"grid, {PAPER_GRID[0]:g} to {PAPER_GRID[-1]:g}",
        "numbers of tokens and of kept ones",
        tuple(evidence),
        Exactly(PAPER_GRID[0], PAPER_GRID[-1]),
        f"{_FIGURES} 5",
    )


def _at_ratio(row: pd.Series, name: str = "") -> Evidence:
    where = f"{per_cent(float(row['ratio']))} kept"
    return _of(row, "value", f"{name}, {where}" if name else where)


def _of(row: pd.Series, column: str, where: str, p_value: float = float("nan")) -> Evidence:
    ends = ("low", "high") if column == "value" else (f"{column}_low", f"{column}_high")
    return Evidence(float(row[column]), float(row[ends[0]]), float(row[ends[1]]), where, p_value)


def _tokens(table: pd.DataFrame, images: int) -> str:
    kind = tokens_words(str(table["normalisation"].iloc[0]))
    return f"{kind}, {counted(images, 'image')} of {benchmarks_words(table)}"
