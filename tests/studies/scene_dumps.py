"""Made-up dumps of scenes whose objects are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from otanalysis.tokens import DumpWriter

M = 24


def scenes_dump(folder: Path, *, model: str = "stamps", side: bool = True, **settings: Any) -> Path:
    """Write two scenes of 24 tokens, of which objects cover shares of any size."""
    generator = np.random.default_rng(len(model))
    with DumpWriter(folder, model=model, benchmark=folder.name, **settings) as writer:
        for name in ("a", "b"):
            cover = {"objects": generator.choice([0.0, 0.2, 0.25, 0.9], M)} if side else None
            writer.add(name, generator.standard_normal((M, 3)) * generator.uniform(1, 3, (M, 1)), side=cover)
    return folder
