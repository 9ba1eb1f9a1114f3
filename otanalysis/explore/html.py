"""A state of the explorer as HTML, and as a matplotlib figure: no widgets, no kernel."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.figure import Figure

from otanalysis.explore.curve import Line, curve_svg
from otanalysis.explore.markup import STYLE, data_uri, number, text
from otanalysis.explore.overlay import overlays
from otanalysis.explore.picture import Scene
from otanalysis.explore.state import CURVE_RATIOS, Bench, View
from otanalysis.explore.svg import patches_svg
from otanalysis.explore.table import numbers_html

__all__ = ["Page", "numbers_of", "page_of", "still_figure"]


@dataclass(frozen=True)
class Page:
    """What the explorer shows of one state.

    Attributes
    ----------
    caption : str
        Sample, and what its dump says of it, as HTML.
    pictures : tuple of str
        One a method, HTML with SVG.
    numbers, curve : str
        HTML and SVG.
    complete : bool
        Whether floor and curves are among it, or why there are none.
    """

    caption: str
    pictures: tuple[str, str]
    numbers: str
    curve: str
    complete: bool

    def html(self) -> str:
        """Return all of it as one piece of HTML that needs no scripts."""
        cells = "".join(f"<div>{picture}</div>" for picture in self.pictures)
        return (
            f'{STYLE}<div class="otx">{self.caption}<div class="otx-page">{cells}'
            f"<div>{self.numbers}{self.curve}</div></div></div>"
        )


def page_of(bench: Bench, view: View, image: str | None = None) -> Page:
    """Return a state of the explorer; floor and curves only as far as the bench knows them.

    Parameters
    ----------
    bench : Bench
    view : View
    image : str, optional
        The picture as an address, if it was made before (:func:`~otanalysis.explore.markup.data_uri`).
    """
    scene = bench.scene(view)
    shown = data_uri(scene) if image is None else image
    first, second = (patches_svg(scene, one, shown) for one in bench.readings(view))
    numbers, curve = numbers_of(bench, view)
    return Page(
        caption=_caption(bench, view, scene),
        pictures=(first, second),
        numbers=numbers,
        curve=curve,
        complete=_complete(bench, view),
    )


def numbers_of(bench: Bench, view: View) -> tuple[str, str]:
    """Return the table (HTML) and the curve (SVG) of a state, as far as the bench knows them."""
    readings, floor = bench.readings(view), bench.known_floor(view)
    lines = [
        Line(
            name,
            bench.known_curve(view, name),
            (view.ratio, one.transport.distance),
            bench.curve_error(view, name),
        )
        for name, one in zip(view.methods, readings, strict=True)
    ]
    numbers = numbers_html(readings, floor, bench.floor_error(view))
    return numbers, curve_svg(lines, None if floor is None else floor.distance)


def still_figure(bench: Bench, view: View) -> Figure:
    """Return both kept sets side by side with their distances, as a figure for a paper."""
    readings = bench.readings(view)
    known_to_fail = bench.floor_error(view) is not None
    floor = "not available" if known_to_fail else number(bench.floor(view).distance)
    chosen = {one.selection.method: one.selection for one in readings}
    notes = {
        one.selection.method: f"$W_2$ = {number(one.transport.distance)}, floor {floor}" for one in readings
    }
    scene = bench.scene(view)
    return overlays(scene.pixels, chosen, grid=scene.grid, notes=notes)


def _complete(bench: Bench, view: View) -> bool:
    floor = bench.known_floor(view) or bench.floor_error(view)
    return floor is not None and all(
        len(bench.known_curve(view, name)) == len(CURVE_RATIOS) or bench.curve_error(view, name) is not None
        for name in view.methods
    )


def _caption(bench: Bench, view: View, scene: Scene) -> str:
    sample = bench.sample(view)
    known = "; ".join(
        f"{text(name)}: {text(value)}" for name, value in sample.extra.items() if isinstance(value, str)
    )
    drawn = "" if scene.is_image else "colours: principal components of the tokens"
    rest = " · ".join(part for part in (known, drawn) if part)
    behind = f' <span class="faint">{rest}</span>' if rest else ""
    return f'<div class="otx" style="margin-bottom:8px"><b>{text(sample.id)}</b>{behind}</div>'
