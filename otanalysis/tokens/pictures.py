"""Pictures from the bytes of their files: how large they are is known before anything is decoded."""

from __future__ import annotations

import io
import warnings
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from otanalysis.errors import InputError

_HEADERS = Lock()  # warnings are caught for the whole process: by one thread at a time


def decode_picture(
    content: bytes, *, most_pixels: int | None = None, formats: tuple[str, ...] | None = None
) -> NDArray[np.uint8]:
    """Return the pixels of a picture, uint8 of shape ``[h, w, 3]``: RGB, upright as its EXIF data say.

    The header alone is read first: a file of some kilobytes may stand for gigabytes of pixels.

    Parameters
    ----------
    content : bytes
        Of the file.
    most_pixels : int, optional
        Pixels that are decoded at most; by default ``PIL.Image.MAX_IMAGE_PIXELS``, 89 million if nobody
        changed it.
    formats : tuple of str, optional
        Pillow's names of the formats that are read; by default all.

    Raises
    ------
    InputError
        The bytes are no picture, or it has too many pixels; the message is the reason alone.

    Examples
    --------
    >>> from PIL import Image
    >>> Image.new("RGB", (4, 2)).save(file := io.BytesIO(), format="PNG")
    >>> decode_picture(file.getvalue()).shape
    (2, 4, 3)
    >>> decode_picture(file.getvalue(), most_pixels=7)
    Traceback (most recent call last):
    otanalysis.errors.InputError: 4 x 2 pixels are too many, at most 7 are decoded
    """
    from PIL import Image, ImageOps

    try:
        with _HEADERS, warnings.catch_warnings():
            # Pillow's own limit, of which it warns up to twice that and raises beyond.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=formats)
        with image:
            width, height = image.size
            if most_pixels is not None and width * height > most_pixels:
                raise InputError(f"{width} x {height} pixels are too many, at most {most_pixels} are decoded")
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except InputError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise InputError(
            f"too many pixels, at most {Image.MAX_IMAGE_PIXELS} are decoded: shrink it, or raise "
            "PIL.Image.MAX_IMAGE_PIXELS"
        ) from error
    # Pillow's decoders raise SyntaxError, ValueError and others on broken files.
    except Exception as error:
        raise InputError(
            "no picture that Pillow knows" if "cannot identify" in str(error) else str(error)
        ) from error
