"""What the pictures of stamps are made of, and the seeds of their draws."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from otanalysis.scalars import check_number, check_seed
from otanalysis.scenes.benchmark import Split
from otanalysis.stamps.backgrounds import NATURAL, SMOOTH, backgrounds_checksum
from otanalysis.stamps.objects import ObjectBank, find_stamps, open_objects


@dataclass(frozen=True)
class StampSettings:
    """What the pictures are made of; see :func:`~otanalysis.stamps.benchmarks.stamp_benchmarks`.

    Attributes
    ----------
    stamps : Path or None
        Folder of the photographs of objects, see :func:`~otanalysis.stamps.objects.find_stamps`.
    backgrounds : str
        ``"smooth"``, ``"natural"`` or a folder, see :func:`~otanalysis.stamps.backgrounds.open_style`.
    object_size : float
        Factor of the objects' sizes, between 0.25 and 2.
    crowding : float
        Factor of the number of objects, between 0.25 and 4.
    hold_out : bool
        Show photographs of objects in the test that training never shows.
    seed : int
        Of all scenes; with 0, smooth backgrounds and no other change the scenes are those that the bundled
        adapter was trained on and, held out, measured on.

    Raises
    ------
    InputError
        If a factor or the seed is out of range.

    Examples
    --------
    >>> StampSettings(object_size=0.5).is_smooth, StampSettings(backgrounds="natural").is_smooth
    (True, False)
    """

    stamps: Path | None = None
    backgrounds: str = SMOOTH
    object_size: float = 1.0
    crowding: float = 1.0
    hold_out: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name, high in (("object_size", 2.0), ("crowding", 4.0)):
            wanted = f"a number between 0.25 and {high:g}"
            check_number(getattr(self, name), name, wanted=wanted, low=0.25, high=high)
        check_seed(self.seed)

    @property
    def is_smooth(self) -> bool:
        """Whether the backgrounds are smooth."""
        return self.backgrounds == SMOOTH

    def bank(self, split: Split) -> ObjectBank:
        """Return the photographs of objects that a split shows."""
        return _bank(self.stamps, split if self.hold_out else None)

    def generator(self, split: Split, *numbers: int) -> np.random.Generator:
        """Return the source of every draw of a scene: one or two numbers tell it from the others."""
        stream = {"train": 1, "test": 2}[split] + (0 if self.is_smooth else 10)
        # NumPy fills entropy up to four words with zeros: with seed 0 it is that of the numbers alone.
        return np.random.default_rng((stream, *numbers, *[0] * (2 - len(numbers)), self.seed))


@lru_cache(maxsize=8)
def told(settings: StampSettings) -> dict[str, Any]:
    """Return what decides the pictures, as JSON values; folders are told apart by what they hold."""
    kind = settings.backgrounds if settings.backgrounds in (SMOOTH, NATURAL) else "folder"
    return {
        "world": "stamps",
        **{name: value for name, value in asdict(settings).items() if name != "stamps"},
        "backgrounds": kind,
        "objects_sha256": settings.bank("test").checksum,
        "backgrounds_sha256": backgrounds_checksum(settings.backgrounds),
    }


@lru_cache(maxsize=8)
def _bank(stamps: Path | None, split: Split | None) -> ObjectBank:
    whole = open_objects(find_stamps(stamps))
    return whole if split is None else whole.held_out(split)
