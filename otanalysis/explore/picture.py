"""The picture behind a token grid: the image itself, or the tokens coloured by their principal components."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from otanalysis.arrays import Array, check_indices, check_tokens, to_numpy
from otanalysis.errors import InputError
from otanalysis.selection import Selection
from otanalysis.tokens import Sample

__all__ = ["Grid", "Scene", "Source", "kept_positions", "pca_rgb", "scene_of"]

Grid: TypeAlias = tuple[int, int]
"""``(rows, columns)`` of patches."""

Source: TypeAlias = Sample | Array
"""A sample of a dump, a picture [h, w, 3], or tokens [m, d]."""

Floats: TypeAlias = npt.NDArray[np.float64]

# Quantiles that become the ends of the colour scale: a few outlying tokens must not grey out all others.
_ENDS = (0.02, 0.98)
# Where the components go in Oklab (Ottosson, 2020): the first to lightness, which every colour vision sees,
# the other two to the green-red and blue-yellow axes.
_LOWEST = np.array([0.32, -0.13, -0.13])
_HIGHEST = np.array([0.92, 0.13, 0.13])
_OKLAB_TO_LMS = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_LMS_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


@dataclass(frozen=True, eq=False)
class Scene:
    """What is drawn behind the patches.

    Attributes
    ----------
    pixels : ndarray [h, w, 3]
        Red, green and blue in ``[0, 1]``.
    grid : tuple of int
        ``(rows, columns)`` of patches.
    is_image : bool
        False where the pixels are the tokens' principal components.
    """

    pixels: Floats
    grid: Grid
    is_image: bool


def pca_rgb(tokens: Array, grid: Grid | None = None) -> Floats:
    r"""Colour a token grid by its first three principal components.

    The first becomes lightness, the next two become the green-red and the blue-yellow axis of Oklab. Each is
    scaled between its 2nd and 98th percentile; its sign is the one with positive skewness, so that what is
    rare is light. Equal tokens have equal colours, whatever their place.

    Parameters
    ----------
    tokens : array [m, d]
        All tokens of one image, row by row of the grid.
    grid : tuple of int, optional
        ``(rows, columns)`` with ``rows * columns = m``; a square one if left out.

    Returns
    -------
    ndarray [rows, columns, 3]
        Red, green and blue in ``[0, 1]``.

    Raises
    ------
    InputError
        If the tokens are not a finite matrix or do not fill the grid.

    Examples
    --------
    >>> import numpy as np
    >>> pca_rgb(np.random.default_rng(0).standard_normal((12, 5)), (3, 4)).shape
    (3, 4, 3)
    """
    cloud = np.asarray(to_numpy(check_tokens(tokens)), dtype=np.float64)
    rows, columns = _grid_of(len(cloud), grid)
    scores = np.zeros((len(cloud), 3))
    centred = cloud - cloud.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    # Components of rounding alone would be stretched to full colour.
    real = sizes[:3] > 1e-9 * max(float(np.abs(cloud).max()), np.finfo(np.float64).tiny)
    count = int(real.sum())
    scores[:, :count] = left[:, :count]
    scores *= np.where(np.sum(scores**3, axis=0) < 0, -1.0, 1.0)
    low, high = np.quantile(scores, _ENDS, axis=0)
    spread = np.where(high > low, high - low, 1.0)
    share = np.where(high > low, np.clip((scores - low) / spread, 0.0, 1.0), 0.5)
    return _oklab_to_srgb(_LOWEST + share * (_HIGHEST - _LOWEST)).reshape(rows, columns, 3)


def scene_of(source: Source, *, grid: Grid | None = None, picture: Array | None = None) -> Scene:
    """Return the picture and the grid of a sample, of tokens, or of a picture.

    Parameters
    ----------
    source : Sample, array [h, w, 3] or array [m, d]
        What is to be drawn on. A sample brings its thumbnail, if it has one; tokens are drawn by
        :func:`pca_rgb`.
    grid : tuple of int, optional
        ``(rows, columns)``; needed with a picture, else the sample's, or a square one.
    picture : array [h, w, 3], optional
        The image, where ``source`` does not bring it.

    Raises
    ------
    InputError
        If there is no grid, or the tokens do not fill it.
    """
    if isinstance(source, Sample):
        shown = source.thumbnail if picture is None else picture
        return scene_of(source.tokens, grid=grid or source.grid, picture=shown)
    array = to_numpy(source)
    if array.ndim == 3:
        if grid is None:
            raise InputError(
                "A picture alone does not say how it is cut into patches: pass grid=(rows, columns)."
            )
        return Scene(_pixels(array), _checked(grid), is_image=True)
    resolved = _grid_of(len(array), grid)
    if picture is None:
        return Scene(pca_rgb(array, resolved), resolved, is_image=False)
    return Scene(_pixels(to_numpy(picture)), resolved, is_image=True)


def kept_positions(indices: Selection | Array, grid: Grid) -> npt.NDArray[np.int64]:
    """Return the positions [k] of kept patches as given, or raise InputError if one is off the grid."""
    return check_indices(indices.indices if isinstance(indices, Selection) else indices, grid[0] * grid[1])


def _grid_of(m: int, grid: Grid | None) -> Grid:
    side = isqrt(m)
    if grid is None and side * side != m:
        raise InputError(f"{m} tokens fill no square: pass grid=(rows, columns).")
    rows, columns = (side, side) if grid is None else _checked(grid)
    if rows * columns != m:
        raise InputError(
            f"The grid {rows} x {columns} has {rows * columns} patches, but there are {m} tokens: pass the "
            "grid of these tokens, or leave out those that are no patches (newline or class tokens)."
        )
    return rows, columns


def _checked(grid: Any) -> Grid:
    rows, columns = (int(side) for side in grid)
    if rows < 1 or columns < 1:
        raise InputError(f"grid must be (rows, columns), both at least 1; got {grid!r}.")
    return rows, columns


def _pixels(picture: npt.NDArray[Any]) -> Floats:
    """Return a picture as floats in [0, 1]: bytes are divided by 255, floats must lie there already."""
    if picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        raise InputError(f"picture must be [h, w, 3] (red, green, blue); got shape {picture.shape}.")
    if picture.dtype == np.uint8:
        return picture / 255.0
    if picture.dtype.kind != "f" or not (picture.min() >= 0.0 and picture.max() <= 1.0):
        raise InputError(f"picture must hold bytes, or floats in [0, 1]; got {picture.dtype}.")
    return picture.astype(np.float64)


def _oklab_to_srgb(oklab: Floats) -> Floats:
    linear = np.clip((oklab @ _OKLAB_TO_LMS.T) ** 3 @ _LMS_TO_RGB.T, 0.0, 1.0)
    curved = 1.055 * linear ** (1 / 2.4) - 0.055
    return np.asarray(np.where(linear <= 0.0031308, 12.92 * linear, curved))
