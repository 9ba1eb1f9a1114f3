"""Every claim on a few instances: it passes, and the same check rejects its control."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from otanalysis.errors import InputError
from otanalysis.theorem.check import Claim, run_claim
from otanalysis.theorem.claims import build_claims
from otanalysis.theorem.instance_sets import Effort, dump_images
from otanalysis.theorem.instances import KeptSet
from otanalysis.tokens import DumpWriter

FEW = Effort(draws=1, most_kept=3, starts=2, images=2)
CLAIMS = {one.id: one for one in build_claims(FEW, 0)}


@pytest.mark.parametrize("name", CLAIMS)
def test_the_claim_holds_and_its_control_is_rejected(name: str) -> None:
    outcome = run_claim(CLAIMS[name])
    assert outcome.verdict == "pass", outcome.where
    assert outcome.cases >= 4
    assert outcome.control_rejected
    assert outcome.control_margin < -1e-7


@pytest.mark.parametrize("name", CLAIMS)
def test_the_control_runs_the_check_itself_on_something_else(name: str) -> None:
    claim = CLAIMS[name]
    assert type(claim.control.check) is type(claim.check)
    assert claim.control.check != claim.check


def test_equation_6_holds_with_equality_for_one_kept_token() -> None:
    claim = CLAIMS["gamma-trace<=gamma-T^2"]
    sets: list[KeptSet] = list(claim.instances)  # type: ignore[arg-type]
    alone = [one for one in sets if len(one.kept) == 1]
    assert len(alone) >= 6
    for one in alone:
        assert abs(claim.check(one).worst) < 1e-12
    assert max(claim.check(one).worst for one in sets if len(one.kept) > 1) > 1e-3


def test_the_claims_of_the_paper_say_where_it_has_them_and_what_it_proves() -> None:
    by_source: dict[str, set[str]] = {}
    for one in CLAIMS.values():
        by_source.setdefault(one.source, set()).add(one.id)
    assert by_source.pop("") == {
        "lemma1-pairs",
        "lemma1-chains",
        *(name for name in CLAIMS if name.startswith(("greedy", "rung", "free"))),
        "nuclear-norm",
        "F<=c-root-gamma-T",
        "released-kernel",
    }
    assert by_source == {
        "the paper's Proposition 1, claimed with a proof": {"normalised", "submodular", "submodular-chains"},
        "the paper says so in its text, without proof": {"monotone", "monotone-chains"},
        "the paper's equation 3": {"trace-identity"},
        "the paper's equation 6": {"F<=gamma-trace", "gamma-trace<=gamma-T^2"},
        "the paper's equation 8": {"sylvester"},
    }


def test_lemma_1_is_checked_on_all_pairs_of_all_families_up_to_eight() -> None:
    pairs = sum(m * (3 ** (m - 1) - 2 ** (m - 1)) for m in range(2, 9))
    assert run_claim(CLAIMS["lemma1-pairs"]).cases == 4 * 3 * FEW.draws * pairs


def test_greedy_is_checked_for_every_number_of_items() -> None:
    instances = CLAIMS["greedy-ratio"].instances
    assert run_claim(CLAIMS["greedy-ratio"]).cases == sum(len(one.matrix) for one in instances)  # type: ignore[attr-defined]
    assert {len(one.matrix) for one in instances} == {6, 10, 14}  # type: ignore[attr-defined]


def test_another_seed_draws_other_instances_and_the_same_seed_the_same() -> None:
    def sums(seed: int) -> list[float]:
        claims = {one.id: one for one in build_claims(FEW, seed)}
        return [float(one.matrix.sum()) for one in claims["submodular"].instances]  # type: ignore[attr-defined]

    assert sums(1) == sums(1)
    assert sums(1) != sums(2)


def on_tokens(dump: Path) -> list[Claim]:
    return [one for one in build_claims(FEW, 0, [dump]) if one.id.endswith("@tokens")]


def test_claims_on_a_dump_hold_on_its_tokens(make_dump: Callable[..., Path]) -> None:
    claims = on_tokens(make_dump("noise", m=70, d=6, samples=5))
    assert len(claims) >= 17
    for claim in claims:
        assert all(one.label.startswith("noise/noise-") for one in claim.instances)
        outcome = run_claim(claim)
        assert outcome.sound, f"{claim.id} on {outcome.where}"
        assert outcome.cases >= 2


def test_images_of_one_colour_hold_too_and_leave_the_controls_to_drawn_instances(tmp_path: Path) -> None:
    with DumpWriter(tmp_path / "flat", model="m", benchmark="b") as writer:
        writer.add("white", np.ones((9, 3)))
        writer.add("black", np.zeros((9, 3)))
    unsound = [one.id for one in on_tokens(tmp_path / "flat") if not run_claim(one).sound]
    assert unsound == []


def test_images_are_spread_over_the_dump(make_dump: Callable[..., Path]) -> None:
    dump = make_dump("noise", samples=7)
    assert [one.label[-1] for one in dump_images([dump], 3)] == ["0", "3", "6"]
    assert len(dump_images([dump], 50)) == 7


def test_images_with_too_few_tokens_are_refused(make_dump: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="at least 4 tokens"):
        dump_images([make_dump("tiny", m=3)], 1)


def test_images_with_weights_are_refused(tmp_path: Path) -> None:
    with DumpWriter(tmp_path / "heavy", model="m", benchmark="b") as writer:
        writer.add("one", np.random.default_rng(0).standard_normal((9, 3)), weights=np.arange(9))
    with pytest.raises(InputError, match=r"'one' in .* has weights"):
        dump_images([tmp_path / "heavy"], 1)
