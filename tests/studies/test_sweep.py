"""The sweep: every row is what the public functions say, and no part is measured twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

import otanalysis as ota
from otanalysis.arrays import normalise_tokens
from otanalysis.errors import DumpError, InputError
from otanalysis.selection import TOKEN_METHODS, build_selection
from otanalysis.selection.otprune import OTPrune
from otanalysis.studies.provenance import read_provenance
from otanalysis.studies.runs import SweepSettings
from otanalysis.studies.sweep import read_sweep, sweep
from otanalysis.surrogate import logdet_value, otprune_kernel, paper_objective
from otanalysis.tokens import DumpWriter, open_dump

sweep_module = import_module("otanalysis.studies.sweep")

ROUNDING = 1e-9
"""Relative; both sides compute in float64, in another order of operations."""

COLUMNS = [
    "dump",
    "model",
    "benchmark",
    "sample",
    "m",
    "d",
    "method",
    "ratio",
    "keep",
    "gamma",
    "logdet_gamma",
    "seed",
    "normalisation",
    "w2",
    "w2_squared",
    "quantisation_error",
    "gelbrich_w2_squared",
    "bures_w2_squared",
    "trace_objective",
    "logdet",
    "duality_gap",
    "kept_indices",
    "seconds",
]

MakeDump = Callable[..., Path]


def small(dumps: list[Path], out: Path, **changes: Any) -> pd.DataFrame:
    """Run a small sweep and return its table."""
    settings: dict[str, Any] = {
        "methods": ("otprune", "divprune", "random"),
        "ratios": (0.25, 0.5),
        "gammas": (0.01, 1.0),
        "seeds": (0, 1),
        "out": out,
        "progress": False,
    }
    return read_sweep(sweep(dumps, **(settings | changes)))


def without_times(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns="seconds")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Record which samples are measured, and how many measurements of each."""
    calls: list[tuple[str, int]] = []
    real = sweep_module.measure_sample

    def recording(sample: Any, measurements: Any) -> Any:
        calls.append((sample.id, len(measurements)))
        return real(sample, measurements)

    monkeypatch.setattr(sweep_module, "measure_sample", recording)
    return calls


def test_rows_and_columns_follow_the_settings(make_dump: MakeDump, tmp_path: Path) -> None:
    dumps = [make_dump("a", samples=3), make_dump("b", samples=2, m=16, seed=1)]
    table = small(dumps, tmp_path / "out", normalisations=("none", "rows"))
    assert table.columns.tolist() == COLUMNS
    # otprune with two gammas, divprune, random with two seeds; two ratios; two normalisations
    assert len(table) == 5 * (2 + 1 + 2) * 2 * 2
    assert table["dump"].unique().tolist() == [f"{tmp_path.name}/a", f"{tmp_path.name}/b"]
    assert table["sample"].drop_duplicates().tolist() == ["a-0", "a-1", "a-2", "b-0", "b-1"]
    by_method = table.groupby("method")
    assert set(by_method.get_group("otprune")["gamma"]) == {0.01, 1.0}
    assert by_method.get_group("divprune")[["gamma", "seed"]].isna().all(axis=None)
    assert set(by_method.get_group("random")["seed"]) == {0, 1}
    assert by_method.get_group("otprune")["seed"].isna().all()
    assert (table["keep"] == (table["ratio"] * table["m"]).round()).all()
    assert (table["kept_indices"].map(len) == table["keep"]).all()
    assert (table["logdet_gamma"] == table["gamma"].fillna(0.01)).all()


def test_both_gammas_are_swept_each_in_its_own_unit(make_dump: MakeDump, tmp_path: Path) -> None:
    folder = make_dump("a", samples=2, m=20)
    table = small([folder], tmp_path / "out", methods=("otprune", "otprune-paper"), gammas=(0.01, 0.1))

    assert table.groupby(["method", "gamma", "keep"]).size().to_dict() == {
        (method, gamma, keep): 2
        for method in ("otprune", "otprune-paper")
        for gamma in (0.01, 0.1)
        for keep in (5, 10)
    }
    released = table[table["method"] == "otprune"]
    assert (released["logdet_gamma"] == released["gamma"]).all()
    paper = table[table["method"] == "otprune-paper"]
    assert len(paper) == 2 * 2 * 2
    for row in paper.itertuples():
        assert row.logdet_gamma == pytest.approx(row.gamma * row.m / row.keep, rel=ROUNDING)
        tokens, kept = open_dump(folder).sample(row.sample).tokens.astype(float), np.asarray(row.kept_indices)
        own = paper_objective(tokens, kept, gamma=row.gamma)
        assert row.logdet == pytest.approx(own, rel=ROUNDING), "the value that it maximised"
    provenance = read_provenance(tmp_path / "out/sweep.parquet")
    assert "OTPrunePaper(gamma=0.1, normalise='columns')" in provenance["settings"]["selectors"]


def test_each_method_has_the_gammas_that_are_named_for_it(make_dump: MakeDump, tmp_path: Path) -> None:
    methods = ("otprune", "otprune-paper", "first")
    found = small(
        [make_dump("a", m=20)], tmp_path / "out", methods=methods, gammas={"otprune-paper": [0.05, 0.1]}
    )
    gammas = found.groupby("method")["gamma"].agg(lambda own: sorted(own.dropna().unique()))
    assert gammas.to_dict() == {"otprune": [0.01], "otprune-paper": [0.05, 0.1], "first": []}


@pytest.mark.parametrize("normalisation", ["none", "columns", "rows"])
def test_every_row_is_what_the_public_functions_say(
    make_dump: MakeDump, tmp_path: Path, normalisation: str
) -> None:
    folder = make_dump("a", samples=2, m=20)
    table = small(
        [folder],
        tmp_path / "out",
        methods=TOKEN_METHODS,
        normalisations=(normalisation,),
        ratios=(0.3, 1.0),
    )
    dump = open_dump(folder)
    assert set(table["method"]) == set(TOKEN_METHODS)
    for row in table.itertuples():
        tokens = dump.sample(row.sample).tokens.astype(float)
        kept = np.asarray(row.kept_indices)
        if not ota.SELECTORS[row.method].stochastic:
            gamma = 0.01 if np.isnan(row.gamma) else row.gamma
            chosen = ota.select(tokens, row.method, ratio=row.ratio, gamma=gamma)
            np.testing.assert_array_equal(kept, chosen.indices)
        transport = ota.wasserstein2(tokens, kept, normalise=normalisation)
        cloud = normalise_tokens(tokens, normalisation)
        nearest = ((cloud[:, None] - cloud[kept]) ** 2).sum(-1).min(1).mean()
        expected = {
            "w2": transport.distance,
            "w2_squared": transport.squared_distance,
            "quantisation_error": nearest,
            "gelbrich_w2_squared": ota.gelbrich_squared(cloud, kept),
            "bures_w2_squared": ota.bures_squared(cloud, kept),
            "trace_objective": ota.trace_objective(cloud, kept),
            "logdet": logdet_value(otprune_kernel(tokens, gamma=row.logdet_gamma), kept),
        }
        scale = float((cloud**2).sum(1).mean())
        for name, value in expected.items():
            assert getattr(row, name) == pytest.approx(value, rel=ROUNDING, abs=ROUNDING * scale), name
        assert abs(row.duality_gap) <= ROUNDING * scale


def test_images_get_random_choices_of_their_own_that_the_seed_repeats(
    make_dump: MakeDump, tmp_path: Path
) -> None:
    settings = {"methods": ("random",), "ratios": (0.5,)}
    folder = make_dump("a", samples=4, m=40)
    first = small([folder], tmp_path / "first", **settings)
    again = small([folder], tmp_path / "again", **settings)
    choices = first["kept_indices"].map(tuple)
    assert choices.tolist() == again["kept_indices"].map(tuple).tolist()
    assert choices.nunique() == len(first) == 4 * 2


def test_a_second_run_measures_nothing(
    make_dump: MakeDump, tmp_path: Path, measured: list[tuple[str, int]]
) -> None:
    folder = make_dump("a", samples=10)
    first = small([folder], tmp_path / "out")
    assert len(measured) == 10
    measured.clear()
    pd.testing.assert_frame_equal(small([folder], tmp_path / "out"), first)
    (tmp_path / "out" / "sweep.parquet").unlink()
    pd.testing.assert_frame_equal(small([folder], tmp_path / "out"), first)  # from the parts
    assert measured == []


def test_more_methods_gammas_ratios_and_seeds_reuse_what_is_there(
    make_dump: MakeDump, tmp_path: Path, measured: list[tuple[str, int]]
) -> None:
    folder = make_dump("a", samples=2)
    small([folder], tmp_path / "out")
    measured.clear()
    more = {
        "methods": ("first", "otprune", "divprune", "random"),
        "ratios": (0.25, 0.5, 0.75),
        "gammas": (1.0, 0.1, 0.01),
        "seeds": (1, 2, 0),
    }
    table = small([folder], tmp_path / "out", **more)
    per_sample = 3 * (1 + 3 + 1 + 3)
    assert measured == [("a-0", per_sample - 2 * (2 + 1 + 2)), ("a-1", per_sample - 2 * (2 + 1 + 2))]
    fresh = small([folder], tmp_path / "fresh", **more)
    pd.testing.assert_frame_equal(without_times(table), without_times(fresh))


def test_further_distances_are_measured_where_they_are_asked_for(make_dump: MakeDump, tmp_path: Path) -> None:
    folder = make_dump("a", samples=2, m=20)
    asked = {"normalisations": ("none", "rows"), "distances": ("sliced_w2", "w2", "energy_distance")}
    table = small([folder], tmp_path / "out", **asked)
    assert table.columns.tolist() == [*COLUMNS, "energy_distance", "sliced_w2"]
    dump = open_dump(folder)
    for row in table.itertuples():
        tokens = normalise_tokens(dump.sample(row.sample).tokens, row.normalisation)
        assert row.energy_distance == pytest.approx(ota.energy_distance(tokens, row.kept_indices))
        assert row.sliced_w2 == pytest.approx(ota.sliced_wasserstein2(tokens, row.kept_indices))
    path = tmp_path / "out/sweep.parquet"
    assert read_provenance(path)["settings"]["distances"] == ["energy_distance", "sliced_w2"]
    assert read_sweep(path, ["seed", "sliced_w2"])["sliced_w2"].equals(table["sliced_w2"])


def test_parts_know_which_distances_they_have(
    make_dump: MakeDump, tmp_path: Path, measured: list[tuple[str, int]]
) -> None:
    folder, out = make_dump("a", samples=2), tmp_path / "out"
    plain = small([folder], out)
    calls = len(measured)
    one = small([folder], out, distances=("effective_rank",))
    assert len(measured) == 2 * calls
    small([folder], out, distances=("effective_rank", "hausdorff_radius"))
    assert len(measured) == 3 * calls
    pd.testing.assert_frame_equal(small([folder], out), plain)
    again = small([folder], out, distances=("effective_rank", "quantisation_error"))
    pd.testing.assert_frame_equal(again, one)
    assert len(measured) == 3 * calls, "all of it was there"
    pd.testing.assert_frame_equal(without_times(one[COLUMNS]), without_times(plain))


def test_a_stopped_sweep_keeps_its_parts_and_goes_on(
    make_dump: MakeDump, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measured: list[tuple[str, int]]
) -> None:
    dumps = [make_dump("a", samples=10), make_dump("b", samples=3, seed=1)]  # parts of 8, 2 and 3 samples
    whole = small(dumps, tmp_path / "whole")
    measured.clear()
    recording = sweep_module.measure_sample

    def stopping(sample: Any, measurements: Any) -> Any:
        if sample.id == "b-1":
            raise KeyboardInterrupt
        return recording(sample, measurements)

    out = tmp_path / "out"
    monkeypatch.setattr(sweep_module, "measure_sample", stopping)
    with pytest.raises(KeyboardInterrupt, match="2 of 3 parts are kept"):
        small(dumps, out)
    monkeypatch.setattr(sweep_module, "measure_sample", recording)
    assert not (out / "sweep.parquet").exists()
    assert len(list((out / "parts").rglob("*.parquet"))) == 2
    measured.clear()
    pd.testing.assert_frame_equal(without_times(small(dumps, out)), without_times(whole))
    assert [sample for sample, _ in measured] == ["b-0", "b-1", "b-2"]


def test_processes_change_nothing_but_the_times(make_dump: MakeDump, tmp_path: Path) -> None:
    folder = make_dump("a", samples=17)
    one = small([folder], tmp_path / "one")
    two = small([folder], tmp_path / "two", jobs=2)
    exact = ["sample", "method", "ratio", "gamma", "seed", "kept_indices"]
    pd.testing.assert_frame_equal(one[exact], two[exact])
    pd.testing.assert_frame_equal(without_times(one), without_times(two), rtol=ROUNDING, atol=ROUNDING)


def test_a_damaged_part_is_measured_again(
    make_dump: MakeDump, tmp_path: Path, measured: list[tuple[str, int]]
) -> None:
    folder = make_dump("a", samples=9)
    first = small([folder], tmp_path / "out")
    part = next((tmp_path / "out" / "parts").rglob("*.parquet"))
    part.write_bytes(part.read_bytes()[:100])
    (tmp_path / "out" / "sweep.parquet").unlink()
    measured.clear()
    pd.testing.assert_frame_equal(without_times(small([folder], tmp_path / "out")), without_times(first))
    assert len(measured) in (1, 8)


def test_other_content_under_the_same_name_is_measured_again(
    make_dump: MakeDump, tmp_path: Path, measured: list[tuple[str, int]]
) -> None:
    folder = make_dump("a")
    first = small([folder], tmp_path / "out")
    for file in folder.iterdir():
        file.unlink()
    make_dump("a", seed=5)
    measured.clear()
    second = small([folder], tmp_path / "out")
    assert len(measured) == 3
    assert (second["w2"] != first["w2"]).any()


def test_limit_takes_the_first_samples(make_dump: MakeDump, tmp_path: Path) -> None:
    table = small([make_dump("a", samples=5)], tmp_path / "out", limit=2)
    assert table["sample"].unique().tolist() == ["a-0", "a-1"]


def test_the_table_says_how_it_came_about(make_dump: MakeDump, tmp_path: Path) -> None:
    folder = make_dump("a")
    path = sweep([folder], methods=("otprune",), ratios=(0.5,), out=tmp_path / "out", progress=False)
    provenance = read_provenance(path)
    assert provenance["versions"]["otanalysis"] == ota.__version__
    assert provenance["dumps"][0]["fingerprint"] == open_dump(folder).manifest.fingerprint
    assert provenance["settings"]["selectors"] == ["OTPrune(gamma=0.01, normalise='columns')"]
    other = tmp_path / "other.parquet"
    pd.DataFrame({"w2": [1.0]}).to_parquet(other)
    with pytest.raises(InputError, match="not a table that otanalysis wrote"):
        read_provenance(other)
    with pytest.raises(InputError, match="not a table that otanalysis wrote"):
        read_sweep(tmp_path / "missing.parquet")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ("otprune", "best")}, "'best'; known are otprune"),
        ({"methods": ()}, "at least one of methods"),
        ({"ratios": (0.5, 1.5)}, r"\(0, 1\]"),
        ({"ratios": (0.5, 0.5)}, "distinct"),
        ({"gammas": (-1.0,)}, "gamma"),
        ({"gammas": {"otprune": (0.01, 0.01)}}, "distinct"),
        ({"gammas": {"otprune": ()}}, "at least one of gammas"),
        ({"gammas": {"divprune": (0.01,)}}, "'divprune'; known are otprune, otprune-paper"),
        ({"seeds": (-1,)}, "seed"),
        ({"normalisations": ("none", "cells")}, "'cells'; known are none, columns, rows"),
        ({"distances": ("cosine",)}, "'cosine'"),
        ({"jobs": 0}, "jobs"),
        ({"limit": 0}, "limit"),
    ],
)
def test_unfit_settings_are_refused_before_anything_is_written(
    make_dump: MakeDump, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        small([make_dump("a")], tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_missing_and_repeated_dumps_are_refused(make_dump: MakeDump, tmp_path: Path) -> None:
    folder = make_dump("a")
    with pytest.raises(DumpError, match="no such folder"):
        small([folder, tmp_path / "missing"], tmp_path / "out")
    with pytest.raises(InputError, match="the same content"):
        small([folder, folder], tmp_path / "out")
    with pytest.raises(InputError, match="At least one dump"):
        small([], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_tokens_with_nan_are_named_by_their_sample(make_dump: MakeDump, tmp_path: Path) -> None:
    folder = make_dump("a", samples=2)
    shard = folder / "tokens-00001-of-00001.safetensors"
    tokens = load_file(shard)
    tokens["a-1"][3, 2] = np.nan
    save_file(tokens, shard)
    manifest = json.loads((folder / "manifest.json").read_text())
    data = shard.read_bytes()
    manifest["shards"][0].update(size=len(data), sha256=hashlib.sha256(data).hexdigest())
    del manifest["digest"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"Sample 'a-1' of .*NaN"):
        small([folder], tmp_path / "out")
    assert not (tmp_path / "out" / "sweep.parquet").exists()


def test_keys_tell_measurements_apart_and_nothing_else() -> None:
    settings = SweepSettings(("otprune", "random"), (0.1, 0.2), (0.01, 0.1), (0, 1), ("none", "rows"))
    keys = [one.key for one in settings.measurements()]
    assert len(set(keys)) == len(keys) == (2 + 2) * 2 * 2
    same = SweepSettings(("otprune", "random"), (0.1, 0.2), (0.01, 0.1), (0, 1), ("none", "rows"))
    assert settings.digest() == same.digest()
    other = SweepSettings(("otprune", "random"), (0.1, 0.2), (0.01, 0.2), (0, 1), ("none", "rows"))
    assert settings.digest() != other.digest()


@dataclass(frozen=True)
class FromTheEnd:
    """A user's selector, whose code a test edits."""

    name = "from-the-end"
    nested = True
    stochastic = False

    def __call__(self, tokens: Any, keep: int, **_: Any) -> Any:
        return build_selection(self, tokens, np.arange(len(tokens))[::-1][:keep])


def test_a_selector_of_ones_own_is_swept_like_the_others_and_again_when_its_code_changes(
    make_dump: MakeDump, tmp_path: Path, measured: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = make_dump("a", samples=2), tmp_path / "out"
    table = small([folder], out, methods=("last", FromTheEnd()), ratios=(0.25,))
    by_method = {name: rows.drop(columns="method") for name, rows in without_times(table).groupby("method")}
    assert set(by_method) == {"last", "from-the-end"}
    pd.testing.assert_frame_equal(
        by_method["last"].reset_index(drop=True), by_method["from-the-end"].reset_index(drop=True)
    )
    assert read_provenance(out / "sweep.parquet")["settings"]["methods"] == ["last", "from-the-end"]
    assert len(measured) == 2
    small([folder], out, methods=("last", FromTheEnd()), ratios=(0.25,))
    assert len(measured) == 2, "the same code was measured twice"

    def forwards(self: Any, tokens: Any, keep: int, **_: Any) -> Any:
        return build_selection(self, tokens, np.arange(len(tokens))[:keep])

    monkeypatch.setattr(FromTheEnd, "__call__", forwards)
    edited = small([folder], out, methods=("last", FromTheEnd()), ratios=(0.25,))
    own = edited[edited["method"] == "from-the-end"]
    assert [list(kept) for kept in own["kept_indices"]] == [[0, 1, 2]] * 2
    assert measured[2:] == [("a-0", 1), ("a-1", 1)], "only the edited selector is measured again"


def test_a_selector_of_ones_own_runs_in_other_processes(make_dump: MakeDump, tmp_path: Path) -> None:
    folder = make_dump("a", samples=10)
    alone = small([folder], tmp_path / "one", methods=(FromTheEnd(),))
    together = small([folder], tmp_path / "two", methods=(FromTheEnd(),), jobs=2)
    pd.testing.assert_frame_equal(without_times(alone), without_times(together))


def test_a_selector_whose_name_is_taken_is_refused(make_dump: MakeDump, tmp_path: Path) -> None:
    folder = make_dump("a")
    for methods in ((OTPrune(normalise="rows"),), (FromTheEnd(), FromTheEnd())):
        with pytest.raises(InputError, match="is taken"):
            small([folder], tmp_path / "out", methods=methods)


def test_weights_in_a_dump_are_the_masses_of_its_rows(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    weights = generator.exponential(size=20)
    folder = tmp_path / "dumps" / "weighted"
    with DumpWriter(folder, model="tiny", benchmark="noise", dtype="float32") as writer:
        writer.add("with", generator.standard_normal((20, 4)), weights=weights)
        writer.add("without", generator.standard_normal((20, 4)))
    methods = ("otprune", "kmedoids", "ot-medoids")

    table = small([folder], tmp_path / "out", methods=methods, gammas=(0.01,), seeds=(0,))

    samples = list(open_dump(folder))
    assert len(samples) == 2
    for sample in samples:
        image = ota.Image(sample.tokens, weights=sample.weights)
        rows = table[table["sample"] == sample.id]
        assert len(rows) == 6
        for row in rows.to_dict("records"):
            kept = ota.select(image, row["method"], keep=row["keep"]).indices
            assert row["kept_indices"].tolist() == kept.tolist()
            assert row["w2"] == ota.wasserstein2(image, kept).distance
            assert row["quantisation_error"] == ota.quantisation_error(image, kept)
            plain = ota.wasserstein2(sample.tokens, kept).distance
            assert (row["w2"] == plain) == (sample.id == "without")
