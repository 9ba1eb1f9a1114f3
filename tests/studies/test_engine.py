"""The runner of studies: every sample once, in order, resumed part by part, damaged parts measured again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from otanalysis.errors import InputError
from otanalysis.studies.engine import Study, collect, measure_samples, run_study
from otanalysis.studies.provenance import read_provenance
from otanalysis.studies.store import Part
from otanalysis.tokens import open_dump
from otanalysis.tokens.read import Sample

MakeDump = Callable[..., Path]


@dataclass(frozen=True)
class Sums:
    """Sum of all entries times a factor; writes down which samples it saw."""

    factor: float
    log: Path

    name: ClassVar[str] = "sums"
    version: ClassVar[int] = 1
    schema: ClassVar[pa.Schema] = pa.schema([("total", pa.float64())])

    def __call__(self, sample: Sample) -> list[dict[str, Any]]:
        with self.log.open("a") as handle:
            handle.write(f"{sample.id}\n")
        if self.factor < 0:
            raise InputError("the factor must not be negative.")
        return [{"total": self.factor * float(np.sum(sample.tokens))}]


def seen(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_sample_is_measured_once_and_in_order(make_dump: MakeDump, tmp_path: Path, jobs: int) -> None:
    dumps = [make_dump("a", samples=3), make_dump("b", samples=2, seed=1)]
    log = tmp_path / "log"
    path = measure_samples(Sums(2.0, log), dumps, out=tmp_path / "out", jobs=jobs, progress=False)
    table = pd.read_parquet(path)
    assert table["sample"].tolist() == ["a-0", "a-1", "a-2", "b-0", "b-1"]
    assert table["benchmark"].tolist() == ["a"] * 3 + ["b"] * 2
    wanted = [2.0 * float(np.sum(sample.tokens)) for dump in dumps for sample in open_dump(dump)]
    assert table["total"].tolist() == wanted
    assert sorted(seen(log)) == ["a-0", "a-1", "a-2", "b-0", "b-1"]


def test_a_second_call_measures_only_what_is_missing(make_dump: MakeDump, tmp_path: Path) -> None:
    dump, log, out = make_dump("a", samples=3), tmp_path / "log", tmp_path / "out"
    path = measure_samples(Sums(1.0, log), [dump], out=out, limit=2, progress=False)
    assert seen(log) == ["a-0", "a-1"]
    measure_samples(Sums(1.0, log), [dump], out=out, progress=False)
    assert seen(log) == ["a-0", "a-1", "a-2"]
    measure_samples(Sums(1.0, log), [dump], out=out, progress=False)
    assert seen(log) == ["a-0", "a-1", "a-2"]
    measure_samples(Sums(3.0, log), [dump], out=out, progress=False)
    assert seen(log)[3:] == ["a-0", "a-1", "a-2"]
    provenance = read_provenance(path)
    assert "factor=3.0" in provenance["settings"]["study"]
    assert provenance["dumps"][0]["fingerprint"] == open_dump(dump).manifest.fingerprint


def test_a_damaged_part_is_measured_again(make_dump: MakeDump, tmp_path: Path) -> None:
    dump, log, out = make_dump("a", samples=2), tmp_path / "log", tmp_path / "out"
    path = measure_samples(Sums(1.0, log), [dump], out=out, progress=False)
    before = pd.read_parquet(path)
    path.unlink()
    broken = sorted((out / "parts-sums").glob("*.parquet"))[0]
    broken.write_bytes(broken.read_bytes()[:40])
    measure_samples(Sums(1.0, log), [dump], out=out, progress=False)
    assert len(seen(log)) == 3
    pd.testing.assert_frame_equal(pd.read_parquet(path), before)


def test_mistakes_are_named(make_dump: MakeDump, tmp_path: Path) -> None:
    dump, log = make_dump("a", samples=1), tmp_path / "log"
    with pytest.raises(InputError, match=r"Sample 'a-0' of .*the factor must not be negative"):
        measure_samples(Sums(-1.0, log), [dump], out=tmp_path, progress=False)
    with pytest.raises(InputError, match="jobs must be at least 1"):
        measure_samples(Sums(1.0, log), [dump], out=tmp_path, jobs=0, progress=False)
    with pytest.raises(InputError, match="limit must be at least 1"):
        measure_samples(Sums(1.0, log), [dump], out=tmp_path, limit=0, progress=False)
    with pytest.raises(InputError, match="At least one dump"):
        measure_samples(Sums(1.0, log), [], out=tmp_path, progress=False)


@dataclass(frozen=True)
class Letters:
    """Measures a letter a file, and stops for good before one of them."""

    stop: str = ""

    def __call__(self, missing: Sequence[str]) -> Iterator[tuple[Sequence[str], list[dict[str, Any]]]]:
        for key in missing:
            if key == self.stop:
                raise KeyboardInterrupt
            yield [key], [{"letter": key, "asked": "".join(missing)}]

    def study(self, keys: Sequence[str] = "abc") -> Study:
        schema = pa.schema([("letter", pa.string()), ("asked", pa.string())])
        return Study("letters", schema, [Part(tuple(keys), self, columns={"kind": "latin"})])


def collected(study: Study, folder: Path) -> list[str]:
    table = collect(study, folder, jobs=1, progress=False).table
    assert set(table["kind"].to_pylist()) == {"latin"}
    return [f"{row['letter']}:{row['asked']}" for row in table.to_pylist()]


def test_a_stop_within_a_part_keeps_the_files_that_were_done(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt, match="0 of 1 parts are kept"):
        collected(Letters("c").study(), tmp_path)
    assert collected(Letters().study(), tmp_path) == ["a:abc", "b:abc", "c:c"]
    assert collected(Letters().study("cad"), tmp_path) == ["c:c", "a:abc", "d:d"]


def test_a_file_that_is_damaged_or_has_other_columns_is_measured_again(tmp_path: Path) -> None:
    collected(Letters().study(), tmp_path)
    (tmp_path / "a.parquet").write_bytes(b"no table")
    pq.write_table(pa.table({"letter": ["b"]}), tmp_path / "b.parquet")
    assert collected(Letters().study(), tmp_path) == ["a:ab", "b:ab", "c:abc"]


def test_work_that_is_not_delivered_is_not_passed_over(tmp_path: Path) -> None:
    lazy = Part(("a", "b"), lambda _: [(["a"], [{"letter": "a", "asked": ""}])])
    with pytest.raises(InputError, match=r"A part in .* is gone or damaged"):
        collect(Study("letters", Letters().study().schema, [lazy]), tmp_path, jobs=1, progress=False)


def test_rows_must_have_the_columns_of_their_schema(tmp_path: Path) -> None:
    for row in ({"letter": "a"}, {"letter": "a", "asked": "a", "more": 1}):
        odd = Part(("a",), lambda _, row=row: [(["a"], [row])])  # type: ignore[misc]
        with pytest.raises(TypeError, match=r"differ in the columns (asked|more)\."):
            collect(Study("letters", Letters().study().schema, [odd]), tmp_path, jobs=1, progress=False)
    assert not list(tmp_path.rglob("*.parquet"))


def test_parts_with_much_work_are_first_and_the_table_keeps_its_order(tmp_path: Path) -> None:
    log: list[str] = []

    def noted(missing: Sequence[str]) -> Iterator[tuple[Sequence[str], list[dict[str, Any]]]]:
        log.extend(missing)
        yield missing, [{"letter": missing[0]}]

    parts = [Part((key,), noted, work=work) for key, work in (("a", 1), ("b", 3), ("c", 3), ("d", 2))]
    study = Study("letters", pa.schema([("letter", pa.string())]), parts, about={"settings": "none"})
    path = run_study(study, tmp_path, jobs=1, progress=False)
    assert log == ["b", "c", "d", "a"]
    assert pq.read_table(path)["letter"].to_pylist() == ["a", "b", "c", "d"]
    assert read_provenance(path)["settings"] == "none"
