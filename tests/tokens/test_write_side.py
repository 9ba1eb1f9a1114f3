"""Side information in a dump: read as it was written, covered by checksums, absent where there is none."""

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
FILE = "side-00001-of-00001.safetensors"


def side_of(number: int) -> dict[str, np.ndarray]:
    """Return side information that differs from sample to sample, also in its names."""
    generator = np.random.default_rng(number)
    side = {"cls_attention": generator.random(M) / 3, "text_relevance": -generator.random(M) * 1e-12}
    return side if number % 2 else {"text_relevance": side["text_relevance"]}


def write(folder: Path, ids: str, *, without: str = "", stop: bool = False) -> Path:
    samples = {
        name: {"tokens": np.full((M, 5), number / 4), "side": None if name in without else side_of(number)}
        for number, name in enumerate(ids)
    }
    return written(folder, samples, stop=stop, **SETTINGS)


def forge(folder: Path, change: Any) -> None:
    """Change a manifest, which then carries no digest."""
    content = json.loads((folder / "manifest.json").read_text())
    content.pop("digest")
    change(content)
    (folder / "manifest.json").write_text(json.dumps(content, indent=1) + "\n")


def test_side_information_comes_back_to_the_last_bit_where_it_was_given(tmp_path: Path) -> None:
    dump = open_dump(write(tmp_path / "dump", "abcde", without="bc"))

    assert len(dump) == 5
    for number, sample in enumerate(dump):
        wanted = {} if sample.id in "bc" else side_of(number)
        assert list(sample.side) == list(wanted)
        for name, values in wanted.items():
            assert sample.side[name].dtype == np.float64
            np.testing.assert_array_equal(sample.side[name], values)
    assert dump.manifest.common_side == set()
    assert open_dump(write(tmp_path / "all", "ab")).manifest.common_side == {"text_relevance"}
    report = verify_dump(dump.path)
    assert report.sound
    assert (report.side, report.weights) == (3, 0)
    files = {path.name: path.stat().st_size for path in dump.path.glob("*.safetensors")}
    assert report.size == sum(files.values())
    stored = load_file(dump.path / "side-00002-of-00003.safetensors")
    assert {name: array.shape for name, array in stored.items()} == {"d": (2, M)}
    again = pickle.loads(pickle.dumps(dump[3]))
    np.testing.assert_array_equal(again.side["cls_attention"], dump[3].side["cls_attention"])


def test_a_dump_without_any_has_the_bytes_that_it_had_before_there_was_any(tmp_path: Path) -> None:
    dump = open_dump(write(tmp_path / "dump", "abc", without="abc"))
    content = json.loads((dump.path / "manifest.json").read_text())
    digest = content.pop("digest")
    assert "side" not in content
    assert [set(entry) for entry in content["samples"]] == [{"id", "shard", "m", "d", "extra"}] * 3
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert dump.manifest.fingerprint == hashlib.sha256(canonical.encode()).hexdigest() == digest


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_a_stopped_writer_goes_on_to_the_same_bytes(tmp_path: Path, stop_after: int) -> None:
    whole = write(tmp_path / "whole", "abcd", without="b")
    folder = write(tmp_path / "stopped", "abcd"[:stop_after], without="b", stop=True)
    write(folder, "abcd", without="b")
    assert content_of(folder) == content_of(whole)


def test_side_information_is_a_part_of_what_a_dump_is(tmp_path: Path) -> None:
    one, other = (
        open_dump(write(tmp_path / name, "ab", without=without)) for name, without in (("x", ""), ("y", "b"))
    )
    assert one.manifest.fingerprint != other.manifest.fingerprint


@pytest.mark.parametrize(
    ("side", "message"),
    [
        ({"a": np.ones(M + 1)}, rf"the side information of 'a'\['a'\] must be {M} numbers, one a token"),
        ({"a": np.full(M, np.inf)}, "must be finite"),
        ({"../a": np.ones(M)}, "got '../a'"),
        (np.ones(M), "must be a mapping"),
    ],
)
def test_what_is_no_side_information_is_refused_and_leaves_no_trace(
    tmp_path: Path, side: Any, message: str
) -> None:
    with DumpWriter(tmp_path / "dump", **SETTINGS) as writer:
        with pytest.raises(InputError, match=message):
            writer.add("a", np.ones((M, 2)), side=side)
        mine = np.arange(M) + 0.5
        writer.add("a", np.ones((M, 2)), side={"a": mine})
        mine[:] = 7.0
    assert open_dump(tmp_path / "dump")[0].side["a"].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]


def test_a_flipped_bit_is_seen_before_anything_is_measured(tmp_path: Path) -> None:
    folder = write(tmp_path / "dump", "ab")
    data = bytearray((folder / FILE).read_bytes())
    data[-1] ^= 1
    (folder / FILE).write_bytes(data)
    with pytest.raises(DumpError, match=rf"{FILE} is damaged"):
        _ = open_dump(folder)[0]
    assert FILE in verify_dump(folder).problems[0]


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (np.ones(M), r"shape \(6,\) of float64, not \(1, 6\)"),
        (np.ones((2, M)), r"shape \(2, 6\)"),
        (np.ones((1, M), np.float32), "of float32"),
        (np.full((1, M), np.nan), "must be finite"),
    ],
)
def test_forged_side_information_is_named_by_reader_and_check(
    tmp_path: Path, stored: np.ndarray, message: str
) -> None:
    folder = write(tmp_path / "dump", "ab")
    data = save({"a": stored, "b": np.stack(list(side_of(1).values()))}, metadata={"format": "np"})
    (folder / FILE).write_bytes(data)
    checksum = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    forge(folder, lambda content: content["side"][0].update(checksum))
    with pytest.raises(DumpError, match=message):
        _ = open_dump(folder)[0]
    assert set(open_dump(folder)[1].side) == {"cls_attention", "text_relevance"}
    (problem,) = verify_dump(folder).problems
    assert problem.startswith("The side information of 'a'")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(side="x"), "side must be a list"),
        (lambda c: c["samples"][0].update(side=7), "points to side 7, which are not listed"),
        (lambda c: c["samples"][0].update(side_names=["../x"]), "must be a list of distinct plain names"),
        (lambda c: c["samples"][0].update(side_names=["x", "x"]), "distinct"),
        (lambda c: c["samples"][0].update(side_names=[]), "at least one"),
        (lambda c: c["samples"][0].update(side_names="xy"), "must be a list"),
        (lambda c: c["samples"][0].pop("side_names"), "both side and side_names, or neither"),
        (lambda c: c["samples"][0].pop("side"), "both side and side_names, or neither"),
        (lambda c: c["side"][0].update(file="tokens-00001-of-00001.safetensors"), "file must be 'side-00001"),
    ],
)
def test_a_manifest_that_no_writer_writes_is_refused(tmp_path: Path, change: Any, message: str) -> None:
    folder = write(tmp_path / "dump", "ab")
    forge(folder, change)
    with pytest.raises(DumpError, match=message):
        open_dump(folder)
