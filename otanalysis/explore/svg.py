"""The picture of one kept set as SVG: hovering over a kept patch shows the patches that it stands for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from secrets import token_hex

import numpy as np

from otanalysis.explore.markup import glyph, text
from otanalysis.explore.overlay import DIMMED_BLACK, DIMMING
from otanalysis.explore.picture import Floats, Grid, Scene
from otanalysis.explore.state import Reading
from otanalysis.figures.style import method_look

__all__ = ["patches_svg"]

WIDTH = 300.0
"""Of the picture, in units of the drawing (pixels where there is room)."""

_WORDS = 40.0  # height of the two lines below the picture
_LEAST = 1e-3  # of a token's mass: a plan in floating point leaves crumbs
_MARK = "#FFC233"
_DIM = (
    " ".join(f"{row[0]:.5f} {row[1]:.5f} {row[2]:.5f} 0 {DIMMED_BLACK:.5f}" for row in DIMMING) + " 0 0 0 1 0"
)
# Names within a page must differ, also from those of other kernels' outputs on it.
_names = (f"otx{token_hex(3)}-{number}-" for number in count())


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


def patches_svg(scene: Scene, reading: Reading, image: str) -> str:
    """Return a picture of the kept patches, each with the patches whose mass it takes.

    Needs neither scripts nor a kernel: what a kept patch stands for is in the drawing, and style rules
    (:data:`~otanalysis.explore.markup.STYLE`) show it while the patch is pointed at or has the focus (after a
    click, or by Tab).

    Parameters
    ----------
    scene : Scene
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
    rows, columns = scene.grid
    canvas = _Canvas(scene.grid, WIDTH / columns, next(_names))
    name, size = canvas.name, f'width="{WIDTH:g}" height="{canvas.tall:g}"'
    look = method_look(reading.selection.method)
    kept = [int(one) for one in reading.selection.indices]
    words = f"{len(kept)} of {rows * columns} patches kept; point at one, or click it"
    smooth = "auto" if scene.is_image else "pixelated"
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


def _groups(canvas: _Canvas, reading: Reading) -> Iterator[str]:
    """Yield one group a kept patch: its border, and what is shown while it is pointed at."""
    plan, (u, v) = reading.transport.plan, reading.transport.potentials
    m, k = plan.shape
    # Where mass flows, the potentials add up to the cost (complementary slackness).
    costs = np.sum(plan * (u[:, None] + v[None, :]), axis=0)
    whole = float(costs.sum()) or 1.0
    for number, position in enumerate(map(int, reading.transport.indices)):
        row, column = divmod(position, canvas.grid[1])
        shares = m * plan[:, number]
        lines = (
            f"row {row + 1}, column {column + 1}: takes the mass of {m / k:.3g} patches",
            f"from {_how_many(shares)}; {costs[number] / whole:.1%} of W₂²",
        )
        square = canvas.squares([position])
        yield (
            f'<g class="k" tabindex="0" role="img" aria-label="{text(" ".join(lines))}"><g class="on">'
            f"{_served(canvas, shares, position, number)}"
            f"{canvas.words(lines[0], 0)}{canvas.words(lines[1], 1)}</g>"
            f'<path class="edge" d="{square}" fill="none" stroke="#1a1a1a" stroke-width="2"/>'
            f'<path class="edge" d="{square}" fill="transparent" stroke="#fff" stroke-width="0.9"/></g>'
        )


def _how_many(shares: Floats) -> str:
    whole = int((shares > 1 - _LEAST).sum())
    part = int((shares > _LEAST).sum()) - whole
    last = part or whole
    return f"{whole} whole{f' and {part} shared' * (part > 0)} patch{'es' * (last != 1)}"


def _served(canvas: _Canvas, shares: Floats, position: int, number: int) -> str:
    """Return the patches that a kept one takes mass from, as bright as their share, with lines to it."""
    name, clip = canvas.name, f"{canvas.name}c{number}"
    served = [int(one) for one in np.flatnonzero(shares > _LEAST)]
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
