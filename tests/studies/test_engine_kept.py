"""Results of the last version are read, key by key, and nothing of them is measured again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import pyarrow.parquet as pq
import pytest

from otanalysis.cli.certify import certify
from otanalysis.mini.bundled import bundled_model_path
from otanalysis.studies.certify import CertifyStudy
from otanalysis.studies.engine import measure_samples
from otanalysis.studies.evaluate import evaluate
from otanalysis.studies.ladder import LadderStudy, measure_ladder
from otanalysis.studies.sweep import sweep

STORED = Path(__file__).parents[1] / "data" / "results_0.1.0"


def run_sweep(folder: Path, **changes: Any) -> Path:
    settings: dict[str, Any] = {
        "methods": ("random", "otprune", "divprune"),
        "ratios": (0.5, 0.25),
        "gammas": (0.01, 1.0),
        "seeds": (0, 1),
        "normalisations": ("none", "rows"),
    } | changes
    return sweep([folder / "dumps/noise"], **settings, out=folder / "results", progress=False)


def run_ladder(folder: Path, **changes: Any) -> Path:
    study = LadderStudy(**({"ratios": (0.25,), "subsets": 8} | changes))
    return measure_ladder([folder / "dumps/noise"], study, out=folder / "results", progress=False)


def run_certify(folder: Path, **changes: Any) -> Path:
    settings = {"methods": ("otprune", "random"), "ratios": (0.25,), "seeds": (0, 1)}
    study = CertifyStudy(**(settings | changes))
    return measure_samples(study, [folder / "dumps/noise"], out=folder / "results", progress=False)


def run_evaluate(folder: Path, **changes: Any) -> Path:
    settings: dict[str, Any] = {
        "benchmarks": ("count-digits",),
        "methods": ("otprune", "random"),
        "ratios": (0.05, 0.2),
        "questions": 4,
    }
    out, parts = folder / "results/accuracy.csv", folder / "results/evaluate"
    evaluate(bundled_model_path(), **(settings | changes), out=out, parts=parts, progress=False)
    return out


TABLES: dict[Callable[..., Path], dict[str, Any]] = {
    run_sweep: {"ratios": (0.75,)},
    run_certify: {"effort": 2.0},
}
"""What makes each table, and a setting under which its rows are not among the stored ones.

Neither the ladder, whose pools have a method more since, nor the synthetic one, whose definitions are
others: the stored one is refused (see its own tests).
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the stored results in which nothing can be measured."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("measured again")

    for owner, name in (
        (import_module("otanalysis.studies.sweep"), "measure_sample"),
        (LadderStudy, "__call__"),
        (CertifyStudy, "__call__"),
        (import_module("otanalysis.studies.evaluate"), "answer_prompts"),
    ):
        monkeypatch.setattr(owner, name, refuse)
    return Path(shutil.copytree(STORED, tmp_path / "copy"))


def files(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("run", TABLES)
def test_a_table_that_answers_is_left_as_it_is(folder: Path, run: Callable[..., Path]) -> None:
    run(folder)
    assert files(folder) == files(STORED)


@pytest.mark.parametrize("run", TABLES)
def test_a_lost_table_is_put_together_from_the_parts(folder: Path, run: Callable[..., Path]) -> None:
    path = run(folder)
    path.unlink()
    assert run(folder) == path
    before, after = (pq.read_table(at / "results" / path.name) for at in (STORED, folder))
    assert after.schema.names == before.schema.names
    assert after.schema.types == before.schema.types
    pd.testing.assert_frame_equal(after.to_pandas(), before.to_pandas())
    assert {name for name in files(folder) if name != path} == set(files(STORED))


@pytest.mark.parametrize("run", TABLES)
def test_other_settings_would_be_measured(folder: Path, run: Callable[..., Path]) -> None:
    with pytest.raises(AssertionError, match="measured again"):
        run(folder, **TABLES[run])


def test_a_ladder_is_measured_again_where_its_pools_have_another_method(folder: Path) -> None:
    """Version 0.1.0 had no otprune-paper, whose choice is in every pool now."""
    with pytest.raises(AssertionError, match="measured again"):
        run_ladder(folder)


def test_part_of_a_sweep_is_read_out_of_several_files(folder: Path) -> None:
    columns = ["method", "ratio", "gamma", "seed", "normalisation"]
    asked = {"methods": ("otprune", "random"), "ratios": (0.25,), "gammas": (1.0, 0.01)}
    rows = pd.read_parquet(run_sweep(folder, **asked))
    everything = pd.read_parquet(STORED / "results/sweep.parquet")
    wanted = everything[everything["method"].isin(asked["methods"]) & (everything["ratio"] == 0.25)]
    both = [one.sort_values(["sample", *columns]).reset_index(drop=True) for one in (rows, wanted)]
    pd.testing.assert_frame_equal(*both)
    assert rows["sample"].is_monotonic_increasing
    assert len(list((folder / "results/parts").rglob("*.parquet"))) == 2


def test_answers_are_read_and_not_given_again(folder: Path) -> None:
    pytest.importorskip("torch")
    table, provenance = "results/accuracy.csv", Path("results/accuracy.provenance.json")
    (folder / table).unlink()
    run_evaluate(folder)
    before, after = files(STORED), files(folder)
    assert before.pop(provenance) != after.pop(provenance), "it has the date"
    assert after == before, "the table is put together from the parts"
    with pytest.raises(AssertionError, match="measured again"):
        run_evaluate(folder, seeds=(1,))


def test_scores_in_a_table_need_no_answers(folder: Path) -> None:
    pytest.importorskip("torch")
    shutil.rmtree(folder / "results/evaluate")
    before = files(folder)
    run_evaluate(folder)
    assert files(folder) == before


def test_coverage_is_measured_beside_stored_certificates(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {"methods": "otprune,random", "ratios": "0.25", "seeds": "0,1"}
    certify([folder / "dumps/noise"], **asked, out=folder / "results", jobs=1, as_json=True, quiet=True)
    before, after = files(STORED), files(folder)
    assert before.items() <= after.items(), "certificates are read, and not measured again"
    added = {path.name for path in after.keys() - before.keys()}
    assert {"certify_summary.csv", "coverage.parquet", "coverage_summary.csv"} <= added
    told = pd.DataFrame(json.loads(capsys.readouterr().out)["coverage"])
    assert set(told["method"]) == {"otprune", "random", "best"}
