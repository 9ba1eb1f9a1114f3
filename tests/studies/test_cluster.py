"""Parts on a real Dask scheduler with two workers: the same table, whatever happens to a worker."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import joblib
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from otanalysis.cli import app
from otanalysis.errors import InputError, OtAnalysisError
from otanalysis.studies import cluster as cluster_module
from otanalysis.studies.cluster import check_workers, finished_on, on_cluster
from otanalysis.studies.engine import measure_samples
from otanalysis.studies.pool import run_parts
from otanalysis.studies.sweep import sweep
from otanalysis.tokens.read import Sample

distributed = pytest.importorskip("distributed", reason="the extra cluster is not installed")

MakeDump = Callable[..., Path]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A scheduler and two workers, processes of their own in another folder than this one."""
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with distributed.LocalCluster(**options, silence_logs="CRITICAL") as started:
        yield started


@pytest.fixture
def client(cluster: Any) -> Iterator[Any]:
    with distributed.Client(cluster.scheduler_address, set_as_default=False) as connected:
        connected.wait_for_workers(2, timeout=60)  # one that died begins again
        yield connected


def measured(path: Path) -> Any:
    """Return the table without what differs between any two runs: how long the selections took."""
    return pq.read_table(path).drop_columns(["seconds"]).replace_schema_metadata(None)


def test_the_table_is_that_of_one_process_bit_for_bit(
    cluster: Any, make_dump: MakeDump, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With paths that start here, as users type them: the workers are in another folder."""
    dumps = [make_dump("a", samples=17), make_dump("b", samples=9, seed=1)]
    how: dict[str, Any] = {"methods": ("otprune", "random"), "ratios": (0.3, 0.5), "progress": False}
    alone = sweep(dumps, **how, out=tmp_path / "alone")
    monkeypatch.chdir(tmp_path)
    near = [one.relative_to(tmp_path) for one in dumps]
    words = ["--methods", "otprune,random", "--ratios", "0.3,0.5", "--out", "together", "--quiet"]
    told = CliRunner().invoke(app, ["sweep", *map(str, near), *words, "--dask", cluster.scheduler_address])
    assert (told.exit_code, told.stdout.strip()) == (0, "together/sweep.parquet"), told.output
    assert measured(Path("together/sweep.parquet")).equals(measured(alone))
    with distributed.Client(cluster.scheduler_address), joblib.parallel_config(backend="dask"):
        assert measured(sweep(near, **how, out="notebook")).equals(measured(alone))


def test_what_a_killed_worker_had_is_measured_by_another(
    cluster: Any, make_dump: MakeDump, tmp_path: Path
) -> None:
    @dataclass(frozen=True)
    class Sums:
        """Sums of tokens; the worker that comes to a certain sample first dies of it."""

        deadly: str
        died: Path

        name: ClassVar[str] = "sums"
        version: ClassVar[int] = 1
        schema: ClassVar[pa.Schema] = pa.schema([("total", pa.float64())])

        def __call__(self, sample: Sample) -> list[dict[str, Any]]:
            if sample.id == self.deadly and not self.died.exists():
                self.died.write_text(str(os.getpid()))
                os.kill(os.getpid(), signal.SIGKILL)
            return [{"total": float(sample.tokens.sum())}]

    dump, died = make_dump("a", samples=9), tmp_path / "died"
    with on_cluster(cluster.scheduler_address):
        path = measure_samples(Sums("a-4", died), [dump], out=tmp_path / "killed", progress=False)
    assert int(died.read_text()) != os.getpid()
    alone = measure_samples(Sums("none", died), [dump], out=tmp_path / "alone", progress=False)
    assert pq.read_table(path).equals(pq.read_table(alone))


def test_what_kills_every_worker_ends_with_a_sentence(
    cluster: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)  # else four workers must die
    deadly = partial(exec, "import os; os.kill(os.getpid(), 9)")
    with (
        on_cluster(cluster.scheduler_address),
        pytest.raises(OtAnalysisError, match=r"were killed one after another.*0 of 1 parts are kept in"),
    ):
        run_parts("x", [deadly], jobs=1, total=1, kept_in=tmp_path, progress=False)


def test_an_error_of_a_part_is_raised_here(cluster: Any, make_dump: MakeDump, tmp_path: Path) -> None:
    dump = make_dump("a", samples=2)
    next(dump.glob("tokens*")).write_bytes(b"")
    with on_cluster(cluster.scheduler_address), pytest.raises(OtAnalysisError, match="is damaged"):
        sweep([dump], methods=("first",), ratios=(0.5,), out=tmp_path / "out", progress=False)


def test_a_stop_cancels_what_has_not_begun(client: Any, tmp_path: Path) -> None:
    """As Ctrl-C does: the generator is closed. What runs on a worker then ends, and is kept."""
    gate = tmp_path / "gate"

    def run(task: Callable[[], object]) -> None:
        task()

    def wait_and_write(path: Path) -> None:
        while not gate.exists():
            time.sleep(0.01)
        path.touch()

    def known_to(dask_worker: Any) -> int:
        return len(dask_worker.state.tasks)

    tasks = [(tmp_path / "first").touch, *(partial(wait_and_write, tmp_path / f"late-{n}") for n in range(8))]
    running = finished_on(client, run, cast(Any, tasks), writes=tmp_path, reads=[])
    next(running)
    running.close()
    while max(client.run(known_to).values()) > 1:  # what runs cannot be taken from a worker
        time.sleep(0.02)
    gate.touch()
    assert client.submit(sum, [1, 2]).result() == 3, "the workers go on with other work"
    assert len(list(tmp_path.glob("late-*"))) <= 2


def test_addresses_without_a_scheduler_and_schedulers_without_workers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cluster_module, "_PATIENCE", 0.2)
    for address in ("tcp://127.0.0.1:9", "nonsense://here"):
        with (
            pytest.raises(OtAnalysisError, match=f"No Dask scheduler answers at '{address}'.*dask scheduler"),
            on_cluster(address),
        ):
            pass
    options = {"n_workers": 0, "processes": False, "dashboard_address": ":0"}
    with (
        distributed.LocalCluster(**options, silence_logs="CRITICAL") as empty,
        on_cluster(empty.scheduler_address),
        pytest.raises(OtAnalysisError, match=r"has no workers: start some with `dask worker "),
    ):
        run_parts("x", [tmp_path.touch], jobs=1, total=1, kept_in=tmp_path, progress=False)


@pytest.mark.parametrize(
    "command", ["sweep", "certify", "ladder", "within", "evaluate", "synthetic", "figures"]
)
def test_every_command_that_measures_takes_an_address(
    command: str, make_dump: MakeDump, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cluster_module, "_PATIENCE", 0.2)
    monkeypatch.chdir(tmp_path)
    dumps = [str(make_dump("a"))] if command in ("sweep", "certify", "ladder", "figures") else []
    told = CliRunner().invoke(app, [command, *dumps, "--dask", "tcp://127.0.0.1:9", "--quiet"])
    assert told.exit_code == 2, told.output
    assert told.stderr.startswith("No Dask scheduler answers at 'tcp://127.0.0.1:9'")


def test_workers_of_another_version_and_folders_that_they_do_not_see(
    client: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    check_workers(client, writes=tmp_path, reads=[tmp_path])
    with pytest.raises(OtAnalysisError, match=r"The folder .*gone, which is read.*sees none, .*sees none"):
        check_workers(client, writes=tmp_path, reads=[tmp_path / "gone"])
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(cluster_module, "_OURS", "9.9")
    with pytest.raises(OtAnalysisError, match=r"must run otanalysis 9\.9.*0\.\d+\.\d+.*install the same"):
        check_workers(client, writes=tmp_path, reads=[])


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([ModuleNotFoundError("otanalysis"), True], r"w0 lacks it, w1 lacks it, w2 lacks it, and 1 more"),
        ([cluster_module._OURS, False], r"which is written.*w0 sees none, w1 sees none, w2 sees none, and 1"),
    ],
)
def test_many_workers_are_told_of_in_short(answers: Sequence[object], said: str, tmp_path: Path) -> None:
    """Of workers elsewhere, which two processes on this machine cannot be."""
    left = iter(answers)

    def run(*_: object, **__: object) -> dict[str, object]:
        answer = next(left)
        return {f"w{number}": answer for number in range(4)}

    client = SimpleNamespace(
        scheduler=SimpleNamespace(address="tcp://far:1"), wait_for_workers=lambda *_, **__: None, run=run
    )
    with pytest.raises(OtAnalysisError, match=said):
        check_workers(cast(Any, client), writes=tmp_path, reads=[])


def test_without_an_address_nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with on_cluster(None):
        pass
    with pytest.raises(InputError), on_cluster(None):
        raise InputError("what happens inside is not touched")
    with (
        pytest.raises(OtAnalysisError, match=r"pip install \"otanalysis\[cluster\]\""),
        on_cluster("tcp://x:1"),
    ):
        pass
