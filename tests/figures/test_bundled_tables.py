"""The claims on a model with bundled tables rest on these."""

from __future__ import annotations

import pytest

from otanalysis.distances import DISTANCES, EVERYWHERE
from otanalysis.figures.bundled_tables import claims_of, given_of, lacking, works_of
from otanalysis.figures.declaration import Given
from otanalysis.figures.verdicts.claim import PaperClaim
from otanalysis.figures.work import Work
from otanalysis.stats.cells import MEAN, main_gammas
from otanalysis.stats.judging import FAILS, judge
from otanalysis.studies.worlds import WORLDS

RUNGS_JUDGED = ("bures_w2_squared", "trace_objective", "logdet")
SMOOTH, NATURAL = (WORLDS[name] for name in ("stamp-llava", "stamp-llava-natural"))


@pytest.fixture(scope="module")
def given() -> Given:
    return given_of(NATURAL)


@pytest.fixture(scope="module")
def made(given: Given) -> dict[str, Work]:
    return works_of(NATURAL, given, ("3", "5", "ladder", "distances", "objects"))


@pytest.fixture(scope="module")
def claims(made: dict[str, Work]) -> list[PaperClaim]:
    return claims_of(NATURAL, made)


def test_figure_5_wants_several_gammas(made: dict[str, Work]) -> None:
    assert set(made) == {"3", "5", "ladder", "distances", "objects"}
    one = given_of(NATURAL).rows
    assert not works_of(NATURAL, Given(one[main_gammas(one)], NATURAL.scores()), ("5",))
    rows = SMOOTH.distances()
    few = rows[rows["method"].isin(["otprune", "divprune"]) & (rows["benchmark"] == "place")]
    table = works_of(SMOOTH, Given(few, SMOOTH.scores()), ("5",))["5"].tables["figure5"]
    assert set(table["gamma"]) == {1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0}
    assert {"score", "logdet"} <= set(table["quantity"])


def test_the_lead_of_otprune_is_that_of_the_bundled_scores(claims: list[PaperClaim]) -> None:
    scores = NATURAL.scores()
    scores = scores[main_gammas(scores)]
    full = scores[scores["method"] == "full"].set_index("benchmark")["value"]
    share = scores.assign(value=scores["value"] / scores["benchmark"].map(full))
    means = share.groupby(["ratio", "method"])["value"].mean().unstack()
    (claim,) = [one for one in claims if one.words.startswith("OTPrune keeps") and "released" in one.reading]
    best = means[["divprune", "dpp", "random"]].max(axis="columns")
    expected = (means["otprune"] - best).dropna()
    assert [one.value for one in claim.evidence] == pytest.approx(expected.to_list())
    assert judge(claim.evidence, claim.rule)[0] == FAILS


def test_the_largest_f_is_told_from_the_means_over_all_pictures(
    given: Given, claims: list[PaperClaim]
) -> None:
    """The values alone: f on columns, a ratio of means a benchmark, and their mean."""
    rows = given.rows[(given.rows["normalisation"] == "columns") & main_gammas(given.rows)]
    of_sample = rows.groupby(["ratio", "method", "benchmark", "sample"])["trace_objective"].mean()
    f = of_sample.groupby(["ratio", "benchmark", "method"]).mean().unstack()
    for method, reading in (("otprune", "released"), ("otprune-paper", "paper's")):
        largest = [one for one in claims if one.words.startswith("OTPrune has the largest f")]
        (claim,) = [one for one in largest if reading in one.reading]
        each = f[["divprune", "dpp", "random"]].div(f[method], axis="rows")
        expected = each.groupby("ratio").mean().stack()
        assert sorted(one.value for one in claim.evidence) == pytest.approx(sorted(expected))


def test_the_ladder_is_judged_on_either_tokens_by_what_is_bundled(claims: list[PaperClaim]) -> None:
    """Three rungs, on columns of unit variance as in the paper's derivation, and on raw tokens."""
    table = NATURAL.ladder()
    overall = table[(table["pool"] == "all") & (table["quantity"] == "rho") & (table["benchmark"] == MEAN)]
    rho = overall.set_index(["measure", "normalisation"]).sort_index()["value"]
    judged = [one for one in claims if one.command.endswith("ladder")]
    assert len({(one.words, one.reading) for one in judged}) == len(judged) == 6
    for measure, pair in zip(RUNGS_JUDGED, zip(judged[::2], judged[1::2], strict=True), strict=True):
        for kind, claim in zip(("columns", "none"), pair, strict=True):
            assert [one.value for one in claim.evidence] == rho[measure, kind].tolist()
            assert claim.tokens.endswith("44 images")


def test_what_was_not_measured_has_no_evidence(claims: list[PaperClaim], made: dict[str, Work]) -> None:
    """One gamma makes no curve."""
    curve, without = "section 5.3, Figure 5", {name: work for name, work in made.items() if name != "5"}
    assert curve in {one.place for one in claims if one.measured}
    fewer = claims_of(NATURAL, without)
    assert curve not in {one.place for one in fewer if one.measured}
    assert curve in {one.place for one in fewer}


def test_the_share_on_objects_is_the_mean_of_the_bundled_one(given: Given, made: dict[str, Work]) -> None:
    table = made["objects"].tables["objects"].set_index(["quantity", "method"])
    rows = given.rows
    own = rows[(rows["ratio"] == 0.098) & (rows["normalisation"] == "none")]
    for method in ("divprune", "random"):
        each = own[own["method"] == method].groupby(["benchmark", "sample"])["kept_on_objects"].mean()
        found = table.loc[("kept_on_objects", method)]
        assert found["value"] == pytest.approx(each.groupby("benchmark").mean().mean())
        assert found["low"] < found["value"] < found["high"]
        assert found["n"] == len(each)
    assert table.loc["object_share", "value"].nunique() == 1
    assert table.loc[("score", "divprune"), "value"] == pytest.approx(
        NATURAL.scores().query("method == 'divprune' and ratio == 0.098")["value"].mean()
    )


def test_what_the_tables_lack_is_named(given: Given) -> None:
    assert lacking(given) == ""
    assert lacking(Given(given.rows, ratio=0.3)) == "They hold no ratio 0.3, but 0.05, 0.098, 0.15 and 0.2."
    whitened = lacking(Given(given.rows, normalise="whitened"))
    assert whitened == "They hold no normalisation 'whitened', but columns, none and rows."


def test_distances_have_a_column_where_they_were_measured_under_the_normalisation(given: Given) -> None:
    there = [name for name in given_of(NATURAL, normalise="rows").rows.columns if name in DISTANCES]
    assert sorted(there) == sorted(EVERYWHERE)
    assert set(DISTANCES) <= set(given.rows.columns)
