"""Parts on disk: found again under their keys, never with a flipped bit, and with their versions."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from otanalysis.errors import InputError, StorageError
from otanalysis.locks import held
from otanalysis.studies.certify import CertifyStudy, read_certificates
from otanalysis.studies.engine import measure_samples
from otanalysis.studies.ladder import LadderStudy, measure_ladder
from otanalysis.studies.provenance import read_provenance
from otanalysis.studies.sweep import read_sweep, sweep
from otanalysis.studies.table2.study import Size, synthetic

STORED = Path(__file__).parents[1] / "data" / "results_0.1.0"
MakeDump = Callable[..., Path]
sweep_module = import_module("otanalysis.studies.sweep")
store_module = import_module("otanalysis.studies.store")

FLIPS = 100
"""Of a part, and of a table; `make chaos` flips more."""


def run(dump: Path, out: Path, **changes: Any) -> Path:
    settings: dict[str, Any] = {"methods": ("first", "random"), "ratios": (0.25, 0.5), "progress": False}
    return sweep([dump], **(settings | changes), out=out)


def numbers(path: Path) -> pd.DataFrame:
    return read_sweep(path).drop(columns="seconds")


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets the name of every sample that is measured."""
    seen: list[str] = []
    original = sweep_module.measure_sample

    def measure(sample: Any, wanted: Any) -> Any:
        seen.append(sample.id)
        return original(sample, wanted)

    monkeypatch.setattr(sweep_module, "measure_sample", measure)
    return seen


@pytest.mark.parametrize("which", ["part", "table"])
def test_no_flipped_bit_becomes_a_number(
    make_dump: MakeDump, tmp_path: Path, which: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run(make_dump("a"), tmp_path / "whole")
    truth, caught = numbers(path), 0
    generator = np.random.default_rng(0)
    [part] = (tmp_path / "whole" / "parts").rglob("*.parquet")
    size = (part if which == "part" else path).stat().st_size
    for bit in generator.choice(8 * size, size=FLIPS, replace=False):
        out = tmp_path / "copy"
        shutil.copytree(tmp_path / "whole", out)
        if which == "part":
            (out / path.name).unlink()
            flip(out / part.relative_to(path.parent), int(bit))
        else:
            flip(out / path.name, int(bit))
            with pytest.raises(InputError, match="damaged"):
                read_sweep(out / path.name)
        pd.testing.assert_frame_equal(numbers(run(tmp_path / "a", out)), truth)
        caught += "amaged" in capsys.readouterr().err
        shutil.rmtree(out)
    assert caught == FLIPS


def test_a_damaged_part_is_measured_again_and_replaced_with_one_sentence(
    make_dump: MakeDump, tmp_path: Path, counted: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    dump, out = make_dump("a", samples=10), tmp_path / "out"
    path = run(dump, out)
    assert len(counted) == 10
    path.unlink()
    flip(sorted((out / "parts").rglob("*.parquet"))[0], 500)
    capsys.readouterr()
    run(dump, out)
    assert len(counted) in (12, 18), "the chunk of 8 or that of 2, and nothing else"
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "Damaged files of parts" in said
    path.unlink()
    run(dump, out, ratios=(0.5,))
    assert capsys.readouterr().err == "", "told once"


def test_a_damaged_file_of_other_settings_does_not_stay(
    make_dump: MakeDump, tmp_path: Path, counted: list[str]
) -> None:
    dump, out = make_dump("a"), tmp_path / "out"
    run(dump, out)
    [part] = (out / "parts").rglob("*.parquet")
    flip(part, 500)
    run(dump, out, ratios=(0.5,))
    assert len(counted) == 6
    assert not part.exists()


def test_a_file_under_the_name_of_another_key_is_not_taken(tmp_path: Path, make_dump: MakeDump) -> None:
    how: dict[str, Any] = {"out": tmp_path / "out", "progress": False}
    study = CertifyStudy(methods=("first",), ratios=(0.5,), effort=0.1)
    dump = make_dump("a", samples=2)
    path = measure_samples(study, [dump], **how)
    truth = read_certificates(path).drop(columns=["floor_seconds", "ceiling_seconds"])
    one, other = sorted((tmp_path / "out" / "parts-certify").glob("*.parquet"))
    shutil.copyfile(one, other)
    path.unlink()
    again = read_certificates(measure_samples(study, [dump], **how))
    pd.testing.assert_frame_equal(again.drop(columns=["floor_seconds", "ceiling_seconds"]), truth)


@pytest.mark.parametrize("sealed_before", [False, True])
def test_a_part_of_another_dump_is_said_and_measured_again(
    make_dump: MakeDump,
    tmp_path: Path,
    counted: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    sealed_before: bool,
) -> None:
    dumps, out = (
        [make_dump("a", samples=2), make_dump("b", seed=1, benchmark="other", samples=2)],
        tmp_path / "out",
    )
    how: dict[str, Any] = {"methods": ("first",), "ratios": (0.5,), "out": out, "progress": False}
    if sealed_before:
        write = store_module.sealed

        def without_place(table: pa.Table) -> bytes:
            told = {k: v for k, v in table.schema.metadata.items() if k != b"otanalysis.place"}
            return bytes(write(table.replace_schema_metadata(told)))

        monkeypatch.setattr(store_module, "sealed", without_place)
    path = sweep(dumps, **how)
    truth = numbers(path)
    path.unlink()
    sweep(dumps, **how)
    assert len(counted) == 4, "what is whole stays"
    one, other = sorted((out / "parts").rglob("*.parquet"))
    shutil.copyfile(one, other)
    path.unlink()
    capsys.readouterr()
    pd.testing.assert_frame_equal(numbers(sweep(dumps, **how)), truth)
    assert "Damaged files of parts" in capsys.readouterr().err
    assert len(counted) == 6


def test_a_part_of_another_model_is_measured_again_under_an_equal_key(tmp_path: Path) -> None:
    def part(model: str) -> Any:
        return store_module.Part(("key",), lambda _: [(["key"], [{"model": model}])], whose=model)

    store = store_module.Store(tmp_path, pa.schema([("model", pa.string())]))
    store.measure(part("one"), ["key"])
    assert store.missing(part("one")) == ()
    assert store.missing(part("other")) == ("key",)


def test_a_folder_in_place_of_a_part_is_told(make_dump: MakeDump, tmp_path: Path) -> None:
    dump, out = make_dump("a", samples=1), tmp_path / "out"
    run(dump, out).unlink()
    [part] = (out / "parts").rglob("*.parquet")
    part.unlink()
    part.mkdir()
    with pytest.raises(StorageError, match=r"should be a file of a part .* move or remove it"):
        run(dump, out)
    part.rmdir()
    run(dump, out)


def test_versions_of_the_libraries_are_recorded_and_said_where_they_moved(
    make_dump: MakeDump,
    tmp_path: Path,
    counted: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    dump, out = make_dump("a"), tmp_path / "out"
    now = json.loads(store_module.versions_now(store_module.NUMERIC))
    assert {"numpy", "scipy", "POT"} <= now.keys()
    path = run(dump, out)
    assert read_provenance(path)["measured_with"] == [{"files": 1, "versions": now}]
    assert capsys.readouterr().err == ""

    later = json.dumps(now | {"scipy": "99.0"})
    monkeypatch.setattr(store_module, "versions_now", lambda _: later)
    path.unlink()
    run(dump, out, ratios=(0.25, 0.5, 0.75))
    said = capsys.readouterr().err
    assert f"scipy {now['scipy']} (now 99.0): 1" in said
    assert "numpy" not in said
    told = {one["versions"]["scipy"]: one["files"] for one in read_provenance(path)["measured_with"]}
    assert told == {"99.0": 1, now["scipy"]: 1}
    assert len(counted) == 6, "only the new ratio was measured"


def measure_sweep(dump: Path, out: Path) -> Path:
    return run(dump, out)


def measure_certificates(dump: Path, out: Path) -> Path:
    study = CertifyStudy(methods=("first",), ratios=(0.5,), effort=0.1)
    return measure_samples(study, [dump], out=out, progress=False)


def measure_rungs(dump: Path, out: Path) -> Path:
    return measure_ladder([dump], LadderStudy(ratios=(0.5,), subsets=4), out=out, progress=False)


def measure_synthetic(dump: Path, out: Path) -> Path:
    del dump
    return synthetic(sizes=[Size(6, 3, 2)], laws=["gaussian"], trials=1, out=out, progress=False)


@pytest.mark.parametrize("measure", [measure_sweep, measure_certificates, measure_rungs, measure_synthetic])
def test_every_study_says_where_versions_have_moved(
    make_dump: MakeDump,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    measure: Callable[[Path, Path], Path],
) -> None:
    dump, out = make_dump("a", samples=1), tmp_path / "out"
    path = measure(dump, out)
    measure(dump, out)
    assert capsys.readouterr().err == ""
    was = read_provenance(path)["measured_with"][0]["versions"]
    monkeypatch.setattr(store_module, "versions_now", lambda _: json.dumps(was | {"scipy": "99.0"}))
    measure(dump, out)
    said = capsys.readouterr().err
    assert f"Files of parts in {path} that are taken as they were measured" in said
    assert f"scipy {was['scipy']} (now 99.0): 1" in said
    path.unlink()
    measure(dump, out)
    again = capsys.readouterr().err
    assert f"scipy {was['scipy']} (now 99.0): 1" in again
    assert again.count("\n") == said.count("\n") == 1


def test_a_table_without_versions_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(STORED, tmp_path / "copy")
    study = CertifyStudy(methods=("otprune", "random"), ratios=(0.25,), seeds=(0, 1))
    table = tmp_path / "copy/results"
    measure_samples(study, [tmp_path / "copy/dumps/noise"], out=table, progress=False)
    said = capsys.readouterr().err
    assert f"{table / 'certify.parquet'} that are taken as they were measured" in said
    assert "neither checksums nor versions: all." in said


def test_parts_without_versions_are_taken_and_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(STORED, tmp_path / "copy")
    (tmp_path / "copy/results/sweep.parquet").unlink()
    settings: dict[str, Any] = {"methods": ("random",), "ratios": (0.5,), "gammas": (0.01,), "seeds": (0,)}
    path = run(tmp_path / "copy/dumps/noise", tmp_path / "copy/results", **settings)
    assert "recorded neither checksums nor versions" in capsys.readouterr().err
    assert [one["versions"] for one in read_provenance(path)["measured_with"]] == [None]


@pytest.mark.parametrize("values", [["x"], [True], [None], [float("nan")], [10**18], []], ids=str)
def test_a_part_of_an_older_version_that_no_study_wrote_is_measured_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], values: list[Any]
) -> None:
    shutil.copytree(STORED, tmp_path / "copy")
    out = tmp_path / "copy/results"
    settings: dict[str, Any] = {"methods": ("otprune",), "ratios": (0.25,), "gammas": (0.01,)}
    truth = numbers(run(tmp_path / "copy/dumps/noise", out, **settings))
    (out / "sweep.parquet").unlink()
    for part in (out / "parts").rglob("*.parquet"):
        table = pq.read_table(part)
        odd = (
            table.slice(0, 0)
            if not values
            else table.set_column(table.column_names.index("w2"), "w2", pa.array(values * len(table)))
        )
        pq.write_table(odd, part)
    capsys.readouterr()
    pd.testing.assert_frame_equal(numbers(run(tmp_path / "copy/dumps/noise", out, **settings)), truth)
    assert "Damaged files of parts" in capsys.readouterr().err


_SWEEP = """
import sys
from pathlib import Path
from importlib import import_module
module = import_module("otanalysis.studies.sweep")
original = module.measure_sample
def slow(sample, wanted):
    print("measuring", flush=True)
    sys.stdin.readline()
    return original(sample, wanted)
module.measure_sample = slow
module.sweep([sys.argv[1]], methods=("last",), ratios=(0.25,), out=sys.argv[2], progress=False)
"""


@contextmanager
def another_sweep(dump: Path, out: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process in the middle of a sweep."""
    command = [sys.executable, "-c", _SWEEP, str(dump), str(out)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "measuring\n"
        try:
            yield process
        finally:
            process.kill()


def test_of_two_sweeps_into_one_folder_the_second_is_refused(make_dump: MakeDump, tmp_path: Path) -> None:
    dump, out = make_dump("a", samples=1), tmp_path / "out"
    with another_sweep(dump, out) as process:
        with pytest.raises(
            StorageError, match=rf"process {process.pid} on .* is measuring the sweep .* since"
        ):
            run(dump, out)
        assert not (out / "sweep.parquet").exists()
        process.communicate("\n", timeout=60)
    assert set(read_sweep(out / "sweep.parquet")["method"]) == {"last"}


def test_a_killed_sweep_leaves_no_lock_and_no_litter(make_dump: MakeDump, tmp_path: Path) -> None:
    dump, out = make_dump("a", samples=1), tmp_path / "out"
    with another_sweep(dump, out) as process:
        process.kill()
        process.wait()
    truth = numbers(run(dump, tmp_path / "other"))
    pd.testing.assert_frame_equal(numbers(run(dump, out)), truth)
    assert not list(out.rglob(".*"))


def test_what_is_there_is_found_while_another_process_writes(make_dump: MakeDump, tmp_path: Path) -> None:
    dump, out = make_dump("a"), tmp_path / "out"
    path = run(dump, out)
    with held(out, "writing"):
        assert run(dump, out) == path
