"""The manifest: nothing in it changes unseen, and only what a writer writes is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from otanalysis.errors import DumpError
from otanalysis.studies import sweep
from otanalysis.tokens import DumpWriter, open_dump, verify_dump
from otanalysis.tokens.manifest import Manifest

KEPT = Path(__file__).parents[1] / "data" / "results_0.1.0" / "dumps" / "noise"
"""A dump that version 0.1.0 wrote."""

OTHERS: dict[str, Any] = {
    "model": "tinx",
    "revision": "abd",
    "layer": -1,
    "select_strategy": "full",
    "processor": {"size": [6, 4], "mean": 0.25},
    "benchmark": "noisf",
    "grid": [3, 2],
    "dtype": "float32",
    "shard_size": 3,
    "samples.0.id": "z",
    "samples.0.shard": 1,
    "samples.0.m": 7,
    "samples.0.d": 5,
    "samples.0.extra": {"n": 2},
    "samples.0.thumbnail": 1,
    "samples.0.side": 1,
    "samples.0.side_names": ["cls_attention", "y"],
    "shards.0.size": 1,
    "shards.0.sha256": "0" * 64,
    "thumbnails.0.size": 1,
    "thumbnails.0.sha256": "0" * 64,
    "side.0.size": 1,
    "side.0.sha256": "0" * 64,
    "extra": {"seed": 8},
    "writer_version": "0.1.1",
    "digest": "0" * 64,
}
"""Another sound value for every entry."""


def content_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return content


def put(content: dict[str, Any], place: str, value: Any) -> None:
    *way, last = (int(key) if key.isdigit() else key for key in place.split("."))
    holder: Any = content
    for key in way:
        holder = holder[key]
    assert holder[last] != value
    holder[last] = value


def rewrite(folder: Path, content: dict[str, Any]) -> None:
    (folder / "manifest.json").write_bytes((json.dumps(content, indent=1) + "\n").encode())


def digest_of(content: dict[str, Any]) -> str:
    """Return the digest as README tells it."""
    rest = {name: value for name, value in content.items() if name != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def test_the_digest_is_that_of_all_other_entries_and_the_fingerprint(dump: Path) -> None:
    content = content_of(dump)
    assert list(content)[-1] == "digest"
    assert content["digest"] == digest_of(content) == open_dump(dump).manifest.fingerprint
    rewrite(dump, content)
    assert verify_dump(dump).problems == ()
    assert verify_dump(dump).sealed


def test_every_entry_has_another_value_in_these_tests(dump: Path) -> None:
    content = content_of(dump)
    named = {place.split(".")[0] for place in OTHERS}
    assert named == content.keys() - {"schema_version"}  # which is refused as another layout
    for kind in ("samples", "shards", "thumbnails", "side"):
        named = {place.split(".")[2] for place in OTHERS if place.startswith(kind)}
        assert named == content[kind][0].keys() - {"file"}  # which has one value alone


@pytest.mark.parametrize("place", OTHERS)
def test_no_entry_changes_unseen(dump: Path, tmp_path: Path, place: str) -> None:
    content = content_of(dump)
    put(content, place, OTHERS[place])
    rewrite(dump, content)
    with pytest.raises(DumpError, match="does not match its digest"):
        verify_dump(dump)
    with pytest.raises(DumpError, match="does not match its digest"):
        sweep([dump], methods=("first",), ratios=(0.5,), out=tmp_path / "out", progress=False)
    assert not (tmp_path / "out" / "sweep.parquet").exists()


def test_an_entry_of_a_newer_version_is_covered_too(dump: Path) -> None:
    content = content_of(dump) | {"later": 1}
    rewrite(dump, content)
    with pytest.raises(DumpError, match="does not match its digest"):
        open_dump(dump)
    rewrite(dump, content | {"digest": digest_of(content)})
    assert len(open_dump(dump)) == 3
    assert verify_dump(dump).sound


def test_a_misspelt_digest_is_no_older_dump(dump: Path) -> None:
    content = content_of(dump)
    content["digesu"] = content.pop("digest")
    rewrite(dump, content)
    with pytest.raises(DumpError, match="unknown entry 'digesu'"):
        open_dump(dump)


def test_an_unfinished_manifest_is_covered_as_well(begun: Path) -> None:
    file = begun / "manifest.partial.json"
    content = json.loads(file.read_text())
    assert content["digest"] == digest_of(content)
    content["samples"][0]["extra"] = {"n": 2}
    file.write_text(json.dumps(content))
    with pytest.raises(DumpError, match="does not match its digest"):
        DumpWriter(begun, model="tiny", benchmark="noise")


def test_a_dump_that_the_first_version_began_is_gone_on_with_and_sealed(
    begun: Path, dump: Path, damages: ModuleType
) -> None:
    file = begun / "manifest.partial.json"
    content = json.loads(file.read_text())
    del content["digest"]
    file.write_text(json.dumps(content, indent=1))
    damages.write_dump(begun)
    assert verify_dump(begun).sound
    assert (begun / "manifest.json").read_bytes() == (dump / "manifest.json").read_bytes()


def test_dumps_of_the_first_version_are_read_and_known_again() -> None:
    report, manifest = verify_dump(KEPT), open_dump(KEPT).manifest
    assert report.sound
    assert not report.sealed
    assert "digest" not in content_of(KEPT)
    assert manifest.fingerprint == digest_of(content_of(KEPT))
    assert manifest.to_json() == (KEPT / "manifest.json").read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"\n ", b"\n\t", 1),
        lambda data: data + b"\n",
        lambda data: data.replace(b'"tiny"', b'"\\u0074iny"'),
        lambda data: data.replace(b'{\n "model"', b'{\n "model": "other",\n "model"'),
    ],
)
def test_verify_finds_other_bytes_that_say_the_same(dump: Path, change: Callable[[bytes], bytes]) -> None:
    file = dump / "manifest.json"
    before = file.read_bytes()
    file.write_bytes(change(before))
    assert file.read_bytes() != before
    assert open_dump(dump).manifest.model == "tiny"
    [problem] = verify_dump(dump).problems
    assert "not in the same bytes" in problem


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("dtype", "bloat16", "dtype must be float16 or float32, got 'bloat16'"),
        ("dtype", ["float16"], "dtype must be"),
        ("layer", 1.0, "layer must be a whole number"),
        ("layer", True, "layer must be a whole number"),
        ("layer", 10**30, "layer must be a whole number"),
        ("model", None, "model must be a text"),
        ("benchmark", 3, "benchmark must be a text"),
        ("processor", [], "processor must be an object"),
        ("grid", [2, 3, 4], "grid must be null or"),
        ("grid", [0, 3], "grid must be null or"),
        ("grid", "23", "grid must be null or"),
        ("shard_size", 0, "shard_size must be a whole number from 1"),
        ("samples", {}, "samples must be a list"),
        ("samples", [], "samples must not be empty"),
        ("samples", ["a"], "samples must be a list of objects"),
        ("shards", None, "shards must be a list"),
        ("thumbnails", "x", "thumbnails must be a list"),
        ("samples.0.id", "", "samples.0..id must be a text, not empty"),
        ("samples.0.id", "__metadata__", "samples.0..id must be a text, not empty"),
        ("samples.0.id", "b", "the sample id 'b' is listed more than once"),
        ("samples.0.shard", -1, "samples.0..shard must be a whole number from 0, got -1"),
        ("samples.0.shard", 9, "points to shard 9, which is not listed"),
        ("samples.0.thumbnail", 7, "points to thumbnails 7, which are not listed"),
        ("samples.0.thumbnail", -1, "samples.0..thumbnail must be null or"),
        ("samples.0.m", "6", "samples.0..m must be"),
        ("samples.0.d", 0, "samples.0..d must be"),
        ("samples.0.extra", {"grid": [2]}, "in which grid"),
        ("shards.0.size", -1, "shards.0..size must be"),
        ("shards.0.sha256", "A" * 64, "shards.0..sha256 must be 64 hexadecimal digits"),
        ("extra", {"x": "\ud800"}, "surrogates not allowed"),
    ],
)
@pytest.mark.parametrize("sealed", [True, False])
def test_what_no_writer_writes_is_refused_even_with_a_fitting_digest(
    dump: Path, place: str, value: Any, message: str, sealed: bool
) -> None:
    content = content_of(dump)
    put(content, place, value)
    del content["digest"]
    rewrite(dump, content | ({"digest": digest_of(content)} if sealed else {}))
    for read in (open_dump, verify_dump):
        with pytest.raises(DumpError, match=f"malformed entry: .*{message}"):
            read(dump)


@pytest.mark.parametrize("kind", ["shards", "thumbnails"])
@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize(
    "name",
    [
        "../victim.safetensors",
        "/etc/passwd",
        "manifest.json",
        "sub/tokens-00001-of-00002.safetensors",
        "tokens-00002-of-00002.safetensors",
        "tokens-00002.partial.safetensors",
        "tokens-00001-of-00002.safetensors\0",
        "",
        "..",
    ],
)
def test_files_have_the_names_that_a_writer_gives_them(
    dump: Path, begun: Path, damages: ModuleType, kind: str, finished: bool, name: str
) -> None:
    """No name leads out of the folder, for reading or for going on."""
    folder = dump if finished else begun
    [file] = folder.glob("manifest*.json")
    content = json.loads(file.read_text())
    content[kind][0]["file"] = name
    content["digest"] = digest_of(content)
    file.write_text(json.dumps(content))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    read = open_dump if finished else partial(DumpWriter, **damages.SETTINGS)
    with pytest.raises(DumpError, match=rf"{kind}\[0\]\.file must be '(tokens|thumbnails)-00001"):
        read(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe\x00",
        b"null",
        b'"schema_version"',
        b"[" * 100_000,
        b'{"schema_version": ' + b"1" * 5000 + b"}",
        b'{"schema_version": true}',
        b'{"schema_version": 1.0}',
        b'{"schema_version": [1]}',
    ],
)
def test_what_is_no_manifest_is_one_sentence(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(text)
    with pytest.raises(
        DumpError, match=r"The manifest .*manifest\.json (is not valid JSON|has schema version)"
    ):
        open_dump(tmp_path)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"1e999"])
def test_numbers_that_json_does_not_have_are_refused(dump: Path, number: bytes) -> None:
    file = dump / "manifest.json"
    changed = file.read_bytes().replace(b'"seed": 7', b'"seed": ' + number)
    assert changed != file.read_bytes()
    file.write_bytes(changed)
    with pytest.raises(DumpError, match=r"is not valid JSON|Out of range float"):
        open_dump(dump)


def test_the_fingerprint_follows_every_entry(dump: Path) -> None:
    manifest = open_dump(dump).manifest
    assert manifest == Manifest.read(dump / "manifest.json")
    content = content_of(dump)
    seen = {manifest.fingerprint}
    for place, value in OTHERS.items():
        if place != "digest":
            changed = json.loads(json.dumps(content))
            put(changed, place, value)
            changed["digest"] = digest_of(changed)
            rewrite(dump, changed)
            seen.add(Manifest.read(dump / "manifest.json").fingerprint)
    assert len(seen) == len(OTHERS)
