"""The training curve: averages over windows of steps, to a CSV file and to a progress bar with time left."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from otanalysis.files import make_folder, storing, write_atomic

_COLUMNS = ("stage", "step", "loss", "accuracy", "seconds")


class TrainingLog:
    """Called as ``log(stage=, step=, steps=, loss=, accuracy=)``; appends a row every ``window``."""

    def __init__(self, path: Path, *, window: int = 100) -> None:
        self._path = path
        self._window = window
        self._start = time.perf_counter()
        self._losses: list[float] = []
        self._accuracies: list[float] = []
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} {task.fields[status]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._bars: dict[str, TaskID] = {}

    def __enter__(self) -> TrainingLog:
        make_folder(self._path.parent)
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(
        self, *, stage: str, step: int, steps: int, loss: float | None = None, accuracy: float = 0.0
    ) -> None:
        """Record one step; one without a loss (nothing is trained) only moves the progress bar."""
        if stage not in self._bars:
            self._forget(stage, step)
            self._start = time.perf_counter()
            self._losses, self._accuracies = [], []
            self._bars[stage] = self._progress.add_task(stage, total=steps, status="")
        self._progress.update(self._bars[stage], completed=step + 1)
        if loss is None:
            return
        self._losses.append(loss)
        self._accuracies.append(accuracy)
        last = step + 1 == steps
        if (step + 1) % self._window == 0 or last:
            mean_loss = sum(self._losses) / len(self._losses)
            mean_accuracy = sum(self._accuracies) / len(self._accuracies)
            self.row(stage, step + 1, mean_loss, mean_accuracy)
            self._losses, self._accuracies = [], []
            status = f"loss {mean_loss:.3f}, accuracy {mean_accuracy:.3f}"
            self._progress.update(self._bars[stage], status=status)

    def row(self, stage: str, step: int, loss: float, accuracy: float) -> None:
        """Append one row to the curve, which is written anew: on a full disk it stays as it was."""
        rows = io.StringIO(newline="")
        writer = csv.writer(rows)
        if not self._path.exists():
            writer.writerow(_COLUMNS)
        seconds = time.perf_counter() - self._start
        writer.writerow([stage, step, f"{loss:.4f}", f"{accuracy:.4f}", f"{seconds:.0f}"])
        with storing(self._path):
            before = self._path.read_bytes() if self._path.exists() else b""
        write_atomic(self._path, before + rows.getvalue().encode())

    def _forget(self, stage: str, step: int) -> None:
        """Drop what a stopped run wrote of the steps of a stage that come again, from ``step`` on."""
        if not self._path.exists():
            return
        lines = self._path.read_bytes().splitlines(keepends=True)
        kept = [line for line in lines if not self._comes_again(line.decode(), stage, step)]
        if len(kept) < len(lines):
            write_atomic(self._path, b"".join(kept))

    @staticmethod
    def _comes_again(line: str, stage: str, step: int) -> bool:
        name, until = line.split(",")[:2]
        return name.startswith(f"{stage}-held-out") or (name == stage and int(until) > step)
