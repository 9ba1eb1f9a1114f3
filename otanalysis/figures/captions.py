"""Captions written from the measured numbers, with a verdict on the paper's claim, whichever way it falls.

The claims of arXiv:2602.20205: a small optimal-transport distance goes with a high score, OTPrune keeps the
tokens with the smallest distance, and the results depend little on gamma. A verdict says only what the
intervals carry; where they do not decide, it says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from otanalysis.defaults import FULL, RELEASED_GAMMA
from otanalysis.figures.layout import benchmarks_of, per_cent, tokens_words
from otanalysis.figures.style import method_look
from otanalysis.stats.cells import MEAN
from otanalysis.stats.figure_tables import Figure2Tables

__all__ = ["caption2", "caption3", "caption4", "caption5", "join_captions"]

Numbers = dict[Any, Any]

SIGNIFICANT = 0.05
_DISTANCES = {"w2": "W2", "w2_squared": "squared W2", "quantisation_error": "quantisation error"}


def join_captions(earlier: str, fresh: str) -> str:
    r"""Return fresh captions with the earlier ones of the figures that were not drawn again, in their order.

    >>> print(join_captions("**Figure 2.** old\n\n**Figure 4.** kept\n", "**Figure 2.** new\n"))
    **Figure 2.** new
    <BLANKLINE>
    **Figure 4.** kept
    <BLANKLINE>
    """
    sections: dict[str, str] = {}
    for text in (earlier, fresh):
        for section in re.split(r"(?m)^(?=\*\*Figure \w)", text):
            if number := re.match(r"\*\*Figure (\w)", section):
                sections[number[1]] = section.strip()
    return "\n\n".join(sections[number] for number in sorted(sections)) + "\n"


def caption2(versions: Mapping[str, Figure2Tables]) -> str:
    """Write the caption of Figure 2 and of its further versions.

    Parameters
    ----------
    versions : mapping
        From a version's file name to its tables; the first is the figure, the others follow in a table.

    Returns
    -------
    str
        Markdown.
    """
    tables = next(iter(versions.values()))
    points, overall = tables.points, _overall(tables)
    methods = [method_look(name).label for name in _methods(points)]
    head = (
        f"**Figure 2. Does a small distance go with a high score?** {_list(methods)} at "
        f"{per_cent(float(points['ratio'].iloc[0]))} of the tokens; {_basis(points)}."
    )
    if np.isfinite(float(overall["rho"])):
        head += (
            " (a) Mean score against mean distance over the benchmarks. (b) Spearman's ρ between distance "
            "and score with its 95% bootstrap interval and two-sided permutation p-value; the claim is −1. "
            "(c) Rank by score (1 = best) against rank by distance (1 = smallest). Distances are resampled "
            f"over {_samples(points)}, scores drawn with their standard errors; the intervals say nothing "
            f"about other methods than these. {_floor(overall)}"
        )
    lines = [head, f"**Verdict.** {_verdict2(overall, tables.correlations)}"]
    if len(versions) > 1:
        lines.append(_versions_table(versions))
    return "\n\n".join(lines)


def caption3(table: pd.DataFrame) -> str:
    """Write the caption of Figure 3 from :func:`otanalysis.stats.figure_tables.figure3_table`."""
    names = [method_look(name).label for name in _methods(table)]
    head = f"**Figure 3. Score and distance by share of tokens kept.** {_list(names)}; {_basis(table)}."
    count = len(benchmarks_of(table))
    rows = table[(table["benchmark"] == MEAN) & table["value"].notna() & (table["method"] != FULL)]
    quantity = "relative_score" if (rows["quantity"] == "relative_score").any() else "score"
    scores = rows[rows["quantity"] == quantity]
    if scores.empty:
        return (
            f"{head} Distance divided by OTPrune's, as the mean over {count} benchmarks and for each; bars "
            "are 95% paired bootstrap intervals over samples.\n\n**Verdict.** No score is given for all "
            "benchmarks, so there is no mean score to compare."
        )
    head += (
        f" Top: means over {count} benchmarks of the score, of the score divided by that with all tokens, "
        "and of the distance divided by OTPrune's. Below: each benchmark; the right axis reads the score as "
        "a share of the score with all tokens. Bars are 95% intervals: 1.96 standard errors for scores "
        "(relative scores by the delta method with independent errors, which is conservative), a paired "
        "bootstrap over samples for distances."
    )
    sentences = [_ranking_at(scores, float(ratio)) for ratio in sorted(scores["ratio"].unique())]
    what = "share of the score with all tokens" if quantity == "relative_score" else "mean score"
    return f"{head}\n\n**Verdict.** By {what}: {'; '.join(sentences)}."


def caption4(table: pd.DataFrame) -> str:
    """Write the caption of Figure 4 from :func:`otanalysis.stats.figure_tables.figure4_table`."""
    head = (
        f"**Figure 4. Distance relative to OTPrune.** Mean distance of each method's tokens to all tokens, "
        f"divided by that of OTPrune's ({_basis(table)}), per benchmark and as the average over "
        f"{len(benchmarks_of(table))} benchmarks. Bars start at 1 on a log axis. Intervals are 95% paired "
        f"bootstraps over {_samples(table)}."
    )
    rows = table[(table["benchmark"] == MEAN) & table["value"].notna()]
    groups: dict[str, list[str]] = {"closer": [], "farther": [], "open": []}
    for method in _methods(rows):
        own = rows[rows["method"] == method]
        closer, farther = bool((own["high"] < 1).all()), bool((own["low"] > 1).all())
        label = f"{method_look(method).label} ({_span(own['value'].to_numpy(dtype=np.float64))})"
        groups["closer" if closer else "farther" if farther else "open"].append(label)
    return f"{head}\n\n**Verdict.** {_verdict4(groups)}"


def caption5(table: pd.DataFrame) -> str:
    """Write the caption of Figure 5 from :func:`otanalysis.stats.figure_tables.figure5_table`."""
    mean = table[(table["benchmark"] == MEAN) & table["value"].notna()]
    score = "score" if (mean["quantity"] == "score").any() else "relative_score"
    scored = bool((mean["quantity"] == score).any())
    head = (
        f"**Figure 5. Effect of γ on OTPrune.** {'Score, distance' if scored else 'Distance'} "
        f"({_basis(table)}) and surrogate (log det with the same γ, which grows with γ by construction) as "
        f"means over {len(benchmarks_of(table))} benchmarks and per benchmark; γ = {RELEASED_GAMMA:g} (the "
        "released value) is marked. Bands are 95% intervals."
    )
    said = [_gamma_score(mean[mean["quantity"] == score]), _gamma_distance(mean)]
    verdict = " ".join(sentence for sentence in said if sentence)
    return f"{head}\n\n**Verdict.** {verdict or 'Nothing to compare: the sweep holds one γ.'}"


def _verdict2(overall: Numbers, correlations: pd.DataFrame) -> str:
    rho, p = float(overall["rho"]), float(overall["p_value"])
    if not np.isfinite(rho):
        return "No score is given for these methods on all benchmarks, so there is no overall correlation."
    each = correlations.loc[correlations["benchmark"] != MEAN, ["rho", "p_value"]].dropna()
    where = (
        f"Per benchmark ρ is negative on {int((each['rho'] < 0).sum())} and positive on "
        f"{int((each['rho'] > 0).sum())} of {len(each)}, with p ≤ {SIGNIFICANT:g} on "
        f"{int((each['p_value'] <= SIGNIFICANT).sum())}."
    )
    interval = f"{_number(overall['rho_low'])} to {_number(overall['rho_high'])}"
    numbers = f"ρ = {_number(rho)} overall (95% interval {interval}; {_p_words(overall)})"
    if p <= SIGNIFICANT:
        said = "The claim holds here" if rho < 0 else "The opposite of the claim holds here"
        return f"{said}: {numbers}. {where}"
    sign = (
        "no sign either way" if abs(rho) < 0.005 else f"the sign {'of' if rho < 0 else 'against'} the claim"
    )
    few = f"with {int(overall['methods'])} methods this is not told from chance"
    return f"Undecided: {numbers}, {sign}; {few}. {where}"


def _verdict4(groups: dict[str, list[str]]) -> str:
    count = sum(len(names) for names in groups.values())
    if len(groups["farther"]) == count:
        return f"OTPrune has the smallest distance at every ratio, as claimed: {_list(groups['farther'])}."
    if not groups["closer"]:
        return f"Undecided for {_list(groups['open'])}; farther than OTPrune: {_list(groups['farther'])}."
    said = (
        f"OTPrune does not have the smallest distance: {len(groups['closer'])} of {count} methods are closer "
        f"at every ratio, {_list(groups['closer'])}"
    )
    if groups["farther"]:
        said += f"; farther at every ratio: {_list(groups['farther'])}"
    if groups["open"]:
        said += f"; not the same at every ratio, or not decided: {_list(groups['open'])}"
    return said + "."


def _ranking_at(scores: pd.DataFrame, ratio: float) -> str:
    rows = scores[scores["ratio"] == ratio].sort_values("value", ascending=False).to_dict("records")
    listed = ", ".join(f"{method_look(str(row['method'])).label} {row['value']:.3f}" for row in rows)
    said = f"at {per_cent(ratio)} kept {listed}"
    own = next((row for row in rows if row["method"] == "otprune"), None)
    if own is None or len(rows) < 2:
        return said
    best, second = rows[:2]
    if own is best:
        apart = best["low"] > second["high"]
        return f"{said} (OTPrune is highest; {_overlap(apart)} the next one's)"
    apart = best["low"] > own["high"]
    return f"{said} (OTPrune is not highest; {_overlap(apart)} the highest one's)"


def _overlap(apart: bool) -> str:
    return "its interval lies apart from" if apart else "its interval overlaps"


def _gamma_score(scores: pd.DataFrame) -> str:
    parts = []
    for ratio in sorted(scores["ratio"].unique()):
        rows = scores[scores["ratio"] == ratio].sort_values("value").to_dict("records")
        if len(rows) < 2:
            continue
        worst, best = rows[0], rows[-1]
        apart = best["low"] > worst["high"]
        parts.append(
            f"{worst['value']:.3f} (γ = {worst['gamma']:g}) to {best['value']:.3f} (γ = {best['gamma']:g}) "
            f"at {per_cent(float(ratio))} kept, with intervals that {'lie apart' if apart else 'overlap'}"
        )
    return f"The mean score runs from {'; from '.join(parts)}." if parts else ""


def _gamma_distance(mean: pd.DataFrame) -> str:
    rows = mean[mean["quantity"] == "relative_distance"]
    gammas = sorted(rows["gamma"].unique())
    if len(gammas) < 2:
        return ""
    spans = [
        f"{_span(rows.loc[rows['gamma'] == gamma, 'value'].to_numpy(dtype=np.float64))} at γ = {gamma:g}"
        for gamma in (gammas[0], gammas[-1])
    ]
    return f"The distance is {' and '.join(spans)} times that at γ = {RELEASED_GAMMA:g}, over the ratios."


def _versions_table(versions: Mapping[str, Figure2Tables]) -> str:
    lines = [
        "| version | methods | distance | overall ρ | 95% interval | p | smallest p |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, tables in versions.items():
        row = _overall(tables)
        kind = str(row["distance_kind"])
        labels = [method_look(method).label for method in _methods(tables.points)]
        interval = f"{_number(row['rho_low'])} to {_number(row['rho_high'])}"
        tests = f"{float(row['p_value']):.3g} | {float(row['smallest_p']):.2g}"
        numbers = f"{_number(row['rho'])} | {interval} | {tests}"
        if not np.isfinite(float(row["rho"])):
            numbers = "not known | – | – | –"
        lines.append(f"| `{name}` | {', '.join(labels)} | {_DISTANCES.get(kind, kind)} | {numbers} |")
    return "\n".join(lines)


def _overall(tables: Figure2Tables) -> Numbers:
    rows: list[Numbers] = tables.correlations.to_dict("records")
    return next(row for row in rows if row["benchmark"] == MEAN)


def _number(value: float) -> str:
    """Two decimals, with a true minus sign and no negative zero."""
    return f"{value + 0.0:.2f}".replace("-0.00", "0.00").replace("-", "−")


def _span(values: np.ndarray[Any, np.dtype[np.float64]]) -> str:
    low, high = _number(float(values.min())), _number(float(values.max()))
    return low if low == high else f"{low} to {high}"


def _floor(overall: Numbers) -> str:
    floor = float(overall["smallest_p"])
    if not np.isfinite(floor):
        return ""
    return f"The smallest two-sided p that {int(overall['methods'])} methods can give is {floor:.2g}."


def _p_words(overall: Numbers) -> str:
    p = float(overall["p_value"])
    if bool(overall["p_exact"]):
        return f"exact p = {p:.3g}"
    return f"Monte-Carlo p = {p:.3g} with standard error {float(overall['p_standard_error']):.1g}"


def _basis(table: pd.DataFrame) -> str:
    distance, tokens = str(table["distance_kind"].iloc[0]), str(table["normalisation"].iloc[0])
    return f"{_DISTANCES.get(distance, distance)} on {tokens_words(tokens)}"


def _samples(table: pd.DataFrame) -> str:
    column = "samples" if "samples" in table.columns else "n"
    counts = sorted({int(count) for count in table.loc[table["benchmark"] != MEAN, column].dropna()})
    if not counts:
        return "the samples"
    return f"{counts[0]} samples" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} samples"


def _methods(table: pd.DataFrame) -> list[str]:
    return [str(name) for name in table["method"].drop_duplicates() if name != FULL]


def _list(words: list[str]) -> str:
    if not words:
        return "none"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
