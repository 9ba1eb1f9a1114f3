"""Pictures: their size is known before anything is decoded, whatever the header says."""

from __future__ import annotations

import io
import struct
import threading
import tracemalloc
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from otanalysis.errors import DumpError, InputError
from otanalysis.tokens.pictures import decode_picture
from otanalysis.tokens.thumbnails import decode_thumbnail

LIMIT = Image.MAX_IMAGE_PIXELS


def png(width: int, height: int) -> bytes:
    """Return a small file that stands for so many grey pixels."""
    packer = zlib.compressobj(9)
    row = bytes(1 + width)
    data = b"".join([*(packer.compress(row) for _ in range(height)), packer.flush()])
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def peak(work: object) -> int:
    tracemalloc.start()
    try:
        with pytest.raises((InputError, DumpError), match="too many"):
            work()  # type: ignore[operator]
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("width", "height"), [(20_000, 20_000), (13_000, 13_000), (9_500, 9_500)])
def test_a_bomb_is_refused_from_its_header(width: int, height: int) -> None:
    """Beyond twice Pillow's limit, where it raises; beyond it, where it warns; just beyond it."""
    content = png(width, height)
    assert len(content) < 1_000_000
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert peak(lambda: decode_picture(content)) < 10 * len(content) + 1_000_000
        stored = np.frombuffer(content, np.uint8)
        assert peak(lambda: decode_thumbnail(stored)) < 10 * len(content) + 1_000_000
    assert [str(one.message) for one in said] == []


def test_a_thumbnail_of_far_more_pixels_than_are_stored_is_refused() -> None:
    with pytest.raises(DumpError, match=r"1500 x 1000 pixels are too many, at most 1048576 are decoded"):
        decode_thumbnail(np.frombuffer(png(1500, 1000), np.uint8))
    assert decode_thumbnail(np.frombuffer(png(1024, 1024), np.uint8)).shape == (1024, 1024, 3)
    assert decode_picture(png(1500, 1000)).shape == (1000, 1500, 3)


def test_the_limit_is_that_of_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    content = png(40, 30)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1199)
    with pytest.raises(InputError, match=r"too many pixels, at most 1199 are decoded: .*MAX_IMAGE_PIXELS"):
        decode_picture(content)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1200)
    assert decode_picture(content).shape == (30, 40, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert decode_picture(content).shape == (30, 40, 3)


def test_a_header_that_lies_is_no_picture() -> None:
    content = bytearray(png(20, 20))
    content[16:20] = struct.pack(">I", 4000)  # the width; the checksum of the header no longer fits
    with pytest.raises(InputError):
        decode_picture(bytes(content))


@pytest.mark.parametrize(
    "content", [b"", b"no picture", png(20, 20)[:40], b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"]
)
def test_what_is_no_picture_is_told(content: bytes) -> None:
    with pytest.raises(InputError):
        decode_picture(content)


def test_other_formats_are_refused_where_some_are_named() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4)).save(stream, format="BMP")
    assert decode_picture(stream.getvalue()).shape == (4, 4, 3)
    with pytest.raises(InputError, match="no picture that Pillow knows"):
        decode_picture(stream.getvalue(), formats=("PNG",))


def test_threads_leave_the_filters_of_warnings_as_they_were() -> None:
    before, content, start = list(warnings.filters), png(30, 30), threading.Barrier(8)

    def decode(_: int) -> int:
        start.wait(timeout=60)
        return sum(decode_picture(content).shape[0] for _ in range(20))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(decode, range(8))) == [600] * 8
    assert list(warnings.filters) == before
