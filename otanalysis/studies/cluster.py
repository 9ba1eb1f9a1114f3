"""Many machines: parts handed out by a Dask scheduler, which also gives a lost worker's parts to the others.

The scheduler, its workers and the recovery are Dask's. What is kept here is what it cannot know: that all
workers see the folders that are read and written, and run this otanalysis.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

import joblib
from joblib.parallel import BACKENDS

from otanalysis.errors import MissingDependencyError, OtAnalysisError
from otanalysis.files import storing
from otanalysis.progress import prefer_plain_arrays

if TYPE_CHECKING:
    from distributed import Client

    Task = Callable[[], None]

_PATIENCE = 10.0  # seconds for the scheduler to answer, and then for the first worker to be there
_NAMED = 3  # workers in a message
_OURS = version("otanalysis")


class LostError(OtAnalysisError):
    """The scheduler is gone, or gave up a part because every worker that took it died."""


@contextmanager
def on_cluster(address: str | None) -> Iterator[None]:
    """Measure on the workers of a Dask scheduler in a ``with`` block; with None, as without it.

    Inside ``joblib.parallel_config(backend="dask")``, what measures parts does the same. Every piece reads
    its own tokens and writes its own part: all workers must see the folders under the same absolute paths.

    Parameters
    ----------
    address : str or None
        Of the scheduler, such as ``tcp://node1:8786``.

    Raises
    ------
    MissingDependencyError
        ``distributed`` is not installed.
    OtAnalysisError
        No scheduler answers at the address.

    Examples
    --------
    >>> with on_cluster(None):
    ...     print("here")
    here
    """
    if address is None:
        yield
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingDependencyError(
            "A Dask scheduler was asked for, and the package distributed is not installed: "
            'pip install "otanalysis[cluster]".'
        ) from error
    try:
        client = Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise OtAnalysisError(
            f"No Dask scheduler answers at {address!r}: start one with `dask scheduler`, which says its "
            "address, such as tcp://node1:8786, and workers with `dask worker ADDRESS`."
        ) from error
    with client, joblib.parallel_config(backend="dask", client=client):
        yield


def client_of(backend: object) -> Client | None:
    """Return the client behind a backend of joblib, or None if it is not Dask's."""
    dask = BACKENDS.get("dask")
    return backend.client if dask is not None and isinstance(backend, dask) else None


def finished_on(
    client: Client, run: Callable[[Task], None], tasks: Sequence[Task], *, writes: Path, reads: Iterable[Path]
) -> Generator[None, None, None]:
    """Run tasks on the workers; yield once a task, as soon as it is done. Closed before, cancel the rest.

    Parameters
    ----------
    client : distributed.Client
        Of the scheduler.
    run : callable
        Runs a task, in the worker.
    tasks : sequence of callable
        Picklable, with absolute paths.
    writes : Path
        The folder that the tasks write into.
    reads : iterable of Path
        Those that they read.

    Raises
    ------
    OtAnalysisError
        There are no workers, or they cannot do it, see :func:`check_workers`; or as the tasks raise it.
    LostError
        A task killed all workers that tried it, or the scheduler is gone.
    """
    from distributed import KilledWorker, as_completed

    check_workers(client, writes=writes, reads=reads)
    futures = client.map(partial(_in_worker, run), tasks, key="otanalysis", pure=False)
    try:
        for future in as_completed(futures, loop=client.loop):
            future.result()
            yield
    except KilledWorker as error:
        raise LostError(
            f"Workers of {client.scheduler.address} were killed one after another, perhaps for their memory"
        ) from error
    except CancelledError as error:
        raise LostError(f"The scheduler {client.scheduler.address} is gone, or dropped the work") from error
    finally:
        if client.status == "running":
            client.cancel(futures)


def _in_worker(run: Callable[[Task], None], task: Task) -> None:
    prefer_plain_arrays()
    run(task)


def check_workers(client: Client, *, writes: Path, reads: Iterable[Path]) -> None:
    """Make sure that there are workers, of this version of otanalysis, which see the same folders.

    Raises
    ------
    OtAnalysisError
        Says what is missing, on which workers, and how to mend it.
    """
    address = client.scheduler.address
    try:
        client.wait_for_workers(1, timeout=_PATIENCE)
    except TimeoutError as error:
        raise OtAnalysisError(
            f"The Dask scheduler {address} has no workers: start some with `dask worker {address}`."
        ) from error
    # Functions of Python alone: these reach workers that lack otanalysis, too.
    found = client.run(version, "otanalysis", on_error="return")
    if other := {name: one for name, one in found.items() if one != _OURS}:
        raise OtAnalysisError(
            f"Workers of {address} must run otanalysis {_OURS}, as this machine does; {_listed(other)}: "
            "install the same there and start them again."
        )
    for folder in reads:
        _check_seen(client, folder, folder, "read")
    with storing(writes), NamedTemporaryFile(dir=writes, prefix=".", suffix=".otanalysis.tmp") as probe:
        _check_seen(client, writes, Path(probe.name), "written")


def _check_seen(client: Client, folder: Path, path: Path, how: str) -> None:
    """Make sure that workers see a path of a folder."""
    seen = client.run(os.path.exists, str(path.absolute()))
    if blind := {name: "sees none" for name, there in seen.items() if not there}:
        raise OtAnalysisError(
            f"The folder {folder.absolute()}, which is {how}, must be on a disk that all workers share, "
            f"under the same path; {_listed(blind)}: mount it there, or give another folder."
        )


def _listed(told: dict[str, Any]) -> str:
    """Say what some workers lack: the first few by name."""
    words = [
        f"{name} {'lacks it' if isinstance(one, Exception) else one}"
        for name, one in list(told.items())[:_NAMED]
    ]
    more = [f"and {len(told) - _NAMED} more"] if len(told) > _NAMED else []
    return ", ".join(words + more)
