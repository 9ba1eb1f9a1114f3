"""Pictures are read as Hugging Face reads them; what is no picture is told, with the reason."""

from __future__ import annotations

import hashlib
import io
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from otanalysis.errors import InputError
from otanalysis.vlm.capture.pictures import PictureItem, UnreadableError

EXIF_ORIENTATION = 0x0112


def item(content: object) -> PictureItem:
    return PictureItem("one", lambda: content)  # type: ignore[arg-type, return-value]


def saved(image: Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, **({"format": "PNG"} | options))
    return stream.getvalue()


def test_pixels_and_checksum_are_those_of_the_file() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    content = saved(Image.fromarray(pixels))
    read = item(content).read()
    np.testing.assert_array_equal(read.pixels, pixels)
    assert read.sha256 == hashlib.sha256(content).hexdigest() == item(content).checksum()
    bare = item(pixels).read()
    np.testing.assert_array_equal(bare.pixels, pixels)
    assert bare.sha256 == hashlib.sha256(pixels.tobytes()).hexdigest() != read.sha256


def test_pictures_are_turned_upright_and_made_rgb() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6  # the camera was turned: the file must be turned by 90 degrees clockwise
    turned = item(saved(Image.fromarray(grey), exif=exif)).read().pixels
    np.testing.assert_array_equal(turned, np.repeat(np.rot90(grey, -1)[..., None], 3, axis=2))
    palette = Image.new("P", (2, 2), 3)
    palette.putpalette([0, 0, 0, 1, 1, 1, 2, 2, 2, 9, 8, 7])
    assert item(saved(palette)).read().pixels[0, 0].tolist() == [9, 8, 7]


def _missing() -> bytes:
    raise FileNotFoundError(2, "No such file or directory")


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        (lambda: b"no picture", "no picture that Pillow knows"),
        (lambda: b"", "no picture that Pillow knows"),
        (lambda: saved(Image.new("RGB", (64, 64)))[:60], "one: "),
        (_missing, "No such file or directory"),
        (partial(Path.read_bytes, Path("a\0b")), "null byte"),
        (partial(Path.read_bytes, Path("\ud800")), "surrogates|No such file"),
    ],
)
def test_what_cannot_be_read_is_told(load: Callable[[], bytes], reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        PictureItem("one", load).read()


@pytest.mark.parametrize("side", [20_000, 13_000, 9_500])
def test_pictures_of_too_many_pixels_are_refused_from_their_header(side: int) -> None:
    """White pages of 1 bit: kilobytes that stand for up to 400 million pixels."""
    stream = io.BytesIO()
    Image.new("1", (side, side)).save(stream, format="PNG")
    content = stream.getvalue()
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableError, match="one: too many pixels, at most 89478485 are decoded"):
            item(content).read()
        assert tracemalloc.get_traced_memory()[1] < 10 * len(content) + 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("pixels", [np.zeros((4, 4)), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_pixels_of_another_kind_are_a_mistake_of_the_caller(pixels: np.ndarray) -> None:
    with pytest.raises(InputError, match="must be uint8") as raised:
        item(pixels).read()
    assert not isinstance(raised.value, UnreadableError)
