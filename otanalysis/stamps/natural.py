"""The natural style: small objects with shadows and soft edges on sharp parts of photographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from otanalysis.arrays import FloatArray
from otanalysis.stamps.geometry import SIDE
from otanalysis.stamps.style import SMALLEST_PHOTOGRAPH, Crop, Photograph, draw_mirrored, mirrored

_RIM = 8  # pixels around an object into which its shadow may blur


@dataclass(frozen=True)
class SharpPhotograph:
    """A part of a photograph, sometimes mirrored, brighter or darker, more or less colourful."""

    crop: Crop
    mirrored: bool
    brightness: float | None
    colour: float | None

    @classmethod
    def draw(cls, generator: np.random.Generator, photographs: Sequence[Photograph]) -> SharpPhotograph:
        """Draw photograph, part and changes."""
        crop = Crop.draw(generator, photographs, SMALLEST_PHOTOGRAPH)
        turned = bool(generator.random() < 0.5)
        brightness = float(generator.uniform(0.8, 1.2)) if generator.random() < 0.5 else None
        colour = float(generator.uniform(0.5, 1.3)) if generator.random() < 0.3 else None
        return cls(crop, turned, brightness, colour)

    def paint(self) -> Image.Image:
        """Return the picture."""
        picture = self.crop.resized(SIDE, Image.Resampling.BICUBIC)
        if self.mirrored:
            picture = mirrored(picture)
        if self.brightness is not None:
            picture = ImageEnhance.Brightness(picture).enhance(self.brightness)
        if self.colour is not None:
            picture = ImageEnhance.Color(picture).enhance(self.colour)
        return picture


@dataclass(frozen=True)
class Light:
    """Where the shadows of a scene fall, in pixels, and how dark they are, between 0 and 1."""

    across: int
    down: int
    darkness: float


@dataclass(frozen=True, eq=False)
class NaturalLook:
    """An object in the light of its scene.

    Attributes
    ----------
    mirrored : bool
        Left and right exchanged.
    exposure : float
        Factor of all colours, beside that of the brightness behind the object.
    tint : array, shape ``[3]``
        Factors of red, green and blue.
    light : Light
        Of the scene.
    shadow, edge : float or None
        Radius in pixels by which the shadow and the outline are blurred; None for neither.
    """

    mirrored: bool
    exposure: float
    tint: FloatArray
    light: Light
    shadow: float | None
    edge: float | None

    def paste(self, canvas: Image.Image, cutout: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
        """Paint a photograph into a box; return its opacity there."""
        x, y, width, height = box
        thing = cutout.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
        if self.mirrored:
            thing = mirrored(thing)
        opacity = thing.getchannel("A")
        behind = canvas.crop((x, y, x + width, y + height)).convert("L")
        lit = self._lit(thing, behind)
        if self.shadow is not None:
            self._cast_shadow(canvas, opacity, x, y, self.shadow)
        canvas.paste(lit, (x, y), opacity if self.edge is None else _softened(opacity, self.edge))
        return opacity

    def _lit(self, thing: Image.Image, behind: Image.Image) -> Image.Image:
        """Return the colours of an object, brighter in front of what is bright."""
        brightness = np.asarray(behind.resize((4, 4), Image.Resampling.BOX)).mean() / 255
        gain = np.clip(0.82 + 0.36 * brightness, 0.82, 1.12) * self.exposure * self.tint
        colours = np.asarray(thing.convert("RGB"), np.float32) * gain.astype(np.float32)
        return Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8))

    def _cast_shadow(self, canvas: Image.Image, opacity: Image.Image, x: int, y: int, blur: float) -> None:
        shade = _framed(opacity, _RIM).filter(ImageFilter.BoxBlur(blur))
        shade = shade.point([int(value * self.light.darkness) for value in range(256)])
        canvas.paste((0, 0, 0), (x - _RIM + self.light.across, y - _RIM + self.light.down), shade)


def _softened(opacity: Image.Image, blur: float) -> Image.Image:
    """Return an opacity whose edge is blurred to the inside only."""
    width, height = opacity.size
    soft = _framed(opacity, 2).filter(ImageFilter.BoxBlur(blur)).crop((2, 2, width + 2, height + 2))
    return Image.fromarray(np.minimum(np.asarray(opacity), np.asarray(soft)))


def _framed(opacity: Image.Image, rim: int) -> Image.Image:
    """Return an opacity with a transparent frame of so many pixels."""
    framed = Image.new("L", (opacity.width + 2 * rim, opacity.height + 2 * rim))
    framed.paste(opacity, (rim, rim))
    return framed


@dataclass(frozen=True)
class NaturalSizes:
    """Sizes up to a bound, in pixels; every fifth object is small."""

    top: float
    smallest: float = 24.0

    def draw(self, generator: np.random.Generator) -> float:
        """Draw one."""
        small = generator.random() < 0.2
        return float(generator.uniform(24, 44) if small else generator.uniform(42, self.top))


@dataclass(frozen=True)
class NaturalStage:
    """Objects of one scene share what lies behind them, and the light."""

    backdrop: SharpPhotograph
    light: Light

    def draw_look(self, generator: np.random.Generator, kind: str, width: int, height: int) -> NaturalLook:
        """Draw the look of an object; only outlines of more than 14 pixels are blurred."""
        turned = draw_mirrored(generator, kind)
        exposure, tint = float(generator.uniform(0.82, 1.18)), generator.uniform(0.93, 1.07, 3)
        shadow = float(generator.uniform(1.5, 4)) if generator.random() < 0.7 else None
        blurred = generator.random() < 0.7 and min(width, height) > 14
        edge = float(generator.uniform(0.5, 1.3)) if blurred else None
        return NaturalLook(turned, exposure, tint, self.light, shadow, edge)


@dataclass(frozen=True, eq=False)
class NaturalStyle:
    """The style, with the photographs of its backdrops."""

    photographs: Sequence[Photograph]

    def sizes(self, count: int) -> NaturalSizes:
        """Return the sizes for scenes of so many objects."""
        return NaturalSizes(110.0 if count <= 6 else 98.0 if count <= 9 else 84.0)

    def draw_stage(self, generator: np.random.Generator) -> NaturalStage:
        """Draw the light and the backdrop."""
        across, down = int(generator.integers(-5, 6)), int(generator.integers(1, 7))
        light = Light(across, down, float(generator.uniform(0.15, 0.45)))
        return NaturalStage(SharpPhotograph.draw(generator, self.photographs), light)
