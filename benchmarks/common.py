"""What the benchmarks of running models share: a clock that knows the device, and how results came about."""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["PeakMemory", "Record", "device_name", "now", "print_rows", "timed", "write_results"]

_T = TypeVar("_T")
Record = dict[str, Any]


def now(device: str) -> float:
    """Return the seconds of this process, all its threads, on the host; those of the wall on a GPU."""
    if device == "cpu":
        return time.process_time()  # whatever else the machine does
    import torch

    torch.get_device_module(device).synchronize()
    return time.perf_counter()


def timed(work: Callable[[], _T], device: str) -> tuple[_T, float]:
    """Return a result and the seconds that it took."""
    start = now(device)
    result = work()
    return result, now(device) - start


class PeakMemory:
    """The largest memory since :meth:`reset`: of the process on the host, of torch's tensors on a GPU."""

    _STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")

    def __init__(self, device: str) -> None:
        self.device = device

    def reset(self) -> None:
        """Start again from what is in use now; where the host does not allow it, the peak is the run's."""
        if self.device != "cpu":
            import torch

            torch.get_device_module(self.device).reset_peak_memory_stats()
        else:
            with suppress(OSError):
                self._CLEAR.write_text("5")

    def gigabytes(self) -> float:
        """Return the peak in units of 10^9 bytes."""
        if self.device != "cpu":
            import torch

            return float(torch.get_device_module(self.device).max_memory_allocated()) / 1e9
        if self._STATUS.exists():
            found = dict(line.split(":", 1) for line in self._STATUS.read_text().splitlines())
            return int(found["VmHWM"].split()[0]) * 1024 / 1e9
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def device_name(device: str) -> str:
    """Return what the device calls itself."""
    import torch

    if device == "cpu":
        return f"cpu, {torch.get_num_threads()} threads, {platform.processor() or platform.machine()}"
    return str(torch.get_device_module(device).get_device_name(device))


def print_rows(title: str, rows: list[Record]) -> None:
    """Print rows of numbers as a table, under their names."""
    from rich.console import Console
    from rich.table import Column, Table

    table = Table(*(Column(name, justify="right") for name in rows[0]), title=title)
    for row in rows:
        table.add_row(*(f"{value:.4g}" for value in row.values()))
    Console().print(table)


def write_results(path: Path, rows: list[Record], settings: Record) -> None:
    """Write rows and settings as JSON, with the versions and the machine that gave them."""
    from otanalysis.files import write_atomic
    from otanalysis.studies import environment

    path.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "command": sys.argv,
        **environment(("otanalysis", "numpy", "torch", "transformers")),
        "platform": platform.platform(),
        **settings,
    }
    write_atomic(path, (json.dumps({"about": about, "rows": rows}, indent=2) + "\n").encode())
    print(path)
