"""The study of the certificates: its rows are what the definitions give, and nothing beats the floor."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import otanalysis as ota
from otanalysis.arrays import Normalisation, normalise_tokens
from otanalysis.defaults import COMPARED_METHODS
from otanalysis.errors import InputError
from otanalysis.selection import SELECTORS
from otanalysis.studies.certify import CertifyStudy, read_certificates, summarise_certificates
from otanalysis.studies.engine import measure_samples
from otanalysis.studies.provenance import read_provenance
from otanalysis.studies.selections import BEST
from otanalysis.studies.sweep import sweep
from otanalysis.surrogate import (
    logdet_upper_bound,
    logdet_value,
    otprune_kernel,
    paper_factor,
    paper_objective,
)
from otanalysis.tokens import open_dump
from otanalysis.tokens.read import Sample
from otanalysis.transport import wasserstein2, wasserstein2_floor

MakeDump = Callable[..., Path]
STUDY = CertifyStudy(ratios=(0.2, 0.5), seeds=(0, 1))
FACTOR = 1e-9  # relative: the same sums in another order
CPU = ["floor_seconds", "ceiling_seconds"]


@pytest.fixture
def sample(make_dump: MakeDump) -> Sample:
    return open_dump(make_dump("a", samples=1, m=20, d=4))[0]


def rows_of(study: CertifyStudy, sample: Sample) -> pd.DataFrame:
    return pd.DataFrame(study(sample))


def test_one_row_a_ratio_method_and_seed_and_one_for_the_best(sample: Sample) -> None:
    rows = rows_of(STUDY, sample)
    assert sorted(rows.columns) == sorted(STUDY.schema.names)
    for ratio, keep in ((0.2, 4), (0.5, 10)):
        own = rows[rows["ratio"] == ratio]
        assert set(own["keep"]) == {keep}
        assert set(own["m"]) == {20}
        expected = [name for name in COMPARED_METHODS for _ in range(2 if SELECTORS[name].stochastic else 1)]
        assert own["method"].tolist() == [*expected, BEST]
        drawn = own[own["seed"].notna()]
        assert set(drawn["method"]) == {name for name in COMPARED_METHODS if SELECTORS[name].stochastic}
        assert set(drawn["seed"]) == {0, 1}
        assert own.loc[own["gamma"].notna(), "method"].tolist() == ["otprune", "otprune-paper"]


@pytest.mark.parametrize("kind", ["none", "columns", "rows"])
def test_rows_hold_the_distance_and_surrogate_of_what_a_method_keeps(
    sample: Sample, kind: Normalisation
) -> None:
    study = dataclasses.replace(STUDY, normalise=kind, gamma=0.3)
    rows = rows_of(study, sample)
    rows = rows[rows["ratio"] == 0.2].drop_duplicates("method").set_index("method")
    tokens = np.asarray(sample.tokens, dtype=np.float64)
    kernel = np.asarray(otprune_kernel(tokens, gamma=0.3))
    measured = np.asarray(normalise_tokens(tokens, kind))
    for method in ("otprune", "divprune", "uniform"):
        options = {"gamma": 0.3} if method == "otprune" else {}
        kept = ota.select(tokens, method, keep=4, **options).indices
        row = rows.loc[method]
        exact = wasserstein2(measured, kept)
        assert row["w2"] == pytest.approx(exact.distance, rel=FACTOR)
        assert row["w2_squared"] == pytest.approx(exact.squared_distance, rel=FACTOR)
        assert row["logdet"] == pytest.approx(logdet_value(kernel, kept), rel=FACTOR)
        assert row["normalisation"] == kind
    bound, ceiling = wasserstein2_floor(measured, 4), logdet_upper_bound(tokens, 4, gamma=0.3)
    row = rows.loc["first"]
    assert row["floor"] == pytest.approx(bound.distance, rel=FACTOR)
    assert row["floor_squared"] == pytest.approx(bound.squared_distance, rel=FACTOR)
    assert row["floor_kind"] == bound.kind
    assert row["logdet_ceiling"] == pytest.approx(ceiling.value, rel=FACTOR)
    assert (row["ceiling_kind"], row["greedy_ratio"]) == (ceiling.kind, pytest.approx(ceiling.greedy_ratio))
    # OTPrune is greedy, at the study's gamma.
    assert rows.loc["otprune", "logdet"] == pytest.approx(ceiling.greedy, rel=FACTOR)


def test_the_surrogate_may_be_the_papers(sample: Sample) -> None:
    study = dataclasses.replace(STUDY, methods=("otprune", "otprune-paper"), gamma=0.3, gamma_of="paper")
    rows = rows_of(study, sample)
    tokens = np.asarray(sample.tokens, dtype=np.float64)
    for ratio, keep in ((0.2, 4), (0.5, 10)):
        own = rows[rows["ratio"] == ratio].set_index("method")
        ceiling = logdet_upper_bound(tokens, keep, gamma=paper_factor(0.3, 20, keep))
        assert own["logdet_ceiling"].unique() == pytest.approx([ceiling.value], rel=FACTOR)
        assert own["greedy_ratio"].unique() == pytest.approx([ceiling.greedy_ratio], rel=FACTOR)
        for method in study.methods:
            kept = ota.select(tokens, method, keep=keep, gamma=0.3).indices
            value = paper_objective(tokens, kept, gamma=0.3)
            assert own.loc[method, "logdet"] == pytest.approx(value, rel=FACTOR)
        # otprune-paper is the greedy whose ratio that is.
        assert own.loc["otprune-paper", "logdet"] == pytest.approx(ceiling.greedy, rel=FACTOR)


def test_whose_gamma_it_is_stands_in_the_keys_and_those_of_before_stay() -> None:
    paper = dataclasses.replace(STUDY, gamma_of="paper")
    assert eval(repr(paper)) == paper != STUDY == eval(repr(STUDY))
    assert "gamma_of='paper'" in repr(paper)
    assert repr(STUDY) == (
        f"CertifyStudy(methods={COMPARED_METHODS!r}, ratios=(0.2, 0.5), normalise='none', seeds=(0, 1), "
        "gamma=0.01, effort=1.0)"
    )
    with pytest.raises(InputError, match="gamma_of must be one of"):
        CertifyStudy(gamma_of="ours")  # type: ignore[arg-type]


def test_nothing_is_below_the_floor_above_the_ceiling_or_closer_than_the_best(make_dump: MakeDump) -> None:
    dump = open_dump(make_dump("a", samples=3, m=18, d=3))
    assert len(dump) == 3
    for sample in dump:
        rows = rows_of(STUDY, sample)
        assert (rows["w2_squared"] >= rows["floor_squared"]).all()
        assert (rows["w2"] >= rows["floor"]).all()
        assert (rows["logdet"] <= rows["logdet_ceiling"]).all()
        assert rows["certified"].all()
        assert rows["greedy_ratio"].between(1.0 - np.exp(-1.0), 1.0).all()
        best = rows[rows["method"] == BEST].set_index("ratio")["w2_squared"]
        assert (rows.groupby("ratio")["w2_squared"].min() == best).all()


def test_the_best_is_a_methods_where_the_search_met_nothing_closer(
    monkeypatch: pytest.MonkeyPatch, sample: Sample
) -> None:
    tokens = np.asarray(sample.tokens, dtype=np.float64)
    poor = wasserstein2(tokens, [0, 1, 2, 3])

    def blind(measured: np.ndarray, keep: int, **options: object) -> ota.DistanceFloor:
        return dataclasses.replace(wasserstein2_floor(measured, keep, **options), best=poor)  # type: ignore[arg-type]

    monkeypatch.setattr("otanalysis.studies.certify.wasserstein2_floor", blind)
    rows = rows_of(CertifyStudy(ratios=(0.2,)), sample).set_index("method")
    others = rows.drop(BEST)
    assert rows.loc[BEST, "w2_squared"] == others["w2_squared"].min()
    closest = others.loc[others["w2_squared"].idxmin()]
    assert rows.loc[BEST, "logdet"] == closest["logdet"]
    assert pd.isna(rows.loc[BEST, "seed"])
    assert pd.isna(rows.loc[BEST, "gamma"])


def test_a_distance_whose_certificate_fails_is_marked(
    monkeypatch: pytest.MonkeyPatch, sample: Sample
) -> None:
    def lying(tokens: np.ndarray, kept: np.ndarray, **options: object) -> ota.ExactTransport:
        honest = wasserstein2(tokens, kept, **options)  # type: ignore[arg-type]
        return dataclasses.replace(honest, squared_distance=0.9 * honest.squared_distance)

    monkeypatch.setattr("otanalysis.studies.certify.wasserstein2", lying)
    rows = rows_of(CertifyStudy(methods=("uniform",), ratios=(0.2,)), sample)
    assert not rows["certified"].any()
    assert (rows["certificate_error"] > 1e-3).all()


def test_samples_and_seeds_have_their_own_draws_and_ratios_do_not_matter_to_each_other(
    sample: Sample,
) -> None:
    study = CertifyStudy(methods=("random",), ratios=(0.2, 0.5), seeds=(0, 1))
    drawn = rows_of(study, sample).query("method == 'random'")
    again = rows_of(study, sample).query("method == 'random'")
    assert drawn["w2"].tolist() == again["w2"].tolist()
    assert drawn["w2"].nunique() == 4
    twin = rows_of(study, dataclasses.replace(sample, id="another")).query("method == 'random'")
    assert not set(twin["w2"]) & set(drawn["w2"])
    alone = rows_of(dataclasses.replace(study, ratios=(0.5,)), sample).drop(columns=CPU)
    both = rows_of(study, sample).query("ratio == 0.5").drop(columns=CPU).reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, both)


def test_ratios_that_keep_equally_many_tokens_have_equal_rows(sample: Sample) -> None:
    rows = rows_of(CertifyStudy(methods=("otprune", "random"), ratios=(0.05, 0.06)), sample).drop(columns=CPU)
    first, second = (own.drop(columns="ratio").reset_index(drop=True) for _, own in rows.groupby("ratio"))
    pd.testing.assert_frame_equal(first, second)


def test_measured_part_by_part_and_written_with_provenance(
    monkeypatch: pytest.MonkeyPatch, make_dump: MakeDump, tmp_path: Path
) -> None:
    dumps = [make_dump("a", samples=2), make_dump("b", samples=1, seed=1)]
    study = CertifyStudy(methods=("otprune", "random"), ratios=(0.25,), seeds=(0, 1))
    measure_samples(study, dumps, out=tmp_path / "out", limit=1, progress=False)
    measured: list[str] = []
    original = CertifyStudy.__call__

    def noted(self: CertifyStudy, sample: Sample) -> list[dict[str, object]]:
        measured.append(sample.id)
        return original(self, sample)

    monkeypatch.setattr(CertifyStudy, "__call__", noted)
    path = measure_samples(study, dumps, out=tmp_path / "out", progress=False)
    assert path.name == "certify.parquet"
    assert measured == ["a-1"]
    rows = read_certificates(path)
    assert rows["sample"].drop_duplicates().tolist() == ["a-0", "a-1", "b-0"]
    assert len(rows) == 3 * (1 + 2 + 1)
    assert rows["seed"].dtype == "Int64"
    summary, greedy = summarise_certificates(path)
    for name, frame in (("certify_summary.csv", summary), ("certify_greedy.csv", greedy)):
        pd.testing.assert_frame_equal(pd.read_csv(path.with_name(name)), frame, check_dtype=False, rtol=1e-7)
    about = path.with_name("certify_summary.provenance.json").read_text()
    assert read_provenance(path)["dumps"][1]["fingerprint"] in about
    assert "otprune" in about


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"methods": ("clairvoyant",)}, "Unknown method 'clairvoyant'"),
        ({"methods": (BEST,)}, "Unknown method 'best'"),
        ({"methods": ()}, "at least one of methods"),
        ({"ratios": (2.0,)}, r"\(0, 1\]"),
        ({"ratios": (0.2, 0.2)}, "distinct"),
        ({"normalise": "cells"}, "Unknown normalisation 'cells'"),
        ({"seeds": (-1,)}, "got -1"),
        ({"gamma": 0.0}, "gamma"),
        ({"effort": 0.0}, "effort must be positive"),
        ({"effort": np.nan}, "effort must be positive"),
        ({"effort": np.inf}, "effort must be positive and finite"),
    ],
)
def test_settings_are_checked_when_made(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        CertifyStudy(**settings)  # type: ignore[arg-type]


def test_a_table_of_something_else_is_refused(make_dump: MakeDump, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a table that otanalysis wrote"):
        read_certificates(tmp_path / "missing.parquet")
    other = sweep([make_dump("a")], methods=("uniform",), ratios=(0.25,), out=tmp_path, progress=False)
    with pytest.raises(InputError, match=r"lacks the columns .*floor.*otanalysis certify"):
        read_certificates(other)
