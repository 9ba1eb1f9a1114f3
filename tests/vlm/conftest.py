"""What the tests of capture share: pictures of mixed shapes, and sources that are made up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from otanalysis.vlm.capture.pictures import PictureItem

SHAPES = ((40, 60), (96, 30), (96, 96), (30, 30), (48, 48), (64, 40), (33, 97))


class MadeUp:
    """A source of arrays; at picture ``stop`` it does what Ctrl-C does."""

    def __init__(self, pictures: Sequence[np.ndarray], *, stop: int | None = None) -> None:
        self.pictures = pictures
        self.stop = stop

    @property
    def provenance(self) -> Mapping[str, Any]:
        return {"kind": "made up", "pictures": len(self)}

    def __len__(self) -> int:
        return len(self.pictures)

    def __iter__(self) -> Iterator[PictureItem]:
        for number, pixels in enumerate(self.pictures):
            if number == self.stop:
                raise KeyboardInterrupt
            yield PictureItem(f"picture-{number}", lambda pixels=pixels: pixels, {"number": number})


@pytest.fixture(scope="session")
def pictures(zoo: Any) -> list[np.ndarray]:
    """Return seven pictures of different shapes."""
    return [np.asarray(zoo.picture(*shape, seed=seed)) for seed, shape in enumerate(SHAPES)]


@pytest.fixture(scope="session")
def made_up() -> type[MadeUp]:
    """Return the class of sources that are made up."""
    return MadeUp


@pytest.fixture
def photos(tmp_path: Path, pictures: list[np.ndarray]) -> Path:
    """Return a folder of the seven pictures as PNG files."""
    from PIL import Image

    folder = tmp_path / "photos"
    folder.mkdir()
    for number, pixels in enumerate(pictures):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder
