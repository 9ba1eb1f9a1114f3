"""Weights of tokens in a dump: read as they were written, covered by checksums, and absent where none are."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from otanalysis.errors import DumpError, InputError
from otanalysis.tokens import DumpWriter, open_dump, verify_dump
from tests.dumps import content_of, written

SETTINGS: dict[str, Any] = {"model": "tiny", "benchmark": "noise", "shard_size": 2}
M = 6
FILE = "weights-00001-of-00001.safetensors"


def weights_of(number: int) -> np.ndarray:
    """Return weights that differ from sample to sample, zeros and a tiny one among them."""
    weights = 1.0 / 3.0 + np.random.default_rng(number).exponential(size=M)
    weights[:2] = 0.0, 1e-12
    return weights


def write(folder: Path, ids: str, *, without: str = "", stop: bool = False) -> Path:
    samples = {
        name: {
            "tokens": np.full((M, 5), number / 4),
            "weights": None if name in without else weights_of(number),
        }
        for number, name in enumerate(ids)
    }
    return written(folder, samples, stop=stop, **SETTINGS)


def test_weights_come_back_to_the_last_bit_where_they_were_given(tmp_path: Path) -> None:
    dump = open_dump(write(tmp_path / "dump", "abcde", without="bcd"))

    assert len(dump) == 5
    for number, sample in enumerate(dump):
        if sample.id in "bcd":
            assert sample.weights is None
        else:
            assert sample.weights is not None
            assert sample.weights.dtype == np.float64
            np.testing.assert_array_equal(sample.weights, weights_of(number))
    report = verify_dump(dump.path)
    assert report.sound
    assert report.weights == 2
    files = {path.name: path.stat().st_size for path in dump.path.glob("*.safetensors")}
    assert [name for name in sorted(files) if "weights" in name] == [
        "weights-00001-of-00002.safetensors",
        "weights-00002-of-00002.safetensors",
    ]
    assert report.size == sum(files.values())
    stored = load_file(dump.path / "weights-00001-of-00002.safetensors")
    assert list(stored) == ["a"]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(dump[0])).weights, dump[0].weights)


def test_a_dump_without_weights_has_the_bytes_that_it_had_before_there_were_any(tmp_path: Path) -> None:
    dump = open_dump(write(tmp_path / "dump", "abc", without="abc"))
    content = json.loads((dump.path / "manifest.json").read_text())
    digest = content.pop("digest")
    assert "weights" not in content
    assert [set(entry) for entry in content["samples"]] == [{"id", "shard", "m", "d", "extra"}] * 3
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert dump.manifest.fingerprint == hashlib.sha256(canonical.encode()).hexdigest() == digest
    assert verify_dump(dump.path).weights == 0


@pytest.mark.parametrize("stop_after", [1, 2, 3, 4])
def test_a_stopped_writer_goes_on_to_the_same_bytes(tmp_path: Path, stop_after: int) -> None:
    whole = write(tmp_path / "whole", "abcde", without="b")
    folder = write(tmp_path / "stopped", "abcde"[:stop_after], without="b", stop=True)
    write(folder, "abcde", without="b")
    assert content_of(folder) == content_of(whole)


def test_weights_are_a_part_of_what_a_dump_is(tmp_path: Path) -> None:
    one, other = (
        open_dump(write(tmp_path / name, "ab", without=without)) for name, without in (("x", ""), ("y", "b"))
    )
    assert one.manifest.fingerprint != other.manifest.fingerprint


def test_going_on_with_a_damaged_file_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "dump", "abc", stop=True)
    file = folder / "weights-00001.partial.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    with pytest.raises(DumpError, match=r"weights-00001\.partial.*checksum"):
        write(folder, "abc")


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(M + 1), rf"the weights of 'a' must be {M} numbers, one a token"),
        (np.ones((M, 1)), "must be 6 numbers"),
        (-np.ones(M), "not negative"),
        (np.zeros(M), "not all zero"),
        (np.full(M, np.inf), "must be finite"),
        (["x"] * M, "must hold real numbers"),
    ],
)
def test_what_are_no_weights_is_refused_and_leaves_no_trace(
    tmp_path: Path, weights: Any, message: str
) -> None:
    with DumpWriter(tmp_path / "dump", **SETTINGS) as writer:
        with pytest.raises(InputError, match=message):
            writer.add("a", np.ones((M, 2)), weights=weights)
        writer.add("a", np.ones((M, 2)), weights=[1, 2, 3, 4, 5, 6])
    assert open_dump(tmp_path / "dump")[0].weights.tolist() == [1, 2, 3, 4, 5, 6]


def test_a_writer_keeps_its_own_copy(tmp_path: Path) -> None:
    mine = np.arange(1.0, M + 1)
    with DumpWriter(tmp_path / "dump", **SETTINGS) as writer:
        writer.add("a", np.ones((M, 2)), weights=mine)
        mine[:] = 7.0
    assert open_dump(tmp_path / "dump")[0].weights.tolist() == [1, 2, 3, 4, 5, 6]


def test_a_flipped_bit_is_seen_before_anything_is_measured(tmp_path: Path) -> None:
    folder = write(tmp_path / "dump", "ab")
    data = bytearray((folder / FILE).read_bytes())
    data[-1] ^= 1
    (folder / FILE).write_bytes(data)
    with pytest.raises(DumpError, match=rf"{FILE} is damaged"):
        _ = open_dump(folder)[0]
    report = verify_dump(folder)
    assert not report.sound
    assert FILE in report.problems[0]


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (np.ones(M - 1), "must be 6 numbers"),
        (np.ones(M, np.float32), "are float32, not float64"),
        (-np.ones(M), "not negative"),
        (np.full(M, np.nan), "must be finite"),
    ],
)
def test_forged_weights_are_named_by_reader_and_check(
    tmp_path: Path, stored: np.ndarray, message: str
) -> None:
    folder = write(tmp_path / "dump", "ab")
    data = save({"a": stored, "b": weights_of(1)}, metadata={"format": "np"})
    (folder / FILE).write_bytes(data)
    content = json.loads((folder / "manifest.json").read_text())
    content["weights"][0].update(size=len(data), sha256=hashlib.sha256(data).hexdigest())
    content.pop("digest")
    (folder / "manifest.json").write_text(json.dumps(content, indent=1) + "\n")
    with pytest.raises(DumpError, match=message):
        _ = open_dump(folder)[0]
    assert open_dump(folder)[1].weights is not None
    assert any(message in problem for problem in verify_dump(folder).problems)


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("weights", "x", "weights must be a list"),
        (("samples", 0, "weights"), 7, "points to weights 7, which are not listed"),
        (("samples", 0, "weights"), -1, "must be null or"),
        (("weights", 0, "file"), "tokens-00001-of-00001.safetensors", "file must be 'weights-00001"),
    ],
)
def test_a_manifest_that_no_writer_writes_is_refused(
    tmp_path: Path, entry: Any, value: Any, message: str
) -> None:
    folder = write(tmp_path / "dump", "ab")
    content = json.loads((folder / "manifest.json").read_text())
    content.pop("digest")
    *way, last = (entry,) if isinstance(entry, str) else entry
    holder = content
    for key in way:
        holder = holder[key]
    holder[last] = value
    (folder / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(DumpError, match=message):
        open_dump(folder)
