"""What every table says of how it came about."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

__all__ = ["environment"]


def environment(packages: Iterable[str]) -> dict[str, Any]:
    """Return the date (UTC) and the versions of Python and of installed packages, as JSON values."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
    }
