"""The smooth style: large objects on gradients, soft noise and blurred photographs.

The draws are those of the scenes that the bundled adapter of the model of pretrained parts was trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from otanalysis.arrays import FloatArray
from otanalysis.stamps.geometry import SIDE
from otanalysis.stamps.style import Crop, Photograph, Scenery, draw_mirrored, mirrored

_LARGEST = {1: 150.0, 2: 140.0, 3: 130.0, 4: 120.0, 5: 110.0, 6: 104.0}


@dataclass(frozen=True, eq=False)
class SoftPhotograph:
    """A part of a photograph, mostly blurred, of less contrast and another brightness."""

    crop: Crop
    blur: float | None
    contrast: float
    brightness: float

    @classmethod
    def draw(cls, generator: np.random.Generator, photographs: Sequence[Photograph]) -> SoftPhotograph:
        """Draw photograph, part and changes."""
        crop = Crop.draw(generator, photographs, 200)
        blur = float(generator.uniform(1, 5)) if generator.random() < 0.6 else None
        return cls(crop, blur, float(generator.uniform(0.4, 1)), float(generator.uniform(0.7, 1.3)))

    def paint(self) -> Image.Image:
        """Return the picture."""
        picture = self.crop.resized(SIDE, Image.Resampling.BILINEAR)
        if self.blur is not None:
            picture = picture.filter(ImageFilter.GaussianBlur(self.blur))
        picture = ImageEnhance.Contrast(picture).enhance(self.contrast)
        return ImageEnhance.Brightness(picture).enhance(self.brightness)


@dataclass(frozen=True, eq=False)
class SoftNoise:
    """A few random colours around one, drawn out to the whole: ``colours``, uint8 of shape ``[n, n, 3]``."""

    colours: NDArray[np.uint8]

    @classmethod
    def draw(cls, generator: np.random.Generator) -> SoftNoise:
        """Draw the colours."""
        count = int(generator.integers(2, 9))
        base, reach = generator.integers(40, 230, 3), generator.integers(10, 80)
        colours = base + generator.uniform(-reach, reach, (count, count, 3))
        return cls(np.clip(colours, 0, 255).astype(np.uint8))

    def paint(self) -> Image.Image:
        """Return the picture."""
        return Image.fromarray(self.colours).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


@dataclass(frozen=True, eq=False)
class Gradient:
    """From one colour [3] to another, along ``slopes`` [2] of x and y."""

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    slopes: FloatArray

    @classmethod
    def draw(cls, generator: np.random.Generator) -> Gradient:
        """Draw colours and direction."""
        first, last = generator.integers(30, 256, 3), generator.integers(30, 256, 3)
        return cls(first, last, generator.uniform(-1, 1, 2))

    def paint(self) -> Image.Image:
        """Return the picture."""
        axis = np.linspace(0, 1, SIDE) - 0.5
        across, down = self.slopes
        share = np.clip(0.5 + across * axis[None] + down * axis[:, None], 0, 1)[..., None]
        return Image.fromarray((self.first * (1 - share) + self.last * share).astype(np.uint8))


@dataclass(frozen=True)
class SmoothLook:
    """Mirrored or not, and brighter or darker."""

    mirrored: bool
    brightness: float | None

    def paste(self, canvas: Image.Image, cutout: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
        """Paint a photograph into a box; return its opacity there."""
        x, y, width, height = box
        thing = cutout.resize((width, height), Image.Resampling.BILINEAR)
        if self.mirrored:
            thing = mirrored(thing)
        opacity = thing.getchannel("A")
        if self.brightness is not None:
            thing = ImageEnhance.Brightness(thing).enhance(self.brightness)
            thing.putalpha(opacity)
        canvas.paste(thing, (x, y), thing)
        return opacity


@dataclass(frozen=True)
class SmoothSizes:
    """Sizes between two bounds, in pixels."""

    low: float
    top: float
    smallest: float = 36.0

    def draw(self, generator: np.random.Generator) -> float:
        """Draw one."""
        return float(generator.uniform(self.low, self.top))


@dataclass(frozen=True)
class SmoothStage:
    """Objects of one scene share what lies behind them."""

    backdrop: Scenery

    def draw_look(self, generator: np.random.Generator, kind: str, width: int, height: int) -> SmoothLook:  # noqa: ARG002
        """Draw the look of an object."""
        turned = draw_mirrored(generator, kind)
        brightness = float(generator.uniform(0.75, 1.2)) if generator.random() < 0.5 else None
        return SmoothLook(turned, brightness)


@dataclass(frozen=True, eq=False)
class SmoothStyle:
    """The style, with the photographs of a third of its backdrops."""

    photographs: Sequence[Photograph]

    def sizes(self, count: int) -> SmoothSizes:
        """Return the sizes for scenes of so many objects: the fewer, the larger."""
        low = 64.0 if count <= 6 else 52.0 if count <= 9 else 42.0
        return SmoothSizes(low, _LARGEST.get(count, 96.0 if count <= 9 else 80.0))

    def draw_stage(self, generator: np.random.Generator) -> SmoothStage:
        """Draw the backdrop."""
        return SmoothStage(self._draw_backdrop(generator))

    def _draw_backdrop(self, generator: np.random.Generator) -> Scenery:
        chance = generator.random()
        if chance < 0.35:
            return SoftPhotograph.draw(generator, self.photographs)
        return SoftNoise.draw(generator) if chance < 0.75 else Gradient.draw(generator)
