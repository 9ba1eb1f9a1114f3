"""One look for every figure: a colour and a marker per method, type for a two-column paper, embedded fonts.

Colours of the methods that figures compare by default are from Okabe and Ito (2008) and Tol (2021), those
of the others were searched for in the gaps. All pairs stay apart with full, red-blind and green-blind vision
(tested); every method has its own marker as well, a star or polygon where the named ones end. The type is
STIX, which comes with matplotlib (so figures are equal on every machine) and matches Times.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import matplotlib as mpl
from matplotlib.figure import Figure

TEXT_WIDTH = 6.875
"""Width of a two-column page of a paper, in inches."""

PNG_DPI = 200

_TICKS = {"labelsize": 7.0, "color": "0.2", "major.width": 0.5, "major.size": 2.0, "major.pad": 1.5} | {
    "minor.width": 0.4,
    "minor.size": 1.2,
}
_RC: dict[Any, Any] = {
    "font.family": "STIXGeneral",
    "text.hinting": "none",
    "mathtext.fontset": "stix",
    "font.size": 8.0,
    "axes.titlesize": 8.0,
    "axes.titlepad": 3.0,
    "axes.labelsize": 8.0,
    "axes.labelpad": 2.0,
    "axes.linewidth": 0.5,
    "axes.edgecolor": "0.3",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    **{f"{axis}tick.{name}": value for axis in "xy" for name, value in _TICKS.items()},
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "legend.handletextpad": 0.4,
    "legend.columnspacing": 1.4,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.6,
    "grid.linewidth": 0.4,
    "grid.color": "0.9",
    "hatch.linewidth": 0.5,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
}


Marker: TypeAlias = str | tuple[int, Literal[0, 1, 2], int]
"""A name of matplotlib's, or the corners of a regular polygon (0) or star (1) and its turn in degrees."""


@dataclass(frozen=True)
class MethodLook:
    """How a method is named and drawn, in every figure."""

    label: str
    colour: str
    marker: Marker

    @property
    def mark(self) -> dict[str, Any]:
        """Arguments with which ``plot`` sets its marker, and no line."""
        return {"marker": self.marker, "color": self.colour, "linestyle": "none"}


_LOOKS = {
    "otprune": MethodLook("OTPrune", "#D55E00", "o"),
    "otprune-paper": MethodLook("OTPrune, paper's γ", "#AA55EE", "H"),
    "divprune": MethodLook("DivPrune", "#0072B2", "s"),
    "dpp": MethodLook("DPP", "#56B4E9", "D"),
    "random": MethodLook("Random", "#AAAAAA", "X"),
    "uniform": MethodLook("Uniform", "#000000", "P"),
    "first": MethodLook("First-K", "#882255", "<"),
    "last": MethodLook("Last-K", "#332288", ">"),
    "kmedoids": MethodLook("k-medoids", "#009E73", "^"),
    "ot-medoids": MethodLook("OT-medoids", "#F0A800", "v"),
    "max-sum": MethodLook("Max-sum", "#33DDFF", (4, 1, 0)),
    "dart": MethodLook("DART", "#3388FF", (3, 1, 0)),
    "norm": MethodLook("Longest", "#882200", (6, 1, 0)),
    "pivoted-qr": MethodLook("Pivoted QR", "#CC8833", (5, 0, 180)),
    "leverage": MethodLook("Leverage", "#EECC44", (3, 1, 180)),
    "pca-residual": MethodLook("PCA residual", "#DDCC99", (8, 1, 0)),
    "grid-random": MethodLook("Grid random", "#221155", (4, 1, 45)),
    "facility-location": MethodLook("Facility location", "#88DDCC", (7, 0, 0)),
    "fps": MethodLook("Farthest point", "#AABB66", (5, 1, 180)),
    "herding": MethodLook("Herding", "#BB3333", (12, 1, 0)),
}

_SPARE = (("#DDCC77", "h"), ("#44AA99", "p"), ("#CC79A7", "d"), ("#999933", "8"), ("#AA4499", "*"))


def method_look(method: str) -> MethodLook:
    """Return the look of a method; one that the package does not know gets a spare look by its name.

    Parameters
    ----------
    method : str
        Name as in the tables, such as ``"otprune"``.

    Examples
    --------
    >>> method_look("otprune").label
    'OTPrune'
    """
    known = _LOOKS.get(method)
    if known is not None:
        return known
    colour, marker = _SPARE[sum(method.encode()) % len(_SPARE)]
    return MethodLook(method, colour, marker)


def shades(colours: Sequence[str], count: int) -> list[str]:
    """Return so many colours on the way through the given ones, from light to dark; few are dark ones."""
    import seaborn as sns  # here, since it loads pyplot

    return list(sns.blend_palette(colours, max(count, 3)).as_hex()[-count:])


@contextmanager
def paper_style() -> Iterator[None]:
    """Apply the style inside a ``with`` block and restore matplotlib's settings behind it.

    >>> with paper_style():
    ...     mpl.rcParams["axes.grid"]
    False
    """
    with mpl.rc_context(_RC):
        yield


def use_paper_style() -> None:
    """Apply the style to all that is drawn from now on: for the first cell of a notebook."""
    mpl.rcParams.update(_RC)


def figure_bytes(figure: Figure, kind: str) -> bytes:
    """Render a figure; the same figure gives the same bytes, since no date is written into the file.

    Parameters
    ----------
    figure : Figure
        What a ``draw_figureN`` returned.
    kind : {"pdf", "png"}
        File format.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> figure_bytes(Figure(), "png")[1:4]
    b'PNG'
    """
    metadata = {"CreationDate": None} if kind == "pdf" else {"Software": None}
    buffer = io.BytesIO()
    with paper_style():
        figure.savefig(buffer, format=kind, dpi=PNG_DPI, metadata=metadata)
    return buffer.getvalue()
