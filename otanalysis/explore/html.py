"""A state of the explorer as HTML, and as a matplotlib figure: no widgets, no kernel.

A :class:`Page` is all of it; its table is made of :class:`Row`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from otanalysis.distances import DISTANCES
from otanalysis.errors import OtAnalysisError
from otanalysis.explore.markup import STYLE, data_uri, glyph, missing, number, text
from otanalysis.explore.overlay import Backdrop, overlays
from otanalysis.explore.state import CURVE_RATIOS, Measurements, Reading, View
from otanalysis.explore.svg import Line, curve_svg, patches_svg
from otanalysis.figures.style import method_look
from otanalysis.transport import DistanceFloor

PENDING = "…"

_MEANINGS = {
    "energy_distance": "twice the mean distance of a token to a kept one, less those within both",
    "hausdorff_radius": "largest distance of a token to its nearest kept one",
    "projection_residual": "share of the second moment outside of the span of the kept tokens",
    "effective_rank": "how many directions the kept tokens fill, by the entropy of their singular values",
    "sliced_w2": "exact distance along one direction, over 64 of them",
}
"""What is shown when the name of a further distance is pointed at."""


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


def page_of(measured: Measurements, view: View, image: str | None = None) -> Page:
    """Return a state of the explorer; floor and curves only as far as they are measured.

    Parameters
    ----------
    measured : Measurements
    view : View
    image : str, optional
        The picture as an address, if it was made before (:func:`~otanalysis.explore.markup.data_uri`).
    """
    backdrop = measured.backdrop(view)
    shown = data_uri(backdrop) if image is None else image
    first, second = (patches_svg(backdrop, one, shown) for one in measured.readings(view))
    numbers, curve = numbers_of(measured, view)
    return Page(
        caption=_caption(measured, view, backdrop),
        pictures=(first, second),
        numbers=numbers,
        curve=curve,
        complete=_complete(measured, view),
    )


def alert_page(error: Exception) -> Page:
    """Return what is shown of a state that cannot be: why, and nothing of any other state."""
    words = str(error) if isinstance(error, OtAnalysisError) else f"{type(error).__name__}: {error}"
    alert = f'<div class="otx" role="alert">{text(words)}</div>'
    return Page(caption=alert, pictures=("", ""), numbers="", curve="", complete=True)


def still_figure(measured: Measurements, view: View) -> Figure:
    """Return both kept sets side by side with their distances, as a figure for a paper."""
    readings = measured.readings(view)
    known_to_fail = measured.floor_error(view) is not None
    floor = "not available" if known_to_fail else number(measured.floor(view).distance)
    chosen = {one.selection.method: one.selection for one in readings}
    notes = {
        one.selection.method: f"$W_2$ = {number(one.transport.distance)}, floor {floor}" for one in readings
    }
    backdrop = measured.backdrop(view)
    return overlays(backdrop.pixels, chosen, grid=backdrop.grid, notes=notes)


def _complete(measured: Measurements, view: View) -> bool:
    floor = measured.known_floor(view) or measured.floor_error(view)
    return floor is not None and all(
        len(measured.known_curve(view, name)) == len(CURVE_RATIOS)
        or measured.curve_error(view, name) is not None
        for name in view.methods
    )


def _caption(measured: Measurements, view: View, backdrop: Backdrop) -> str:
    sample = measured.sample(view)
    known = "; ".join(
        f"{text(name)}: {text(value)}" for name, value in sample.extra.items() if isinstance(value, str)
    )
    drawn = "" if backdrop.is_image else "colours: principal components of the tokens"
    rest = " · ".join(part for part in (known, drawn) if part)
    behind = f' <span class="faint">{rest}</span>' if rest else ""
    return f'<div class="otx" style="margin-bottom:8px"><b>{text(sample.id)}</b>{behind}</div>'


def numbers_of(measured: Measurements, view: View) -> tuple[str, str]:
    """Return the table (HTML) and the curve (SVG) of a state, as far as they are measured."""
    readings, floor = measured.readings(view), measured.known_floor(view)
    lines = [
        Line(
            name,
            measured.known_curve(view, name),
            (view.ratio, one.transport.distance),
            measured.curve_error(view, name),
        )
        for name, one in zip(view.methods, readings, strict=True)
    ]
    numbers = numbers_html(readings, floor, measured.floor_error(view))
    return numbers, curve_svg(lines, None if floor is None else floor.distance)


def numbers_html(
    readings: Sequence[Reading], floor: DistanceFloor | None, error: Exception | None = None
) -> str:
    """Return the table; the better of two numbers is bold.

    Parameters
    ----------
    readings, floor, error
        As for :func:`rows_of`.
    """
    heads = "".join(
        f'<th scope="col"><svg viewBox="0 0 12 12" aria-hidden="true">{glyph(one.selection.method)}</svg>'
        f"{text(method_look(one.selection.method).label)}</th>"
        for one in readings
    )
    lines = "".join(_line(row) for row in rows_of(readings, floor, error))
    kept = readings[0].selection
    return (
        f'<div class="otx"><table><thead><tr><th scope="col">{kept.keep} of {kept.m} kept</th>{heads}'
        f"</tr></thead><tbody>{lines}</tbody></table></div>"
    )


@dataclass(frozen=True)
class Row:
    """One quantity of the table.

    Attributes
    ----------
    name : str
    meaning : str
        What is shown when its name is pointed at.
    values : tuple of float or None
        One a method; None while it is being computed.
    best : int or None
        Index of the better one, None if none is.
    suffix : str
        Behind each number.
    instead : str
        Words in place of the numbers, none if there are numbers or will be.
    """

    name: str
    meaning: str
    values: tuple[float | None, ...]
    best: int | None
    suffix: str = ""
    instead: str = ""


def rows_of(
    readings: Sequence[Reading], floor: DistanceFloor | None, error: Exception | None = None
) -> list[Row]:
    """Return the quantities of several kept sets of one size.

    Parameters
    ----------
    readings : sequence of Reading
    floor : DistanceFloor or None
        For their number of tokens; None while it is being computed, or if that failed.
    error : Exception, optional
        Why there is no floor.
    """
    squared = tuple(one.transport.squared_distance for one in readings)
    errors = tuple(one.quantisation_error for one in readings)
    surrogates = tuple(one.surrogate for one in readings)
    of_the_paper = tuple(one.paper_surrogate for one in readings)
    bound = None if floor is None else floor.squared_distance
    over = tuple(value / bound if bound else None for value in squared)
    return [
        Row(
            "W₂",
            "exact 2-Wasserstein distance between all tokens and the kept ones, certified by its dual",
            tuple(one.transport.distance for one in readings),
            _best(squared, min),
        ),
        Row("W₂²", "its square", squared, _best(squared, min)),
        Row(
            "floor of W₂²",
            "certified: no kept set of this size is closer than this",
            tuple(bound for _ in readings),
            None,
            instead="" if error is None else missing(error),
        ),
        Row(
            "W₂² / floor",
            "at most so many times the best kept set",
            over,
            _best(squared, min),
            "×",
            "" if error is None else "–",
        ),
        Row(
            "quantisation",
            "mean squared distance to the nearest kept token; never larger than W₂²",
            errors,
            _best(errors, min),
        ),
        *(_further_row(name, tuple(one.further[name] for one in readings)) for name in readings[0].further),
        Row(
            "surrogate",
            "the log-determinant that OTPrune maximises, gamma as in the released code; in nats",
            surrogates,
            _best(surrogates, max),
        ),
        Row(
            "paper's",
            "that of the paper's equation 7, gamma as there, which otprune-paper maximises; in nats",
            of_the_paper,
            _best(of_the_paper, max),
        ),
    ]


def _further_row(name: str, values: tuple[float, ...]) -> Row:
    distance = DISTANCES[name]
    best = _best(values, max if distance.higher_is_closer else min)
    return Row(distance.label, f"{_MEANINGS[name]}; {distance.closer}", values, best)


def _line(row: Row) -> str:
    cells = [f'<td colspan="{len(row.values)}" class="why">{row.instead}</td>'] if row.instead else []
    for place, value in enumerate(() if row.instead else row.values):
        words = PENDING if value is None else f"{number(value)}{row.suffix}"
        cells.append(f"<td><b>{words}</b></td>" if place == row.best else f"<td>{words}</td>")
    return f'<tr><th scope="row" title="{text(row.meaning)}">{row.name}</th>{"".join(cells)}</tr>'


def _best(values: tuple[float, ...], better: Callable[[tuple[float, ...]], float]) -> int | None:
    return None if len(set(values)) == 1 else values.index(better(values))
