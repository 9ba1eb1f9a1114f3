"""Run independent parts of a long job in processes, with time left and a word on what a stop keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import joblib
from joblib.externals.loky import get_reusable_executor
from threadpoolctl import threadpool_limits

from otanalysis.progress import progress_bar

__all__ = ["run_parts"]


def run_parts(
    label: str,
    parts: Sequence[Callable[[], None]],
    *,
    jobs: int,
    total: int,
    kept_in: Path,
    progress: bool,
) -> None:
    """Run every part; each writes its own result whole.

    Parameters
    ----------
    label : str
        Word before the progress bar.
    parts : sequence of callables
        What is left to do; picklable, without arguments.
    jobs : int
        Processes, each with one thread for linear algebra.
    total : int
        Number of parts with those that were done before.
    kept_in : Path
        Folder of the finished parts, for the message of a stop.
    progress : bool
        Show a bar with the time left on stderr.

    Raises
    ------
    KeyboardInterrupt
        With a word on what is kept.
    """
    done = total - len(parts)
    with progress_bar(label, "parts", shown=progress and bool(parts)) as bar:
        task = bar.add_task(label, total=total, completed=done)
        try:
            for _ in _finished(parts, jobs):
                done += 1
                bar.update(task, completed=done)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"Stopped: {done} of {total} parts are kept in {kept_in}; "
                "the same command goes on from there."
            ) from None


def _finished(parts: Sequence[Callable[[], None]], jobs: int) -> Iterator[None]:
    """Yield once a part, as soon as it is on disk."""
    # One thread a process: the matrices are small, and more threads than cores would slow each other down.
    if jobs == 1 or len(parts) < 2:
        with threadpool_limits(limits=1):
            for part in parts:
                part()
                yield
        return
    with joblib.parallel_config(backend="loky", n_jobs=jobs, inner_max_num_threads=1):
        yield from joblib.Parallel(return_as="generator_unordered", batch_size=1)(
            joblib.delayed(part)() for part in parts
        )
    # The next job gets fresh processes: what it loads that this one did not (torch, compiled code) would look
    # like a leak to the pool, which then warns and starts them anew in the middle of the work.
    get_reusable_executor(max_workers=jobs, reuse=True).shutdown(wait=True)
