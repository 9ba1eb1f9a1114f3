"""The distance over the ratio, for the two methods of the explorer, as SVG."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from otanalysis.explore.markup import glyph, missing, number, text, theme_colour
from otanalysis.explore.state import LARGEST_RATIO
from otanalysis.figures.style import method_look

__all__ = ["Line", "curve_svg"]

_WIDTH, _HEIGHT = 300.0, 176.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 32.0, 14.0, 24.0, 24.0
_TICKS = (0.0, 0.1, 0.2, 0.3, 0.4)


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
        return _LEFT + share / LARGEST_RATIO * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _TOP + (1 - value / top) * (_HEIGHT - _TOP - _BOTTOM)

    foot = _HEIGHT - _BOTTOM
    parts = [
        '<div class="otx">',
        f'<svg viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="img" aria-label="{_spoken(lines)}">',
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
        yield f'<path d="M{_LEFT} {place:.1f}H{_WIDTH - _RIGHT}" stroke="var(--otx-line)"/>'
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
