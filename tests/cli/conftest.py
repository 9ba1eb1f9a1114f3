"""What the tests of several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Refused = Callable[[Result, str, Path], None]


@pytest.fixture
def assert_refused() -> Refused:
    """Return a check that a command refused a mistake in one sentence and wrote nothing."""

    def check(result: Result, message: str, out: Path) -> None:
        assert result.exit_code == 2
        assert message in result.stderr
        assert result.stderr.count("\n") == 1
        assert not out.exists()

    return check
