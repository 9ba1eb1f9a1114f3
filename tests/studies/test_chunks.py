"""Chunks: every sample once, not too many bytes at a time, with the names of before, and small."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from otanalysis.files import sha256_of_json
from otanalysis.studies import chunks as chunks_module
from otanalysis.studies.chunks import cut, open_chunks
from otanalysis.tokens import open_dump

MakeDump = Callable[..., Path]


def sizes(dump: Path, **how: int) -> list[int]:
    chunks = list(cut(open_dump(dump), **how))
    ids = [one for chunk in chunks for one in chunk.sample_ids]
    assert ids == list(open_dump(dump).ids)[: how.get("limit")]
    return [len(chunk.sample_ids) for chunk in chunks]


def test_chunks_have_so_many_samples_and_not_more_bytes(
    make_dump: MakeDump, monkeypatch: pytest.MonkeyPatch
) -> None:
    dump = make_dump("a", samples=10, m=12, d=5, dtype="float32")
    assert sizes(dump, size=4) == [4, 4, 2]
    assert sizes(dump, size=4, limit=5) == [4, 1]
    bytes_a_sample = 12 * 5 * 4
    monkeypatch.setattr(chunks_module, "_CHUNK_BYTES", 3 * bytes_a_sample)
    assert sizes(dump, size=4) == [3, 3, 3, 1]
    monkeypatch.setattr(chunks_module, "_CHUNK_BYTES", 3 * bytes_a_sample - 1)
    assert sizes(dump, size=4) == [2] * 5
    monkeypatch.setattr(chunks_module, "_CHUNK_BYTES", 1)
    assert sizes(dump, size=4) == [1] * 10, "a sample of more bytes is a chunk of its own"


def test_a_chunk_is_named_by_the_whole_dump_and_its_samples(make_dump: MakeDump) -> None:
    """Parts that were measured are found by that name."""
    dump = make_dump("a", samples=3)
    _, chunks = open_chunks([dump], size=2, limit=None)
    fingerprint = open_dump(dump).manifest.fingerprint
    wanted = [sha256_of_json([fingerprint, ids])[:24] for ids in (["a-0", "a-1"], ["a-2"])]
    assert [chunk.name for _, chunk in chunks] == wanted


def test_what_goes_to_a_process_is_as_small_whatever_the_dump(make_dump: MakeDump) -> None:
    few, many = (
        len(pickle.dumps(next(cut(open_dump(make_dump(f"of-{count:03d}", samples=count)), size=2))))
        for count in (10, 100)
    )
    assert abs(many - few) < 100
