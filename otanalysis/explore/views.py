"""What a model kept of a picture, drawn on it: a panel for each grid that it lays over the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from otanalysis.arrays import Array, to_numpy
from otanalysis.errors import InputError
from otanalysis.explore.overlay import outline, show_pixels
from otanalysis.explore.picture import scene_of
from otanalysis.figures.style import TEXT_WIDTH, paper_style
from otanalysis.vlm.layout import Layer

__all__ = ["overlay_layers"]

_TALLEST = 4.0  # inches
_GAP, _HEAD = 0.12, 0.22


def overlay_layers(
    picture: NDArray[np.uint8], layers: Sequence[Layer], kept: Array, *, title: str = ""
) -> Figure:
    """Draw a picture with its kept patches lit, once for each of a model's grids over it.

    Parameters
    ----------
    picture : ndarray [h, w, 3], uint8
        The picture.
    layers : sequence of Layer
        As :func:`otanalysis.vlm.layout.layers_of` puts them together.
    kept : array [keep]
        Numbers of the kept patches over all views.
    title : str
        Words above the first panel.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        There is no layer: nothing is known of where the patches lie.
    """
    if not layers:
        raise InputError(
            "Where the patches of this model lie in the picture is not known; nothing to draw on."
        )
    crops = [_crop(picture, layer) for layer in layers]
    shapes = [crop.shape[1] / crop.shape[0] for crop in crops]
    tall = min(_TALLEST, (TEXT_WIDTH - _GAP * (len(layers) - 1)) / sum(shapes), 3.2)
    width, height = tall * sum(shapes) + _GAP * (len(layers) - 1), tall + _HEAD
    lit = np.asarray(to_numpy(kept))
    with paper_style():
        figure = Figure(figsize=(width, height))
        left = 0.0
        for number, (layer, crop, shape) in enumerate(zip(layers, crops, shapes, strict=True)):
            panel = figure.add_axes((left / width, 0.0, tall * shape / width, tall / height))
            left += tall * shape + _GAP
            cells = np.flatnonzero(np.isin(np.asarray(layer.patches), lit))
            scene = scene_of(crop, grid=layer.grid)
            show_pixels(panel, scene, lit=cells)
            panel.set_aspect("auto")
            outline(panel, cells, layer.grid)
            words = f"{len(cells)} of {len(layer.patches)} patches kept"
            panel.set_title(f"{title}: {words}" if title and number == 0 else words, loc="left")
    return figure


def _crop(picture: NDArray[np.uint8], layer: Layer) -> NDArray[np.uint8]:
    """Return the part of the picture that a layer shows; black where a processor pads."""
    height, width = picture.shape[:2]
    left, top, right, bottom = layer.box
    columns = np.arange(round(left * width), round(right * width))
    rows = np.arange(round(top * height), round(bottom * height))
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))[None]
    pixels = picture[np.ix_(rows.clip(0, height - 1), columns.clip(0, width - 1))]
    shown: NDArray[np.uint8] = np.where(inside[..., None], pixels, 0).astype(np.uint8)
    return shown
