"""Names written beside the points that they belong to, where there is room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

__all__ = ["PointLabel", "label_points"]

# Points: beside a marker, above or below it, half of a marker, half of an error bar.
_NEAR, _FAR, _CLEAR, _BAR = 4.0, 4.0, 3.2, 0.5
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
    """What is written at a point of a panel, in the units of its axes.

    Attributes
    ----------
    words, colour : str
    x, y : float
        The point.
    across, along : tuple of float, optional
        Ends of its error bars, horizontal and vertical.
    """

    words: str
    x: float
    y: float
    colour: str
    across: tuple[float, float] | None = None
    along: tuple[float, float] | None = None


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
    panel.autoscale_view()  # limits are lazy, and the places hang on them
    centres = panel.transData.transform([(one.x, one.y) for one in labels])
    taken = [box for one in labels for box in _drawn(panel, one, figure.dpi / 72.0)]
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


def _drawn(panel: Axes, label: PointLabel, point: float) -> list[Bbox]:
    """Return the boxes of a marker and of its error bars, in pixels; ``point`` is the size of a point."""
    spans = [(label.x, label.x, label.y, label.y, _CLEAR)]
    if label.across is not None and np.isfinite(label.across).all():
        spans.append((*label.across, label.y, label.y, _BAR))
    if label.along is not None and np.isfinite(label.along).all():
        spans.append((label.x, label.x, *label.along, _BAR))
    boxes = []
    for left, right, low, high, around in spans:
        (x0, y0), (x1, y1) = panel.transData.transform([(left, low), (right, high)])
        reach = around * point
        boxes.append(Bbox.from_extents(x0 - reach, y0 - reach, x1 + reach, y1 + reach))
    return boxes


def _gap(box: Bbox, centre: NDArray[np.float64]) -> float:
    """Return the distance of a point outside of a box from the box."""
    x, y = centre
    return float(np.hypot(max(box.x0 - x, x - box.x1, 0.0), max(box.y0 - y, y - box.y1, 0.0)))
