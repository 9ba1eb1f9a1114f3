"""What the explorer draws as SVG: a picture of one kept set, and the curve of the distance.

Hovering over a kept patch shows the patches that it stands for; the curve goes over the share of kept tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from math import ceil, floor, log10
from secrets import token_hex

import numpy as np

from otanalysis.arrays import FloatArray
from otanalysis.explore.arrows import LEAST_SHARE
from otanalysis.explore.markup import glyph, missing, number, text, theme_colour
from otanalysis.explore.overlay import DIMMED_BLACK, DIMMING, Backdrop, Grid
from otanalysis.explore.state import LARGEST_RATIO, Reading
from otanalysis.figures.style import method_look

WIDTH = 300.0
"""Of picture and curve, in units of the drawing (pixels where there is room)."""

_WORDS = 40.0  # height of the two lines below the picture
_MARK = "#FFC233"
_DIM = (
    " ".join(f"{row[0]:.5f} {row[1]:.5f} {row[2]:.5f} 0 {DIMMED_BLACK:.5f}" for row in DIMMING) + " 0 0 0 1 0"
)
# Names within a page must differ, also from those of other kernels' outputs on it.
_names = (f"otx{token_hex(3)}-{number}-" for number in count())

_HEIGHT = 176.0  # of the curve, whose margins follow
_LEFT, _RIGHT, _TOP, _BOTTOM = 32.0, 14.0, 24.0, 24.0
_TICKS = (0.0, 0.1, 0.2, 0.3, 0.4)


def patches_svg(backdrop: Backdrop, reading: Reading, image: str) -> str:
    """Return a picture of the kept patches, each with the patches whose mass it takes.

    Needs neither scripts nor a kernel: what a kept patch stands for is in the drawing, and style rules
    (:data:`~otanalysis.explore.markup.STYLE`) show it while the patch is pointed at or has the focus (after a
    click, or by Tab).

    Parameters
    ----------
    backdrop : Backdrop
        Picture and grid.
    reading : Reading
        The kept set with its plan.
    image : str
        The picture as an address, from :func:`~otanalysis.explore.markup.data_uri`.

    Returns
    -------
    str
        HTML with one SVG.
    """
    rows, columns = backdrop.grid
    canvas = _Canvas(backdrop.grid, WIDTH / columns, next(_names))
    name, size = canvas.name, f'width="{WIDTH:g}" height="{canvas.tall:g}"'
    look = method_look(reading.selection.method)
    kept = [int(one) for one in reading.selection.indices]
    words = f"{len(kept)} of {rows * columns} patches kept; point at one, or click it"
    smooth = "auto" if backdrop.is_image else "pixelated"
    parts = [
        f'<div class="otx"><h4><svg viewBox="0 0 12 12" aria-hidden="true">{glyph(reading.selection.method)}',
        f'</svg>{text(look.label)}</h4><svg viewBox="0 0 {WIDTH:g} {canvas.tall + _WORDS:g}" role="group" ',
        f'aria-label="{text(f"{look.label}: {words}")}">',
        f'<defs><filter id="{name}d" x="0" y="0" width="1" height="1" color-interpolation-filters="sRGB">',
        f'<feColorMatrix type="matrix" values="{_DIM}"/></filter>',
        f'<image id="{name}i" href="{image}" {size} preserveAspectRatio="none" ',
        f'style="image-rendering:{smooth}"/>',
        f'<clipPath id="{name}k"><path d="{canvas.squares(kept)}"/></clipPath></defs>',
        f'<use href="#{name}i" filter="url(#{name}d)"/>',
        f'<use href="#{name}i" clip-path="url(#{name}k)"/>',
        canvas.words(words, 0, "idle faint"),
        *_groups(canvas, reading),
        "</svg></div>",
    ]
    return "".join(parts)


@dataclass(frozen=True)
class _Canvas:
    """Where the patches of a picture lie: its grid, the side of a patch, and the prefix of its names."""

    grid: Grid
    side: float
    name: str

    @property
    def tall(self) -> float:
        return self.grid[0] * self.side

    def squares(self, positions: Iterable[int]) -> str:
        """Return the borders of these patches as the data of a path."""
        columns, side = self.grid[1], self.side
        size = f"h{side:.4g}v{side:.4g}h-{side:.4g}z"
        return "".join(f"M{one % columns * side:.4g} {one // columns * side:.4g}{size}" for one in positions)

    def centre(self, position: int) -> str:
        """Return the centre of a patch as coordinates of a path."""
        row, column = divmod(position, self.grid[1])
        return f"{(column + 0.5) * self.side:.1f} {(row + 0.5) * self.side:.1f}"

    def words(self, words: str, line: int, kind: str = "") -> str:
        """Return a line of text below the picture."""
        place = f'x="0" y="{self.tall + 15 + 17 * line:g}" font-size="12"'
        return f'<text class="{kind}" {place}>{text(words)}</text>'


def _groups(canvas: _Canvas, reading: Reading) -> Iterator[str]:
    """Yield one group a kept patch: its border, and what is shown while it is pointed at."""
    plan, (u, v) = reading.transport.plan, reading.transport.potentials
    m, k = plan.shape
    # Where mass flows, the potentials add up to the cost (complementary slackness).
    costs = np.sum(plan * (u[:, None] + v[None, :]), axis=0)
    whole = float(costs.sum()) or 1.0
    sizes = np.where(reading.transport.weights > 0.0, m * reading.transport.weights, np.inf)
    for place, position in enumerate(map(int, reading.transport.indices)):
        row, column = divmod(position, canvas.grid[1])
        shares = m * plan[:, place] / sizes
        lines = (
            f"row {row + 1}, column {column + 1}: takes the mass of {m / k:.3g} patches",
            f"from {_how_many(shares)}; {costs[place] / whole:.1%} of W₂²",
        )
        square = canvas.squares([position])
        yield (
            f'<g class="k" tabindex="0" role="img" aria-label="{text(" ".join(lines))}"><g class="on">'
            f"{_served(canvas, shares, position, place)}"
            f"{canvas.words(lines[0], 0)}{canvas.words(lines[1], 1)}</g>"
            f'<path class="edge" d="{square}" fill="none" stroke="#1a1a1a" stroke-width="2"/>'
            f'<path class="edge" d="{square}" fill="transparent" stroke="#fff" stroke-width="0.9"/></g>'
        )


def _how_many(shares: FloatArray) -> str:
    whole = int((shares > 1 - LEAST_SHARE).sum())
    part = int((shares > LEAST_SHARE).sum()) - whole
    last = part or whole
    return f"{whole} whole{f' and {part} shared' * (part > 0)} patch{'es' * (last != 1)}"


def _served(canvas: _Canvas, shares: FloatArray, position: int, number: int) -> str:
    """Return the patches that a kept one takes mass from, as bright as their share, with lines to it."""
    name, clip = canvas.name, f"{canvas.name}c{number}"
    served = [int(one) for one in np.flatnonzero(shares > LEAST_SHARE)]
    parts = [
        f'<clipPath id="{clip}"><path d="{canvas.squares([*served, position])}"/></clipPath>',
        f'<use href="#{name}i" filter="url(#{name}d)"/><use href="#{name}i" clip-path="url(#{clip})"/>',
    ]
    ways: dict[float, str] = {}
    for patch in served:
        if patch == position:
            continue
        share = round(float(shares[patch]), 2)
        if share < 1:
            veil = f'fill="#6b6b6b" opacity="{0.85 * (1 - share):.2f}"'
            parts.append(f'<path d="{canvas.squares([patch])}" {veil}/>')
        ways[share] = f"{ways.get(share, '')}M{canvas.centre(patch)}L{canvas.centre(position)}"
    for share, way in ways.items():
        wide = 0.6 + 1.6 * share
        parts.append(f'<path d="{way}" stroke="#1a1a1a" stroke-width="{wide + 1.2:.2f}" opacity=".6"/>')
        parts.append(f'<path d="{way}" stroke="{_MARK}" stroke-width="{wide:.2f}"/>')
    square = canvas.squares([position])
    parts.append(f'<path d="{square}" fill="none" stroke="#1a1a1a" stroke-width="4"/>')
    parts.append(f'<path d="{square}" fill="none" stroke="{_MARK}" stroke-width="2.2"/>')
    return "".join(parts)


@dataclass(frozen=True)
class Line:
    """One method of the curve.

    Attributes
    ----------
    method : str
    points : sequence of (float, float)
        Ratio and distance, as far as they are measured.
    here : tuple of (float, float)
        Where the explorer stands.
    error : Exception, optional
        Why the points are not all there.
    """

    method: str
    points: Sequence[tuple[float, float]]
    here: tuple[float, float]
    error: Exception | None = None


def curve_svg(lines: Sequence[Line], floor_here: float | None = None) -> str:
    """Return the exact distance over the share of kept tokens, and the floor at the current share.

    Parameters
    ----------
    lines : sequence of Line
        At least one.
    floor_here : float, optional
        Certified floor of the distance for the current number of kept tokens.
    """
    ratio = lines[0].here[0]
    highest = max(value for line in lines for _, value in (*line.points, line.here))
    step = _step(highest)
    top = step * max(1, ceil(highest / step - 1e-9))

    def x(share: float) -> float:
        return _LEFT + share / LARGEST_RATIO * (WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _TOP + (1 - value / top) * (_HEIGHT - _TOP - _BOTTOM)

    foot = _HEIGHT - _BOTTOM
    parts = [
        '<div class="otx">',
        f'<svg viewBox="0 0 {WIDTH:g} {_HEIGHT:g}" role="img" aria-label="{_spoken(lines)}">',
        *_axes(x_of=[(x(tick), f"{tick:.0%}") for tick in _TICKS], y_of=_y_ticks(step, top, y), foot=foot),
        f'<path d="M{x(ratio):.1f} {_TOP}V{foot}" stroke="var(--otx-faint)" stroke-dasharray="2 3"/>',
    ]
    if floor_here is not None:
        parts.append(_floor_mark(x(ratio), y(floor_here)))
    for line in lines:
        parts.append(_drawn(line, [(x(a), y(b)) for a, b in sorted({*line.points, line.here})]))
    parts += [_marker(line.method, x(ratio), y(line.here[1])) for line in lines]
    reasons = {
        line.method: f'<p class="why">{text(method_look(line.method).label)}: {missing(line.error)}</p>'
        for line in lines
        if line.error is not None
    }
    return "".join([*parts, "</svg>", *reasons.values(), "</div>"])


def _spoken(lines: Iterable[Line]) -> str:
    said = (f"{method_look(line.method).label} {number(line.here[1])}" for line in lines)
    return text(f"Exact distance over the share of kept tokens; here {', '.join(said)}.")


def _step(highest: float) -> float:
    """Return a round step of which two to four reach the highest value."""
    if highest <= 0:
        return 1.0
    raw = highest / 3
    power = 10.0 ** floor(log10(raw))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)


def _y_ticks(step: float, top: float, y: Callable[[float], float]) -> list[tuple[float, str]]:
    return [(y(step * count), f"{step * count:.3g}") for count in range(round(top / step) + 1)]


def _axes(x_of: Iterable[tuple[float, str]], y_of: Iterable[tuple[float, str]], foot: float) -> Iterable[str]:
    yield '<text x="0" y="11" font-size="12" class="faint">exact W₂ over the share of kept tokens</text>'
    for place, words in y_of:
        yield f'<path d="M{_LEFT} {place:.1f}H{WIDTH - _RIGHT}" stroke="var(--otx-line)"/>'
        yield (
            f'<text x="{_LEFT - 6}" y="{place + 4:.1f}" font-size="11" class="faint" '
            f'text-anchor="end">{words}</text>'
        )
    for place, words in x_of:
        yield (
            f'<text x="{place:.1f}" y="{foot + 16:.1f}" font-size="11" class="faint" '
            f'text-anchor="middle">{words}</text>'
        )


def _floor_mark(x: float, y: float) -> str:
    """Return a short bar with hatching below it: no kept set of this size lies there."""
    # Curves fall: on the left of the mark is room below them, unless it stands at the axis.
    beside, end = (x - 18, "end") if x > _LEFT + 50 else (x + 18, "start")
    hatches = "".join(f"M{x - 15 + 6 * number:.1f} {y + 5:.1f}l4 -5" for number in range(5))
    return (
        f'<path d="M{x - 14:.1f} {y:.1f}h28" stroke="var(--otx-fg)" stroke-width="1.6"/>'
        f'<path d="{hatches}" stroke="var(--otx-faint)"/>'
        f'<text x="{beside:.1f}" y="{y + 9:.1f}" font-size="11" class="faint" '
        f'text-anchor="{end}">floor</text>'
    )


def _drawn(line: Line, points: Sequence[tuple[float, float]]) -> str:
    way = "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
    return f'<path d="M{way}" fill="none" style="stroke:{theme_colour(line.method)}" stroke-width="1.8"/>'


def _marker(method: str, x: float, y: float) -> str:
    return (
        f'<g transform="translate({x - 6:.1f} {y - 6:.1f})" '
        f'style="stroke:var(--otx-bg);stroke-width:.8">{glyph(method)}</g>'
    )
