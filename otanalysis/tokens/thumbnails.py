"""Small pictures of images, as they are kept in a dump."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from otanalysis.arrays import to_numpy
from otanalysis.errors import DumpError, InputError
from otanalysis.tokens.pictures import decode_picture

LONGEST_SIDE = 224
"""Pixels along the longer side of a stored picture, at most."""

_QUALITY = 90
_MOST_PIXELS = 1 << 20  # that are decoded: many times what is stored, and a few megabytes


def encode_thumbnail(picture: ArrayLike) -> NDArray[np.uint8]:
    """Return a picture as the bytes of a small JPEG file; the same picture gives the same bytes.

    Parameters
    ----------
    picture : array, shape ``[h, w, 3]``, uint8
        Red, green and blue, of any size; shrunk to :data:`LONGEST_SIDE` if it is larger.

    Returns
    -------
    array, shape ``[bytes]``, uint8

    Raises
    ------
    InputError
        If it is no such array.

    Examples
    --------
    >>> import numpy as np
    >>> decode_thumbnail(encode_thumbnail(np.zeros((448, 224, 3), dtype=np.uint8))).shape
    (224, 112, 3)
    """
    # Pillow is loaded here: only those who write or look at pictures wait for it.
    from PIL import Image

    array = to_numpy(picture, name="a thumbnail")
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape or array.dtype != np.uint8:
        raise InputError(
            f"A thumbnail must be an array [h, w, 3] of uint8 (red, green, blue); got {array.dtype} of shape "
            f"{array.shape}: convert the image, for instance with np.asarray(image.convert('RGB'))."
        )
    image = Image.fromarray(np.ascontiguousarray(array))
    factor = LONGEST_SIDE / max(image.size)
    if factor < 1:
        wide, tall = (max(1, round(factor * side)) for side in image.size)
        image = image.resize((wide, tall), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    # Colour at full resolution: a patch of the grid is only a few pixels wide.
    image.save(buffer, format="JPEG", quality=_QUALITY, subsampling=0, optimize=True)
    return np.frombuffer(buffer.getvalue(), dtype=np.uint8)


def decode_thumbnail(stored: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the picture, uint8 of shape ``[h, w, 3]``, from the bytes of :func:`encode_thumbnail`.

    Raises
    ------
    DumpError
        If the bytes are no picture, or one of far more pixels than are ever stored.
    """
    try:
        return decode_picture(stored.tobytes(), most_pixels=_MOST_PIXELS, formats=("JPEG", "PNG"))
    except InputError as error:
        raise DumpError(f"A stored thumbnail is no readable picture ({error}).") from error
