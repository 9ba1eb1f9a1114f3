"""Dumps in the tests: written, perhaps stopped before they are finished, and what is in their folders."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from otanalysis.tokens import DumpWriter


def written(
    folder: Path, samples: Mapping[str, Mapping[str, Any]], *, stop: bool = False, **settings: Any
) -> Path:
    """Write a dump, or go on with one that was stopped, and return its folder.

    Parameters
    ----------
    folder : Path
    samples : mapping
        What the writer is given of every sample, by name; those that it has already are not given again.
    stop : bool
        Interrupt the writer in place of letting it finish.
    settings
        Of the writer.
    """
    with (
        pytest.raises(KeyboardInterrupt) if stop else nullcontext(),
        DumpWriter(folder, **settings) as writer,
    ):
        for name, given in samples.items():
            if name not in writer:
                writer.add(name, **given)
        if stop:
            raise KeyboardInterrupt
    return folder


def content_of(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file in a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
