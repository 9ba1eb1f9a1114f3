"""What a writer is given: arrays and settings of every kind are taken as meant, or refused in our words."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from otanalysis.errors import InputError
from otanalysis.tokens import DumpWriter, open_dump, verify_dump

torch = pytest.importorskip("torch")

HALVES = np.arange(12, dtype=np.float32).reshape(4, 3) / 2
"""Values that bfloat16 and float16 hold exactly."""


def stored(folder: Path, tokens: Any) -> np.ndarray:
    with DumpWriter(folder, model="m", benchmark="b") as writer:
        writer.add("a", tokens)
    assert verify_dump(folder).sound
    return open_dump(folder)[0].tokens


@pytest.mark.parametrize(
    "given",
    [
        lambda: torch.tensor(HALVES, dtype=torch.bfloat16),
        lambda: torch.tensor(HALVES, requires_grad=True),
        lambda: torch.tensor(HALVES, dtype=torch.bfloat16, requires_grad=True) * 1,
        lambda: torch.tensor(HALVES).T.contiguous().T,
        lambda: [torch.tensor(row, dtype=torch.bfloat16) for row in HALVES],
        lambda: [torch.tensor(row, requires_grad=True) for row in HALVES],
        lambda: HALVES.tolist(),
        lambda: list(HALVES),
        lambda: pd.DataFrame(HALVES),
        lambda: np.ma.masked_invalid(HALVES),
        lambda: np.asmatrix(HALVES),
        lambda: HALVES.astype(">f4"),
        lambda: HALVES.astype(np.longdouble),
    ],
)
def test_tokens_of_any_library_are_stored_as_they_are(tmp_path: Path, given: Callable[[], Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)  # of NumPy's matrix
        tokens = given()
    np.testing.assert_array_equal(stored(tmp_path / "dump", tokens), HALVES)


@pytest.mark.parametrize(
    "given",
    [
        lambda: torch.empty((4, 3), device="meta"),
        lambda: torch.tensor(HALVES).to_sparse(),
        lambda: torch.tensor(HALVES, dtype=torch.complex64),
        lambda: torch.tensor(HALVES).to(torch.int64),
        lambda: [torch.empty(3, device="meta")] * 4,
        lambda: np.ma.masked_greater(HALVES, 2.0),
        lambda: [[1.0, 2.0], [3.0]],
        lambda: [[1, 2], [3, 4]],
        lambda: [["a", "b"]],
        lambda: HALVES.astype(complex),
        lambda: HALVES.astype(object),
        lambda: pd.DataFrame({"text": ["a"]}),
        lambda: np.zeros((2, 2, 2)),
        lambda: None,
        lambda: SimpleNamespace(shape=(4, 3), dtype="float32"),
        lambda: np.full((2, 2), 1e300),
        lambda: torch.full((2, 2), float("nan")),
    ],
)
def test_what_is_no_matrix_of_finite_floats_is_refused(tmp_path: Path, given: Callable[[], Any]) -> None:
    writer = DumpWriter(tmp_path / "dump", model="m", benchmark="b")
    tokens = given()
    with pytest.raises(InputError, match="tokens of 'a'"):
        writer.add("a", tokens)
    assert "a" not in writer
    writer.add("a", HALVES)
    writer.finish()


def test_values_that_cannot_be_stored_are_counted(tmp_path: Path) -> None:
    tokens = np.array([[1.0, np.nan, np.inf], [-np.inf, 1e300, 2.0]])
    with (
        pytest.raises(InputError, match=r"tokens of 'a' have 4 values that are NaN, infinite or too large"),
        DumpWriter(tmp_path / "dump", model="m", benchmark="b") as writer,
    ):
        writer.add("a", tokens)


@pytest.mark.parametrize(
    "thumbnail",
    [
        [[1, 2], [3]],
        "picture",
        np.zeros((4, 4, 3), np.uint8).tolist(),
        torch.zeros((4, 4, 3), device="meta"),
        SimpleNamespace(),
    ],
)
def test_what_is_no_picture_is_refused(tmp_path: Path, thumbnail: Any) -> None:
    writer = DumpWriter(tmp_path / "dump", model="m", benchmark="b")
    with pytest.raises(InputError, match=r"[Aa] thumbnail must be"):
        writer.add("a", HALVES, thumbnail=thumbnail)
    writer.add("a", HALVES, thumbnail=torch.zeros((4, 4, 3), dtype=torch.uint8))
    writer.finish()
    assert verify_dump(tmp_path / "dump").thumbnails == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": None}, "model must be a text"),
        ({"model": Path("m")}, "model must be a text"),
        ({"model": "\ud800"}, "model must be a text"),
        ({"benchmark": 3}, "benchmark must be a text"),
        ({"revision": None}, "revision must be a text"),
        ({"layer": "1"}, "layer must be a whole number"),
        ({"layer": True}, "layer must be a whole number"),
        ({"layer": 10**5000}, "layer must be a whole number"),
        ({"select_strategy": 1}, "select_strategy must be a text"),
        ({"processor": 3}, "JSON values only"),
        ({"processor": {"a": object()}}, "JSON values only"),
        ({"processor": [1, 2]}, "JSON values only"),
        ({"grid": 3}, "grid must be several"),
        ({"grid": (2,)}, "grid must be null or"),
        ({"grid": (2, 0)}, "grid must be"),
        ({"grid": (2.5, 3)}, "grid must be"),
        ({"dtype": ["float16"]}, "dtype must be one of"),
        ({"dtype": np.float16}, "dtype must be one of"),
        ({"shard_size": 0}, "^shard_size must be an integer from 1 on; got 0"),
        ({"shard_size": "3"}, "^shard_size must be"),
        ({"shard_size": 2.5}, "^shard_size must be"),
        ({"shard_size": True}, "^shard_size must be"),
        ({"extra": {"x": float("nan")}}, "JSON values only"),
        ({"extra": {"x": "\ud800"}}, "JSON values only"),
        ({"extra": {"x": 10**5000}}, "JSON values only"),
        ({"extra": {(1, 2): 3}}, "JSON values only"),
        ({"path": None}, "path of a folder"),
    ],
)
def test_settings_that_do_not_fit_are_refused_and_nothing_is_made(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        DumpWriter(**{"path": tmp_path / "dump", "model": "m", "benchmark": "b", **settings})
    assert list(tmp_path.iterdir()) == []


def test_whole_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"layer": np.int64(-2), "shard_size": np.int8(1), "grid": np.array([2, 3])}
    with DumpWriter(tmp_path / "dump", model="m", benchmark="b", **settings) as writer:
        writer.add("a", HALVES)
    manifest = open_dump(tmp_path / "dump").manifest
    assert (manifest.layer, manifest.shard_size, manifest.grid) == (-2, 1, (2, 3))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sample_id": "\ud800"}, "must be a text, not empty"),
        ({"sample_id": None}, "must be a text, not empty"),
        ({"sample_id": ["a"]}, "must be a text, not empty"),
        ({"extra": 3}, "JSON values only"),
        ({"extra": {"x": "\ud800"}}, "JSON values only"),
        ({"extra": {"x": {1, 2}}}, "JSON values only"),
        ({"extra": {"grid": [2]}}, r"must be \[rows, columns\] or None"),
        ({"extra": {"grid": "23"}}, r"must be \[rows, columns\] or None"),
    ],
)
def test_samples_that_the_manifest_cannot_hold_are_refused(
    tmp_path: Path, given: dict[str, Any], message: str
) -> None:
    writer = DumpWriter(tmp_path / "dump", model="m", benchmark="b")
    with pytest.raises(InputError, match=message):
        writer.add(**{"sample_id": "a", "tokens": HALVES, **given})
    writer.add("a", HALVES)
    writer.finish()
    assert verify_dump(tmp_path / "dump").sound


def test_deep_values_are_refused(tmp_path: Path) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InputError, match="JSON values only"):
        DumpWriter(tmp_path / "dump", model="m", benchmark="b", extra={"x": deep})


def test_what_is_known_is_kept_as_it_will_be_read(tmp_path: Path) -> None:
    """Names of JSON are texts, and its lists are no tuples: the fingerprint is that of what comes back."""
    with DumpWriter(tmp_path / "dump", model="m", benchmark="b", extra={10: (1, 2), 9: None}) as writer:
        writer.add("a", HALVES, extra={2: "x", 10: "y", "grid": (2, 2)})
    dump = open_dump(tmp_path / "dump")
    assert dump.manifest.extra == {"10": [1, 2], "9": None}
    assert dump[0].extra == {"2": "x", "10": "y", "grid": [2, 2]}
    assert dump[0].grid == (2, 2)
    assert (
        json.loads((tmp_path / "dump" / "manifest.json").read_text())["digest"] == dump.manifest.fingerprint
    )
