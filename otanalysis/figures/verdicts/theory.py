"""Claims that are statements of mathematics: each is checked on drawn instances, with a control."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from otanalysis.figures.verdicts.claim import PaperClaim
from otanalysis.stats.judging import Evidence, Exactly
from otanalysis.theorem import Effort, Outcome, build_claims, run_claim

COMMAND = "otanalysis theorem"

FEW = Effort(draws=1, most_kept=3, starts=2, images=1)
"""How much is checked here, in some seconds; the command checks more."""

STATEMENTS: Sequence[tuple[str, str, tuple[str, ...]]] = (
    (
        "log det (I + γX) ≤ γ tr X",
        "equation 6, first inequality",
        ("F<=gamma-trace",),
    ),
    (
        "γ tr X ≤ γ (tr X^½)²",
        "equation 6, second inequality",
        ("gamma-trace<=gamma-T^2",),
    ),
    (
        "the objective is log det of a k × k matrix, with factor γ/(mk)",
        "equation 8",
        ("sylvester", "released-kernel"),
    ),
    ("the objective of no token is 0", "Proposition 1 (claimed and proved)", ("normalised",)),
    (
        "the objective is submodular",
        "Proposition 1 (claimed and proved)",
        ("lemma1-pairs", "lemma1-chains", "submodular", "submodular-chains"),
    ),
    (
        "the objective is monotone",
        "text around Proposition 1 (said, not proved)",
        ("monotone", "monotone-chains"),
    ),
    (
        "greedy reaches 1 − 1/e of the largest objective",
        "the guarantee for greedy",
        ("greedy-ratio", "greedy-attacked-factor", "greedy-attacked-tokens"),
    ),
)
"""What the paper states, where, and the ids of the checks in :func:`otanalysis.theorem.build_claims`."""


def theory_claims(seed: int = 0) -> Iterator[PaperClaim]:
    """Check the statements on drawn instances, few of them."""
    checks = {one.id: one for one in build_claims(FEW, seed)}
    for words, place, ids in STATEMENTS:
        outcomes = [run_claim(checks[one]) for one in ids if one in checks]
        cases = sum(one.cases for one in outcomes)
        yield PaperClaim(
            words,
            place,
            f"cases that break it, of {cases:,}, with a control that is rejected",
            "drawn clouds and kernels",
            tuple(_evidence(one) for one in outcomes),
            Exactly(most=0),
            COMMAND,
        )


def _evidence(outcome: Outcome) -> Evidence:
    """Return the number of violations; none where a case is undecided or the control was not rejected."""
    known = outcome.verdict != "undecided" and outcome.control_rejected
    return Evidence(float(outcome.violations) if known else math.nan)
