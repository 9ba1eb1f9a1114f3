"""The README's tables are the measured ones, and its verdicts follow from their numbers by the rules."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from otanalysis.defaults import BASELINES, COMPARED_METHODS, FULL, MAJORITY, NO_IMAGE
from otanalysis.figures.across import scores_by_position
from otanalysis.figures.bundled_tables import given_of, works_of
from otanalysis.figures.verdicts import verdict_table
from otanalysis.figures.verdicts.claim import COLUMNS, PaperClaim
from otanalysis.figures.verdicts.claims import all_claims
from otanalysis.figures.verdicts.measured import measured_claims
from otanalysis.mini.bundled import bundled_accuracy_path, bundled_model_path
from otanalysis.scores.table import read_accuracy
from otanalysis.stats.cells import MEAN, main_gammas
from otanalysis.stats.figure_tables import figure3_table, figure5_table
from otanalysis.stats.judging import Evidence, judge
from otanalysis.stats.positions_table import positions_table
from otanalysis.stats.statistics import spearman_rho
from otanalysis.studies.within_summary import bundled_summary
from otanalysis.studies.worlds import WORLDS
from tests.readme_blocks import BLOCKS, README, block_of, kept, marks, methods_table, with_block

TABLE = pd.read_csv(kept("verdicts")).fillna({"where": "", "tokens": "", "command": ""})
DIGITS = 1e-6  # the table has eight
CLAIMS = all_claims({}, Path("nowhere"))
FROM_SCORES = ("Figure 3", "section 5.3, Figure 5")


def scores_alone() -> pd.DataFrame:
    """A sweep of the settings that have a score, whose distances say nothing."""
    accuracy = read_accuracy(bundled_accuracy_path())
    rows = accuracy[~accuracy["method"].isin(BASELINES)]
    keys = ["benchmark", "method", "ratio", "gamma", "seed"]
    numbers = dict.fromkeys(("w2", "logdet", "trace_objective", "logdet_gamma"), 1.0)
    return rows[keys].assign(dump=rows["benchmark"], sample="one", normalisation="none", **numbers)


@pytest.mark.parametrize("name", BLOCKS)
def test_the_readme_has_the_measured_table(name: str) -> None:
    block = block_of(README.read_text(encoding="utf-8"), name)
    written = BLOCKS[name][1](pd.read_csv(kept(name)))
    assert block == written, "python -m tests.readme_blocks writes it again"


def test_a_number_that_is_changed_by_hand_is_seen() -> None:
    page = README.read_text(encoding="utf-8")
    block = block_of(page, "verdicts")
    other = block.replace("**does not hold**", "**holds**", 1)
    assert other != block
    assert block_of(with_block(page, "verdicts", other), "verdicts") == other
    assert with_block(with_block(page, "verdicts", other), "verdicts", block) == page
    start, end = marks("verdicts")
    for odd in ("no marks", start, end + start, page + start):
        with pytest.raises(ValueError, match="The page wants one"):
            block_of(odd, "verdicts")


def test_the_best_of_a_line_is_bold() -> None:
    rows = [
        ("mean", "dpp", 0.05, 2.0, 0.5),
        ("mean", "otprune", 0.05, 3.0, 0.75),
        ("gqa", "dpp", 0.05, 1.0, 1.0),
    ]
    points = pd.DataFrame(rows, columns=["benchmark", "method", "ratio", "distance", "score"])
    assert methods_table(points).splitlines() == [
        "| kept | | otprune | dpp |",
        "|---|---|---|---|",
        "| 5% | score | **0.750** | 0.500 |",
        "| | W2 | 3.00 | **2.00** |",
    ]


def test_the_scores_of_the_methods_are_the_bundled_ones() -> None:
    points = pd.read_csv(kept("methods"))
    mean = points[points["benchmark"] == "mean"].set_index(["method", "ratio"])["score"]
    accuracy = read_accuracy(bundled_accuracy_path())
    default = accuracy[accuracy["gamma"].isna() | (accuracy["gamma"] == 0.01)]
    each = default.groupby(["method", "ratio", "benchmark"])["value"].mean()
    expected = each.groupby(["method", "ratio"]).mean()
    assert set(mean.index.get_level_values("method")) == set(COMPARED_METHODS)
    np.testing.assert_allclose(mean, expected[mean.index], rtol=DIGITS)


def test_the_table_has_every_claim_of_the_code_in_its_order() -> None:
    assert tuple(TABLE.columns) == COLUMNS
    mine = [(one.words, one.place, one.command) for one in CLAIMS]
    assert list(TABLE[["claim", "place", "command"]].itertuples(index=False, name=None)) == mine


@pytest.mark.parametrize("number", range(len(CLAIMS)))
def test_a_verdict_follows_from_its_number(number: int) -> None:
    claim, row = CLAIMS[number], TABLE.iloc[number]
    found = Evidence(row["value"], row["low"], row["high"], row["where"], row["p_value"])
    evidence = [] if pd.isna(row["value"]) else [found]
    assert judge(evidence, claim.rule)[0] == row["verdict"]


def same(claims: list[PaperClaim], rows: pd.DataFrame) -> None:
    made = verdict_table(claims).fillna({"where": "", "tokens": "", "command": ""})
    pd.testing.assert_frame_equal(made, rows.reset_index(drop=True), rtol=DIGITS, check_dtype=False)


def test_what_is_computed_in_seconds_is_what_the_table_says() -> None:
    """The theorem on few instances, and Table 1 from its cells."""
    chosen = [one.command.startswith(("otanalysis theorem", "otanalysis accuracy")) for one in CLAIMS]
    assert sum(chosen) > 8
    same([one for one, cheap in zip(CLAIMS, chosen, strict=True) if cheap], TABLE[chosen])


def test_what_follows_from_the_bundled_scores_is_what_the_table_says() -> None:
    sweep, accuracy = scores_alone(), read_accuracy(bundled_accuracy_path())
    made = {name: table(sweep, accuracy, resamples=2) for name, table in TABLES.items()}
    claims = [one for one in measured_claims(made) if one.place in FROM_SCORES]
    assert len(claims) == 6
    same(claims, TABLE[TABLE["place"].isin(FROM_SCORES)])


TABLES = {"figure3": figure3_table, "figure5": figure5_table}


def paragraph(figure: str) -> str:
    """Return what the README says of a figure, in one line."""
    _, _, rest = README.read_text(encoding="utf-8").partition(f"**{figure}")
    return " ".join(rest.partition("![")[0].split())


def bundled_table(name: str) -> pd.DataFrame:
    return pd.read_csv(bundled_model_path() / name)


def overall_rho(distance: str, *, without_ends: bool = False) -> str:
    matrix = bundled_table("predictors.csv").set_index(["benchmark", "without_ends", "distance"])
    return f"{matrix.loc[(MEAN, without_ends, distance), 'rho']:.2f}"


def test_the_paragraph_of_figure_p_has_the_numbers_of_the_matrix() -> None:
    text = paragraph("Figure P")
    for distance, words in {
        "w2": "{} for W2",
        "quantisation_error": "{} for the quantisation error",
        "hausdorff_radius": "{} for the Hausdorff radius",
        "projection_residual": "{} for the projection residual",
        "trace_objective": "f of equation 4 ({})",
        "logdet": "log-determinant ({},",
    }.items():
        assert words.format(overall_rho(distance)) in text
    assert f"without First-K and Last-K {overall_rho('logdet', without_ends=True)}" in text


def test_the_paragraph_of_figure_p_has_the_scores_of_the_bundled_table() -> None:
    text = paragraph("Figure P")
    table = read_accuracy(bundled_accuracy_path())
    scores = table.groupby(["method", "ratio"])["value"].mean()
    at = {share: {m: f"{v:.3f}" for m, v in scores.xs(share, level="ratio").items()} for share in (0.05, 0.2)}
    few, many = at[0.05], at[0.2]
    for words in (
        f"at 5 % `kmedoids` has {few['kmedoids']}, `facility-location` {few['facility-location']}",
        f"and `ot-medoids` {few['ot-medoids']}, at 20 % {many['kmedoids']}, {many['facility-location']}",
        f"and {many['ot-medoids']}. By",
        f"({few['attention']} at 5 %, {many['attention']} at 20 %)",
        f"({few['attention-by-received_attention']}, {many['attention-by-received_attention']})",
    ):
        assert words in text
    assert all(scores["attention"] < scores["last"] + 0.01)


def interval(row: pd.Series) -> str:
    return f"{row['value']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"


def renumbered(name: str) -> pd.DataFrame:
    """Return the rows of a bundled table for all questions together, kept tokens renumbered."""
    table = bundled_table(name)
    return table[(table["benchmark"] == MEAN) & (table["positions"] == "renumbered")]


def test_the_paragraph_of_figure_i_has_the_numbers_of_its_tables() -> None:
    text = paragraph("Figure I")
    inside = renumbered("within.csv").set_index(["pool", "measure", "given"]).loc["all"]
    for measure, given, words in (
        ("projection_residual", "nothing", "projection residual ({})"),
        ("quantisation_error", "nothing", "quantisation error ({})"),
        ("w2_squared", "nothing", "by W2 squared {}."),
        ("w2_squared", "quantisation_error", "nothing of W2 is left ({})"),
        ("quantisation_error", "w2_squared", "the quantisation error keeps {}"),
    ):
        assert words.format(interval(inside.loc[(measure, given)])) in text
    swaps = renumbered("within_swaps.csv")
    raised = swaps[(swaps["stage"] == 1) & (swaps["quantity"] == "log_probability")].set_index("moves")
    kinds = [f"{raised.loc[name, 'value']:.2f}" for name in ("w2-swaps", "quantisation-swaps")]
    assert f"by {kinds[0]}, the others by {kinds[1]}" in text
    assert f"the difference is {interval(raised.loc['difference'])}" in text


def section(name: str) -> str:
    """Return a section of the README as one line, without its measured tables."""
    page = README.read_text(encoding="utf-8").partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    prose = re.sub(r"<!-- .*?<!-- end of \w+ -->", "", page, flags=re.S)
    return " ".join(prose.split())


def spans(values: pd.Series) -> str:
    return f"{values.min():+.2f} to {values.max():+.2f}"


def test_the_second_world_has_the_scores_of_its_tables() -> None:
    said = section("A second world")
    smooth, natural = (WORLDS[name].scores() for name in ("stamp-llava", "stamp-llava-natural"))
    full, majority = (smooth[smooth["method"] == method]["value"].mean() for method in (FULL, MAJORITY))
    assert f"{full:.3f} with all tokens, {majority:.3f} for the commonest answer" in said
    full, majority, blind = (
        natural[natural["method"] == method]["value"].mean() for method in (FULL, MAJORITY, NO_IMAGE)
    )
    assert f"{full:.3f}, {majority:.3f}, and {blind:.3f} without any image token" in said


def rho_with_score(name: str, quantity: str) -> str:
    """Return the correlation over methods of a quantity with the score, 9.8 % kept, raw tokens."""
    tables = (WORLDS[name].distances().query("normalisation == 'none'"), WORLDS[name].scores())
    rows, scores = (table[table["ratio"].eq(0.098) & main_gammas(table)] for table in tables)
    each = rows.groupby(["method", "benchmark"])[quantity].mean().groupby("method").mean()
    both = pd.concat([each, scores.groupby("method")["value"].mean()], axis="columns", join="inner")
    return f"{spearman_rho(both[quantity], both['value']):.2f}"


def predicted(name: str) -> pd.DataFrame:
    """Return how every distance goes with the score over all methods of a model, as Figure P has it."""
    world = WORLDS[name]
    table = works_of(world, given_of(world), ["predictors"])["predictors"].tables["predictors"].matrix
    overall = table[(table["benchmark"] == MEAN) & ~table["without_ends"]]
    return overall.set_index("distance")


def test_the_second_world_has_the_correlations_of_its_tables() -> None:
    said, table = section("A second world"), pd.read_csv(kept("worlds"))
    ranks = table[table["reading"] == "W2, all methods compared"].assign(rho=lambda rows: -rows["value"])
    rho = {name: rows["rho"] for name, rows in ranks.groupby("model")}
    assert f"{spans(rho['stamp-llava'])} over the same ten on smooth backgrounds" in said
    assert f"{spans(rho['stamp-llava-natural'])} on natural ones" in said
    p = ranks.loc[ranks["model"] != "mini-llava", "p_value"]
    assert f"(p = {p.min():.2f} to {p.max():.2f})" in said
    far, coverage, rank, radius = (
        [rho_with_score(name, quantity) for name in ("stamp-llava", "stamp-llava-natural")]
        for quantity in ("w2", "quantisation_error", "effective_rank", "hausdorff_radius")
    )
    smooth, natural = (predicted(name) for name in ("stamp-llava", "stamp-llava-natural"))
    chance = [table.loc["w2", "p"] for table in (smooth, natural)]
    assert f"(at 9.8 %: {far[0]}, p = {chance[0]:.3f}, and {far[1]}, p = {chance[1]:.2f}, before any" in said
    assert f"({coverage[0]} and {coverage[1]}; digits {overall_rho('quantisation_error')})" in said
    for table in (smooth, natural):
        assert set(table["n_methods"]) == {20}
        assert len(table) == 12, "distances"
        assert table.loc["quantisation_error", "low"] < 0 < table.loc["quantisation_error", "high"]
        assert table.loc["hausdorff_radius", "p_holm"] > 0.05, "less surely"
    assert f"({rank[0]} and {rank[1]}, p at most 0.003 after Holm's correction; digits" in said
    assert f"correction; digits {overall_rho('effective_rank')})" in said
    assert max(table.loc["effective_rank", "p_holm"] for table in (smooth, natural)) < 0.0035
    assert f"({radius[0]} and {radius[1]}; digits {overall_rho('hausdorff_radius')})" in said
    for name in ("stamp-llava", "stamp-llava-natural"):
        inside = bundled_summary(name)
        assert inside is not None
        own = inside[(inside["benchmark"] == "mean") & (inside["positions"] == "original")]
        values = own.set_index(["pool", "measure", "given"])["value"].round(2)
        assert values["random", "w2_squared", "nothing"] == 0
        assert values["random", "quantisation_error", "nothing"] == 0.15
        assert values["all", "w2_squared", "quantisation_error"] == -0.07


def test_the_second_world_has_the_shares_and_gains_of_its_tables() -> None:
    said = section("A second world")
    natural = WORLDS["stamp-llava-natural"]
    table = works_of(natural, given_of(natural), ["objects"])["objects"].tables["objects"]
    kept_on = table.set_index(["quantity", "method"])["value"]
    share = {name: f"{100 * value:.0f} %" for name, value in kept_on["kept_on_objects"].items()}
    assert f"DART keeps {share['dart']}, " in said
    assert (
        f"DivPrune and DPP keep {share['divprune']}, facility location {share['facility-location']}" in said
    )
    assert f"OTPrune {share['otprune']} (paper's gamma {share['otprune-paper']})" in said
    covered = f"{100 * kept_on['object_share'].iloc[0]:.0f} %"
    assert f"cover {covered} of the patches of a natural scene" in said
    assert f"a set that matches all tokens keeps {covered} of its tokens on them" in said
    rhos = [rho_with_score(name, "kept_on_objects") for name in ("stamp-llava-natural", "stamp-llava")]
    assert f"OT-medoids {share['ot-medoids']}. Over the twenty methods" in said
    assert f"this share goes with the score at rho {rhos[0]}; on smooth backgrounds" in said
    assert f"DPP 68 %) at {rhos[1]}." in said
    table = positions_table(scores_by_position())
    gains = (
        table[table["positions"] == "gain"]
        .set_index(["model", "kind", "method"])["value"]
        .round(2)
        .sort_index()
    )
    smooth, natural = (gains[name, "place"] for name in ("stamp-llava", "stamp-llava-natural"))
    assert smooth["divprune"] == natural["divprune"] == 0.37
    assert f"(k-medoids: {smooth['kmedoids']:.2f} and {natural['kmedoids']:.2f}; " in said
    assert f"OTPrune: {smooth['otprune']:.2f} and {natural['otprune']:.2f})" in said
    rest = gains[["stamp-llava", "stamp-llava-natural"]].drop("place", level="kind")
    assert f"questions of content or count at most {rest.abs().max():.2f} either way" in said
    place, elsewhere = gains["mini-llava", "place"], gains["mini-llava"].drop("place", level="kind")
    assert f"gain {place['random']:.2f} (Random) to {place['divprune']:.2f} (DivPrune)" in said
    assert place["random"] == place.min() < place["divprune"] == place.max()
    assert f"and at most {elsewhere.max():.2f} elsewhere" in said
