"""All claims of the paper in its order, and the figures whose tables they rest on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from otanalysis.figures.verdicts.claim import PaperClaim
from otanalysis.figures.verdicts.measured import measured_claims
from otanalysis.figures.verdicts.published import published_claims
from otanalysis.figures.verdicts.theory import theory_claims
from otanalysis.stats.judging import Exactly

BASIS = ("2", "3", "5", "ladder", "distances")
"""Names of the figures whose tables the claims rest on."""

_LEFT_OPEN = (  # what is said, where, and why no measurement decides it
    ("its own gamma or the released one was run", "all tables and figures", "the paper does not say which"),
    ("pruned models answer sooner", "setting", "the paper counts operations and prints no latency"),
    ("weights on the tokens would serve better", "appendix C", "the paper leaves it open"),
)


def all_claims(tables: Mapping[str, Any], results: Path) -> list[PaperClaim]:
    """Return every claim with its evidence.

    Parameters
    ----------
    tables : mapping
        The tables of the figures in :data:`BASIS`, by file name; a claim whose table is missing stays open.
    results : path
        Folder of the measurements, for what takes long and may be there.
    """
    return [
        *measured_claims(tables),
        *theory_claims(),
        *published_claims(results),
        *(PaperClaim(words, place, why, "", (), Exactly(), "") for words, place, why in _LEFT_OPEN),
    ]
