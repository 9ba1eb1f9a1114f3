"""A small dump with and without pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from otanalysis.tokens import Dump, DumpWriter, open_dump

MakePictured = Callable[..., Dump]


@pytest.fixture
def pictured(tmp_path: Path) -> MakePictured:
    """Return a function that writes a dump of 6 x 8 patches, pictures for all samples but the last."""

    def make(samples: int = 3, *, name: str = "pictured", dtype: str = "float32") -> Dump:
        generator = np.random.default_rng(0)
        folder = tmp_path / name
        with DumpWriter(folder, model="tiny", benchmark="noise", grid=(6, 8), dtype=dtype) as writer:
            for number in range(samples):
                picture = generator.integers(0, 256, size=(48, 64, 3), dtype=np.uint8)
                last = number == samples - 1
                writer.add(
                    f"image <{number}>",
                    generator.standard_normal((48, 5)),
                    extra={"question": "is 1 < 2 & 3 ?"},
                    thumbnail=None if last else picture,
                )
        return open_dump(folder)

    return make
