"""The study of the ladder: its rows are what the definitions give for the subsets that it says."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import otanalysis as ota
from otanalysis.arrays import normalise_tokens
from otanalysis.defaults import COMPARED_METHODS
from otanalysis.errors import InputError
from otanalysis.studies.ladder import (
    SUMMARY_NAME,
    LadderStudy,
    measure_ladder,
    read_ladder,
    read_ladder_summary,
    summarise_ladder,
)
from otanalysis.studies.provenance import read_provenance
from otanalysis.surrogate import paper_objective
from otanalysis.tokens import open_dump
from otanalysis.tokens.read import Sample

MakeDump = Callable[..., Path]
STUDY = LadderStudy(ratios=(0.2, 0.5), subsets=8)
FACTOR = 1e-9  # relative: the same sums in another order


def sample(make_dump: MakeDump) -> Sample:
    return open_dump(make_dump("a", samples=1, m=20, d=4))[0]


def test_one_row_a_subset_ratio_and_normalisation(make_dump: MakeDump) -> None:
    rows = pd.DataFrame(STUDY(sample(make_dump)))
    assert list(rows.columns.sort_values()) == sorted(STUDY.schema.names)
    sizes = rows.groupby(["normalisation", "ratio"]).size()
    assert (sizes == len(COMPARED_METHODS) + 8).all()
    assert len(sizes) == 6
    assert rows.groupby("ratio")["keep"].unique().explode().tolist() == [4, 10]


def picked(rows: pd.DataFrame, kind: str, ratio: float, method: str) -> list[dict[str, Any]]:
    """Return the rows of what a method keeps."""
    of_it = (
        (rows["normalisation"] == kind) & (rows["ratio"] == ratio) & (rows["origin"] == f"method:{method}")
    )
    return rows[of_it].to_dict("records")


def test_the_rows_of_a_method_are_the_distances_of_what_it_keeps(make_dump: MakeDump) -> None:
    one = sample(make_dump)
    rows = pd.DataFrame(STUDY(one))
    tokens = np.asarray(one.tokens, dtype=np.float64)
    for method in ("otprune", "divprune", "uniform"):
        kept = ota.select(tokens, method, ratio=0.2).indices
        for kind in ("none", "columns", "rows"):
            [row] = picked(rows, kind, 0.2, method)
            assert row["w2"] == pytest.approx(ota.wasserstein2(tokens, kept, normalise=kind).distance)
            lengths = np.sum(np.asarray(normalise_tokens(tokens, kind))[kept] ** 2, axis=1)
            assert row["kept_second_moment"] == pytest.approx(lengths.mean(), rel=FACTOR)
            # The factor g of the released code is the gamma g k / m of the paper.
            surrogate = paper_objective(tokens, kept, gamma=0.01 * 4 / 20)
            assert row["logdet"] == pytest.approx(surrogate, rel=FACTOR)


def test_the_pool_is_the_same_under_every_normalisation_and_whatever_else_is_measured(
    make_dump: MakeDump,
) -> None:
    one = sample(make_dump)
    rows = pd.DataFrame(STUDY(one))
    # Rung 5 does not look at the normalisation, so equal pools have equal values.
    by_kind = rows.pivot(index=["ratio", "number"], columns="normalisation", values="logdet")
    assert (by_kind["none"] == by_kind["rows"]).all()
    alone = pd.DataFrame(dataclasses.replace(STUDY, ratios=(0.5,), normalisations=("rows",))(one))
    both = rows[(rows["ratio"] == 0.5) & (rows["normalisation"] == "rows")].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, both)


def test_further_distances_stand_beside_the_rungs(make_dump: MakeDump) -> None:
    one = sample(make_dump)
    asked = dataclasses.replace(STUDY, distances=("projection_residual", "w2"))
    rows = pd.DataFrame(asked(one))
    assert asked.schema.names == [*STUDY.schema.names, "projection_residual"]
    pd.testing.assert_frame_equal(rows[STUDY.schema.names], pd.DataFrame(STUDY(one))[STUDY.schema.names])
    kept = ota.select(one.tokens, "dpp", ratio=0.2).indices
    for kind in ("none", "columns", "rows"):
        [row] = picked(rows, kind, 0.2, "dpp")
        expected = ota.projection_residual(normalise_tokens(one.tokens, kind), kept)
        assert row["projection_residual"] == pytest.approx(expected)


def test_a_study_without_further_distances_has_the_name_that_its_stored_parts_have() -> None:
    assert repr(LadderStudy((0.2,), ("none",), 5)) == (
        "LadderStudy(ratios=(0.2,), normalisations=('none',), subsets=5, seed=0, gamma=0.01, "
        "gamma_of='released')"
    )
    assert repr(LadderStudy(distances=("w2",))) == repr(LadderStudy())
    assert repr(LadderStudy(distances=("sliced_w2",))).endswith("'released', distances=('sliced_w2',))")


def test_samples_and_seeds_have_their_own_draws(make_dump: MakeDump) -> None:
    one = sample(make_dump)
    twin = dataclasses.replace(one, id="another")
    values = [
        pd.DataFrame(study(image)).query("origin == 'random'")["w2"].tolist()
        for study, image in (
            (STUDY, one),
            (STUDY, one),
            (STUDY, twin),
            (LadderStudy((0.2, 0.5), seed=1, subsets=8), one),
        )
    ]
    assert values[0] == values[1]
    assert values[0] != values[2]
    assert values[0] != values[3]


def test_gamma_reaches_the_surrogate_and_otprune(make_dump: MakeDump) -> None:
    one = sample(make_dump)
    tokens = np.asarray(one.tokens, dtype=np.float64)
    rows = pd.DataFrame(dataclasses.replace(STUDY, gamma=7.0)(one))
    kept = ota.select(tokens, "otprune", ratio=0.5, gamma=7.0).indices
    expected = paper_objective(tokens, kept, gamma=7.0 * 10 / 20)
    [row] = picked(rows, "none", 0.5, "otprune")
    assert row["logdet"] == pytest.approx(expected, rel=FACTOR)


def test_the_papers_gamma_reaches_the_surrogate_and_otprune_paper(make_dump: MakeDump) -> None:
    one = sample(make_dump)
    tokens = np.asarray(one.tokens, dtype=np.float64)
    rows = pd.DataFrame(dataclasses.replace(STUDY, gamma=3.0, gamma_of="paper")(one))
    for ratio in (0.2, 0.5):
        for method in ("otprune", "otprune-paper"):
            kept = ota.select(tokens, method, ratio=ratio, gamma=3.0).indices
            expected = paper_objective(tokens, kept, gamma=3.0)
            [columns, raw] = (picked(rows, kind, ratio, method)[0] for kind in ("columns", "none"))
            assert columns["logdet"] == raw["logdet"] == pytest.approx(expected, rel=FACTOR)
            assert columns["logdet_same_tokens"] == columns["logdet"]
            assert raw["logdet_same_tokens"] != pytest.approx(expected, rel=0.01)
    with pytest.raises(InputError, match="gamma_of must be one of"):
        LadderStudy(gamma_of="ours")  # type: ignore[arg-type]


def test_tables_are_written_with_their_provenance(make_dump: MakeDump, tmp_path: Path) -> None:
    dumps = [make_dump("a", samples=2), make_dump("b", samples=2, seed=1)]
    path = measure_ladder(dumps, STUDY, out=tmp_path / "out", progress=False)
    assert path.name == "ladder.parquet"
    assert len(read_ladder(path)) == 4 * 6 * (len(COMPARED_METHODS) + 8)
    summary = summarise_ladder(path)
    written = path.with_name(SUMMARY_NAME)
    pd.testing.assert_frame_equal(read_ladder_summary(written), summary, check_dtype=False, rtol=1e-7)
    written.write_text(written.read_text().replace("regret", "regret,", 1))
    with pytest.raises(InputError, match=r"Line 4 of .* has 13 cells"):
        read_ladder_summary(written)
    summary.drop(columns="pool").to_csv(written, index=False)
    with pytest.raises(InputError, match="lacks the columns pool: run `otanalysis ladder` again"):
        read_ladder_summary(written)
    provenance = path.with_name("ladder_summary.provenance.json").read_text()
    assert read_provenance(path)["dumps"][1]["fingerprint"] in provenance


def test_mistakes_are_named(make_dump: MakeDump, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\(0, 1\]"):
        LadderStudy(ratios=(2.0,))
    with pytest.raises(InputError, match="Unknown normalisation 'cells'"):
        LadderStudy(normalisations=("cells",))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="At least 4 subsets"):
        LadderStudy(subsets=2)
    with pytest.raises(InputError, match="gamma"):
        LadderStudy(gamma=-1.0)
    dumps = [make_dump(name, samples=1, benchmark="same", seed=len(name)) for name in ("x", "yy")]
    with pytest.raises(InputError, match="one dump a benchmark, and same came twice"):
        measure_ladder(dumps, STUDY, out=tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="is not a table that otanalysis wrote"):
        read_ladder(tmp_path / "missing.parquet")
