"""Figure D shows all evidence on every claim, and its caption counts what the verdicts say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from otanalysis.errors import InputError
from otanalysis.figures.verdicts.claim import PaperClaim
from otanalysis.figures.verdicts.compared import claims_in, compare_claims
from otanalysis.figures.worlds import caption_worlds, draw_worlds
from otanalysis.stats.judging import Evidence, Positive, Within

GOOD, BAD, DIM = (Evidence(one, one - 0.1, one + 0.1, "9.8% kept") for one in (2.0, 0.5, 1.05))


def claim(words: str, *evidence: Evidence) -> PaperClaim:
    return PaperClaim(words, "here", f"how much {words}", "all", evidence, Within(above=1.0), "measure")


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """One claim with one verdict, one decided in opposite ways, and one open on one of the models."""
    digits = [claim("same", GOOD, GOOD), claim("reversed", GOOD), claim("open", DIM)]
    parts = [claim("same", GOOD), claim("reversed", BAD), claim("open", GOOD)]
    return compare_claims({"mini-llava": digits, "stamp-llava": parts, "stamp-llava-natural": parts[:1]})


def test_a_panel_a_claim_has_every_piece_and_the_limit(table: pd.DataFrame) -> None:
    figure = draw_worlds(table)
    blocks = claims_in(table)
    assert len(figure.axes) == len(blocks) == 3
    for panel, rows in zip(figure.axes, blocks, strict=True):
        lines = [np.asarray(line.get_xdata(), dtype=float) for line in panel.lines]
        marks = sorted(float(line[0]) for line in lines if len(line) == 1)
        np.testing.assert_allclose(marks, sorted(rows["value"]))
        bars = sorted(tuple(line) for line in lines if len(line) == 2 and line[0] != line[1])
        np.testing.assert_allclose(bars, sorted(zip(rows["low"], rows["high"], strict=True)))
        assert [1.0, 1.0] in [list(line) for line in lines if len(line) == 2]
        low, high = panel.get_xlim()
        assert low < rows["low"].min() < rows["high"].max() < high


def test_each_lane_says_its_number_and_verdict(table: pd.DataFrame) -> None:
    words = [text.get_text() for text in draw_worlds(table).texts]
    assert words.count("not measured") == 2
    assert words.count("holds: 2 [1.9, 2.1]") == 5
    assert words.count("fails: 0.5 [0.4, 0.6]") == 1
    assert words.count("open: 1.05 [0.95, 1.15]") == 1


def test_the_caption_counts_agreement_and_names_what_is_reversed(table: pd.DataFrame) -> None:
    caption = caption_worlds(table)
    assert caption.startswith("**Figure D. ")
    assert "Of 3 claims 1 have the same verdict" in caption
    opposed = caption.partition("on opposite sides of the limit on ")[2]
    digits, parts = "`mini-llava` 2 [1.9, 2.1] (9.8% kept), holds", "`stamp-llava` 0.5 [0.4, 0.6]"
    assert opposed.startswith(f"reversed: {digits} and {parts}")
    assert "open: " not in opposed
    none = caption_worlds(table[table["claim"] != "reversed"])
    assert none.endswith("On none of them do two models have intervals on opposite sides of the limit.")


def test_intervals_apart_are_named_where_a_test_leaves_the_verdict_open() -> None:
    """The sign of few methods is not judged by their intervals, and yet worth a word."""
    high, low = Evidence(0.9, 0.8, 1.0, p_value=0.08), Evidence(-0.5, -0.6, -0.4, p_value=0.2)
    claims = {
        name: [PaperClaim("ranks", "here", "rho", "all", (one,), Positive(), "measure")]
        for name, one in {"mini-llava": high, "stamp-llava": low}.items()
    }
    caption = caption_worlds(compare_claims(claims))
    assert "Of 1 claims 1 have the same verdict" in caption
    assert (
        "opposite sides of the limit on ranks: `mini-llava` 0.9 [0.8, 1], p = 0.08, not decidable" in caption
    )


def test_a_table_without_its_columns_is_refused(table: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="lacks the columns verdict"):
        draw_worlds(table.drop(columns="verdict"))
