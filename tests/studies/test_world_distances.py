"""The small table of distances says what the sweeps say, and what they were measured on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from otanalysis.distances import DISTANCES, EVERYWHERE, further_distances
from otanalysis.errors import DumpError, InputError
from otanalysis.studies.objects import KEPT_SETS, OF_OBJECTS, kept_of_objects
from otanalysis.studies.provenance import read_provenance
from otanalysis.studies.sweep import read_sweep, sweep
from otanalysis.studies.world_distances import read_distances, write_distances
from tests.studies.scene_dumps import scenes_dump

FURTHER = further_distances(DISTANCES)
KEYS = ["benchmark", "sample", "method", "ratio", "gamma", "seed", "normalisation"]
HOW: dict[str, Any] = {"ratios": (0.25, 0.5), "seeds": (0, 1), "progress": False}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[Path]]:
    """Return three sweeps, two of them of one model, and all dumps."""
    folder = tmp_path_factory.mktemp("measured")
    ours = [scenes_dump(folder / "ours" / name) for name in ("where", "count")]
    others = scenes_dump(folder / "others" / "where", model="others", extra={"backgrounds": "natural"})
    methods = ("otprune", "otprune-paper", "random", "first")
    sweeps = [
        sweep(ours, methods=methods, distances=FURTHER, out=folder / "raw", **HOW),
        sweep(ours, methods=methods, normalisations=("columns", "rows"), out=folder / "normalised", **HOW),
        sweep([others], methods=("first",), distances=FURTHER, out=folder / "other", **HOW),
    ]
    return sweeps, [*ours, others]


@pytest.fixture(scope="module")
def table(measured: tuple[list[Path], list[Path]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_distances(*measured, tmp_path_factory.mktemp("table") / "distances.parquet")


def test_every_row_of_the_sweeps_is_there_but_for_its_rounding(
    measured: tuple[list[Path], list[Path]], table: Path
) -> None:
    sweeps, dumps = measured
    whole = pd.concat([read_sweep(path) for path in sweeps], ignore_index=True)
    whole = whole.join(kept_of_objects(whole, dumps))
    for model in ("stamps", "others"):
        rows = whole[whole["model"] == model]
        found = read_distances(table, model).sort_values(KEYS, ignore_index=True)
        wanted = rows.sort_values(KEYS, ignore_index=True)
        exact = ["model", *KEYS, "m", "keep", "logdet_gamma"]
        pd.testing.assert_frame_equal(found[exact], wanted[exact], check_dtype=False, check_exact=True)
        numbers = [*DISTANCES, *OF_OBJECTS]
        np.testing.assert_allclose(found[numbers], wanted[numbers], rtol=np.finfo(np.float32).eps)
        raw = found["normalisation"] == "none"
        assert found.loc[raw, list(FURTHER)].notna().all(axis=None)
        assert found.loc[~raw, list(FURTHER)].isna().all(axis=None)
        assert found[list(EVERYWHERE)].notna().all(axis=None)
        assert set(found["dump"]) == {f"{model}/{name}" for name in set(rows["benchmark"])}
    assert set(KEPT_SETS) - set(found.columns) == {"kept_indices"}


def test_its_provenance_has_that_of_every_sweep_and_the_scenes(
    measured: tuple[list[Path], list[Path]], table: Path
) -> None:
    told = read_provenance(table)["sweeps"]
    for one, path in zip(told, measured[0], strict=True):
        about = read_provenance(path)
        assert one["settings"] == about["settings"]
        assert one["versions"] == about["versions"]
        assert [dump["fingerprint"] for dump in one["dumps"]] == [d["fingerprint"] for d in about["dumps"]]
        rows = read_sweep(path)
        assert one["largest_relative_duality_gap"] == (rows["duality_gap"] / rows["w2_squared"]).max() < 1e-9
    assert [one["dumps"][0]["scenes"] for one in told] == [{}, {}, {"backgrounds": "natural"}]


def test_what_does_not_belong_together_is_refused(
    measured: tuple[list[Path], list[Path]], table: Path, tmp_path: Path
) -> None:
    (raw, normalised, other), dumps = measured
    out = tmp_path / "out.parquet"
    for sweeps, given, message in (
        ([], dumps, "At least one table of a sweep"),
        ([raw, normalised, raw], dumps, "Two sweeps measured the same, such as {'model': 'stamps'"),
        ([raw, other], dumps[1:], "measured on dumps that are not given, or have changed: ours/where"),
        ([table], dumps, "distances.parquet lacks the columns"),
    ):
        with pytest.raises(InputError, match=message):
            write_distances(sweeps, given, out)
    with pytest.raises(DumpError):
        write_distances([raw], [tmp_path], out)
    with pytest.raises(InputError, match=r"a Parquet file: name it out\.parquet, not out\.csv"):
        write_distances([raw], dumps, out.with_suffix(".csv"))
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="no distances of llava; it has those of others, stamps"):
        read_distances(table, "llava")
    with pytest.raises(InputError, match=r"lacks the columns .*: restore it"):
        read_distances(raw, "stamps")
