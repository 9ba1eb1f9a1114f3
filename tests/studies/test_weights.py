"""The study of weights: its rows are what the public functions say under every weighting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import otanalysis as ota
from otanalysis.errors import InputError
from otanalysis.mini import BENCHMARKS
from otanalysis.studies.engine import measure_samples
from otanalysis.studies.weights import (
    WEIGHTINGS,
    WeightsStudy,
    alike,
    by_norm,
    by_objects,
    by_rarity,
    read_weights,
)
from otanalysis.tokens import Sample

STUDY = WeightsStudy(methods=("otprune", "random", "kmedoids"), ratios=(0.1, 0.2), seeds=(0, 1))


@pytest.fixture(scope="module")
def sample() -> Sample:
    """Return a bundled scene with made-up tokens: what it shows is known, the model is not needed."""
    pytest.importorskip("sklearn")  # of whose digits scenes are composed
    tokens = np.random.default_rng(0).standard_normal((24 * 24, 3)).astype(np.float32)
    return Sample(next(BENCHMARKS["presence"].items(1)).identifier, tokens, (24, 24), {})


def test_weights_are_what_their_names_say(sample: Sample) -> None:
    scene = next(BENCHMARKS["presence"].items(1)).scene
    small = replace(sample, tokens=np.array([[3.0, 4.0], [0.0, 0.0], [0.0, 0.0], [1.0, 0.0]], np.float32))

    assert alike(small).tolist() == [1.0] * 4
    assert by_norm(small).tolist() == [5.0, 0.0, 0.0, 1.0]
    rare = by_rarity(small)
    distances = ota.squared_distances(small.tokens)
    width = np.median(distances[~np.eye(4, dtype=bool)])
    np.testing.assert_allclose(rare, 1 / np.exp(-distances / (2 * width)).sum(axis=1))
    assert rare[0] > max(rare[1:])
    assert rare[1] == rare[2]
    twins = replace(small, tokens=np.array([[1.0]] * 9 + [[2.0]], np.float32))
    np.testing.assert_allclose(by_rarity(twins), [1 / 9] * 9 + [1.0])
    assert by_rarity(replace(small, tokens=np.ones((1, 2), np.float32))).tolist() == [1.0]
    objects = by_objects(sample)
    assert objects is not None
    assert np.flatnonzero(objects).tolist() == np.flatnonzero(scene.covered).tolist() != []
    assert by_objects(replace(sample, id="photograph")) is None
    assert by_objects(replace(sample, grid=(16, 36))) is None
    covered = np.linspace(0, 1, 24 * 24)
    assert by_objects(replace(sample, id="photograph", side={"objects": covered})) is covered
    assert by_objects(replace(sample, id="photograph", side={"objects": np.zeros(24 * 24)})) is None


def test_rows_hold_the_distances_under_every_weighting(sample: Sample) -> None:
    rows = pd.DataFrame(replace(STUDY, normalise="rows")(sample))
    assert sorted(rows.columns) == sorted(STUDY.schema.names)
    assert len(rows) == len(WEIGHTINGS) * 2 * 2 * (1 + 2 + 1)
    assert set(rows["keep"]) == {58, 115}
    for weighting, weigh in WEIGHTINGS.items():
        image = ota.Image(sample.tokens, weights=weigh(sample))
        for method in ("otprune", "kmedoids"):
            kept = ota.select(image, method, keep=58).indices
            here = (rows["weighting"] == weighting) & (rows["method"] == method) & (rows["keep"] == 58)
            own = rows[here].set_index("kept_weights")["w2_squared"]
            exact = ota.wasserstein2(image, kept, normalise="rows").squared_distance
            assert own["uniform"] == exact
            assert own["optimal"] == ota.quantisation_error(image.normalised("rows"), kept) < exact
    otprune = rows[rows["method"] == "otprune"]
    assert otprune.groupby(["ratio", "kept_weights"])["w2"].nunique().eq(len(WEIGHTINGS)).all()


def test_images_whose_objects_nobody_knows_have_the_other_weightings(
    make_dump: Callable[..., Path], tmp_path: Path
) -> None:
    dump = make_dump("a", samples=2, m=20, d=4)
    table = read_weights(measure_samples(STUDY, [dump], out=tmp_path, progress=False))
    assert set(table["weighting"]) == {"uniform", "norm", "rarity"}
    assert table.groupby("sample").size().tolist() == [3 * 2 * 2 * 4] * 2
    with pytest.raises(InputError, match="is not a table"):
        read_weights(tmp_path / "none.parquet")
    with pytest.raises(InputError, match="Unknown method"):
        WeightsStudy(methods=("best",))
