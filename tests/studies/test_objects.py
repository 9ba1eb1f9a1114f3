"""What kept tokens are of, counted one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from otanalysis.errors import InputError
from otanalysis.studies.objects import COVERED, KEPT_SETS, OF_OBJECTS, kept_of_objects
from otanalysis.tokens import open_dump
from tests.studies.scene_dumps import M, scenes_dump


def kept_sets(*benchmarks: str) -> pd.DataFrame:
    """Return three kept sets of each scene, the scenes in turn, under an index of their own."""
    generator = np.random.default_rng(0)
    rows = [
        ("stamps", benchmark, sample, np.sort(generator.permutation(M)[:keep]))
        for keep in (1, 5, M)
        for benchmark in benchmarks
        for sample in ("b", "a")
    ]
    return pd.DataFrame(rows, columns=list(KEPT_SETS), index=[f"row {number}" for number in range(len(rows))])


def test_tokens_on_objects_and_lengths_are_counted_one_by_one(tmp_path: Path) -> None:
    dumps = [scenes_dump(tmp_path / name) for name in ("where", "count")]
    rows = kept_sets("count", "where")
    found = kept_of_objects(rows, dumps)
    assert list(found.index) == list(rows.index)
    assert tuple(sorted(found.columns)) == tuple(sorted(OF_OBJECTS))
    for name, row in rows.iterrows():
        sample = open_dump(tmp_path / row["benchmark"]).sample(row["sample"])
        on = [share >= COVERED for share in sample.side["objects"]]
        lengths = [sum(float(x) ** 2 for x in token) for token in sample.tokens]
        kept = row["kept_indices"]
        assert found.loc[name, "kept_on_objects"] == pytest.approx(sum(on[i] for i in kept) / len(kept))
        assert found.loc[name, "object_share"] == pytest.approx(sum(on) / M)
        ratio = (sum(lengths[i] for i in kept) / len(kept)) / (sum(lengths) / M)
        assert found.loc[name, "length_ratio"] == pytest.approx(ratio)
    whole = found[rows["kept_indices"].map(len) == M]
    assert (whole["kept_on_objects"] == whole["object_share"]).all()
    np.testing.assert_allclose(whole["length_ratio"], 1.0)


def test_a_patch_is_on_an_object_from_a_quarter_on(tmp_path: Path) -> None:
    sample = open_dump(scenes_dump(tmp_path / "where")).sample("a")
    limit = np.flatnonzero(sample.side["objects"] == COVERED)
    below = np.flatnonzero(sample.side["objects"] == 0.2)
    rows = pd.DataFrame(
        {"model": "stamps", "benchmark": "where", "sample": "a", "kept_indices": [limit, below]}
    )
    assert kept_of_objects(rows, [tmp_path / "where"])["kept_on_objects"].tolist() == [1.0, 0.0]


def test_objects_that_nobody_knows_are_asked_for(tmp_path: Path) -> None:
    rows = kept_sets("where")
    with pytest.raises(InputError, match="No dump is of stamps and where"):
        kept_of_objects(rows, [scenes_dump(tmp_path / "count")])
    blind = scenes_dump(tmp_path / "where", side=False)
    with pytest.raises(InputError, match=r"does not say where the objects of 'b' are: .*dump-scenes"):
        kept_of_objects(rows, [blind])
