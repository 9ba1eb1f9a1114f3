"""Names written beside the points that they belong to, where there is room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

__all__ = ["PointLabel", "label_points"]

_NEAR, _FAR, _CLEAR = 4.0, 4.0, 3.2  # points: beside a marker, above or below it, and half of a marker
_PLACES = (
    ((_NEAR, 0.0), "left", "center"),
    ((-_NEAR, 0.0), "right", "center"),
    ((0.0, _FAR), "center", "bottom"),
    ((0.0, -_FAR), "center", "top"),
    ((_NEAR, _FAR), "left", "bottom"),
    ((_NEAR, -_FAR), "left", "top"),
    ((-_NEAR, _FAR), "right", "bottom"),
    ((-_NEAR, -_FAR), "right", "top"),
)


@dataclass(frozen=True)
class PointLabel:
    """What is written at a point of a panel, in the units of its axes."""

    words: str
    x: float
    y: float
    colour: str


def label_points(panel: Axes, labels: Sequence[PointLabel], *, size: float = 7.0) -> list[str]:
    """Write each label at the first place around its point where nothing is hidden and no point is nearer.

    Parameters
    ----------
    panel : Axes
        With its final limits: labels stay within.
    labels : sequence of PointLabel
        All points of the panel; the first are served first.
    size : float
        Of the letters, in points.

    Returns
    -------
    list of str
        Labels that found no place and were left out: a legend has to name them.
    """
    figure = panel.get_figure(root=True)
    if figure is None:
        return [one.words for one in labels]
    clear = _CLEAR * figure.dpi / 72.0
    panel.autoscale_view()  # limits are lazy, and the places hang on them
    centres = panel.transData.transform([(one.x, one.y) for one in labels])
    taken = [Bbox.from_extents(x - clear, y - clear, x + clear, y + clear) for x, y in centres]
    room = panel.get_window_extent()
    left_out = []
    for number, label in enumerate(labels):
        for offset, across, along in _PLACES:
            text = panel.annotate(
                label.words,
                (label.x, label.y),
                offset,
                textcoords="offset points",
                ha=across,
                va=along,
                fontsize=size,
                color=label.colour,
            )
            box = text.get_window_extent()
            inside = room.x0 <= box.x0 and box.x1 <= room.x1 and room.y0 <= box.y0 and box.y1 <= room.y1
            nearest = int(np.argmin([_gap(box, centre) for centre in centres]))
            if inside and nearest == number and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()
        else:
            left_out.append(label.words)
    return left_out


def _gap(box: Bbox, centre: NDArray[np.float64]) -> float:
    """Return the distance of a point outside of a box from the box."""
    x, y = centre
    return float(np.hypot(max(box.x0 - x, x - box.x1, 0.0), max(box.y0 - y, y - box.y1, 0.0)))
