"""What the benchmarks of running models share: a clock that knows the device, and how results came about."""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["device_name", "timed", "write_results"]

_T = TypeVar("_T")
Record = dict[str, Any]


def timed(work: Callable[[], _T], device: str) -> tuple[_T, float]:
    """Return a result and the seconds that it took, of this process on the host, of the wall on a GPU."""
    if device == "cpu":
        # Whatever else the machine does; threads add up, so that one is best.
        start = time.process_time()
        return work(), time.process_time() - start
    import torch

    accelerator: Any = torch.get_device_module(device)
    accelerator.synchronize()
    start = time.perf_counter()
    result = work()
    accelerator.synchronize()
    return result, time.perf_counter() - start


def device_name(device: str) -> str:
    """Return what the device calls itself."""
    import torch

    if device == "cpu":
        return f"cpu, {torch.get_num_threads()} threads, {platform.processor() or platform.machine()}"
    return str(torch.get_device_module(device).get_device_name(device))


def write_results(path: Path, rows: list[Record], settings: Record) -> None:
    """Write rows and settings as JSON, with the versions and the machine that gave them."""
    from otanalysis.experiments.provenance import environment
    from otanalysis.tokens.storage import write_atomic

    path.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "command": sys.argv,
        **environment(("otanalysis", "numpy", "torch", "transformers")),
        "platform": platform.platform(),
        **settings,
    }
    write_atomic(path, (json.dumps({"about": about, "rows": rows}, indent=2) + "\n").encode())
    print(path)
