"""The numbers of the explorer as an HTML table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from otanalysis.explore.markup import glyph, missing, number, text
from otanalysis.explore.state import Reading
from otanalysis.figures.style import method_look
from otanalysis.transport import DistanceFloor

__all__ = ["Row", "numbers_html", "rows_of"]

PENDING = "…"


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
        Row(
            "surrogate",
            "the log-determinant that OTPrune maximises, in nats",
            surrogates,
            _best(surrogates, max),
        ),
    ]


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


def _line(row: Row) -> str:
    cells = [f'<td colspan="{len(row.values)}" class="why">{row.instead}</td>'] if row.instead else []
    for place, value in enumerate(() if row.instead else row.values):
        words = PENDING if value is None else f"{number(value)}{row.suffix}"
        cells.append(f"<td><b>{words}</b></td>" if place == row.best else f"<td>{words}</td>")
    return f'<tr><th scope="row" title="{text(row.meaning)}">{row.name}</th>{"".join(cells)}</tr>'


def _best(values: tuple[float, ...], better: Callable[[tuple[float, ...]], float]) -> int | None:
    return None if len(set(values)) == 1 else values.index(better(values))
