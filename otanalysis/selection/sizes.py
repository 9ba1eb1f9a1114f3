"""Lengths of tokens and distances between them, of whatever size the tokens are."""

from __future__ import annotations

import math

import numpy as np
from array_api_compat import array_namespace

from otanalysis.arrays import Array, FloatArray, like
from otanalysis.errors import InputError
from otanalysis.image import Image, rescaled

_LARGEST = float(np.finfo(np.float64).max)
_ORDINARY = 100
"""Within these powers of two products of tokens lose nothing, see :attr:`otanalysis.image.Image.exponent`."""


def distances_between(image: Image) -> Array:
    r"""Return the Euclidean distances :math:`\lVert v_i - v_j \rVert` [m, m], in the unit of the tokens.

    They are measured on the host, where those of duplicates are exactly zero, and are of the library and on
    the device of the tokens.

    Raises
    ------
    InputError
        If they are so large that sums of them would overflow.
    """
    distances = rescaled(np.sqrt(image.unit_distances), image.exponent)
    if distances.max() > _LARGEST / len(image) ** 2:
        raise InputError("The tokens are too large for sums of distances in float64: rescale them first.")
    return like(distances, image.tokens)


def lengths(image: Image) -> FloatArray:
    r"""Return the Euclidean lengths :math:`\lVert v_i \rVert` [m], on the host.

    Raises
    ------
    InputError
        If one overflows.
    """
    largest = np.abs(image.host).max(axis=1)
    # Each token by its own largest entry: a small token keeps its digits beside a huge one.
    shapes = image.host / np.where(largest > 0.0, largest, 1.0)[:, None]
    with np.errstate(over="ignore"):
        found = largest * np.sqrt(np.sum(shapes * shapes, axis=1))
    if not np.isfinite(found).all():
        raise InputError("The tokens are too large for lengths in float64: rescale them first.")
    return np.asarray(found)


def ordinary_size(image: Image) -> Image:
    """Return the image divided by a power of two where products of tokens would overflow or vanish.

    Nothing else changes: neither an angle nor a ratio of lengths. Tokens of ordinary size stay themselves.
    """
    xp = array_namespace(image.tokens)
    exponent = math.frexp(float(xp.max(xp.abs(image.tokens))))[1]
    if abs(exponent) <= _ORDINARY:
        return image
    return Image.of_checked(like(np.ldexp(image.host, -exponent), image.tokens))
