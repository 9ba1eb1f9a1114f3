"""The claims on a model with bundled tables rest on these."""

from __future__ import annotations

import pandas as pd
import pytest

from otanalysis.figures.bundled_tables import claims_of, given_of, lacking, works_of
from otanalysis.figures.declaration import Given
from otanalysis.figures.verdicts.claim import PaperClaim
from otanalysis.stats.judging import FAILS, judge
from otanalysis.studies.worlds import WORLDS

SMOOTH, NATURAL = (WORLDS[name] for name in ("stamp-llava", "stamp-llava-natural"))


@pytest.fixture(scope="module")
def given() -> Given:
    return given_of(NATURAL)


@pytest.fixture(scope="module")
def claims(given: Given) -> list[PaperClaim]:
    return claims_of(NATURAL, given, works_of(NATURAL, given, ("3", "5")))


def test_figure_5_wants_several_gammas(given: Given) -> None:
    assert set(works_of(NATURAL, given, ("3", "5"))) == {"3"}
    rows = SMOOTH.distances()
    few = rows[rows["method"].isin(["otprune", "divprune"]) & (rows["benchmark"] == "place")]
    made = works_of(SMOOTH, Given(few, SMOOTH.scores()), ("5",))["5"].tables["figure5"]
    assert set(made["gamma"]) == {1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0}
    assert not {"logdet", "trace_objective"} & set(made["quantity"]), "they were not measured"


def test_the_lead_of_otprune_is_that_of_the_bundled_scores(claims: list[PaperClaim]) -> None:
    scores = NATURAL.scores()
    full = scores[scores["method"] == "full"].set_index("benchmark")["value"]
    share = scores.assign(value=scores["value"] / scores["benchmark"].map(full))
    means = share.groupby(["ratio", "method"])["value"].mean().unstack()
    (claim,) = [one for one in claims if one.words.startswith("OTPrune keeps") and "released" in one.reading]
    best = means[["divprune", "dpp", "random"]].max(axis="columns")
    expected = (means["otprune"] - best).dropna()
    assert [one.value for one in claim.evidence] == pytest.approx(expected.to_list())
    assert judge(claim.evidence, claim.rule)[0] == FAILS


def test_what_was_not_measured_has_no_evidence(claims: list[PaperClaim]) -> None:
    measured = {one.place for one in claims if one.measured}
    assert measured == {"Figure 3", "Figure 4", "section 3.2, inside one image"}
    assert {"section 3.3, equation 3", "section 5.3, Figure 5"} <= {one.place for one in claims}


def test_what_the_tables_lack_is_named(given: Given) -> None:
    assert lacking(given) == ""
    assert lacking(Given(given.rows, ratio=0.15)) == "They hold no ratio 0.15, but 0.05, 0.098 and 0.2."
    assert "rows" in set(given.rows["normalisation"]), "of W2 alone, and so not enough"
    assert "under normalisation 'rows', but under none." in lacking(Given(given.rows, normalise="rows"))
    assert isinstance(given.scores, pd.DataFrame)
