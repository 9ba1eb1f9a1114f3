"""Small helpers for HTML and SVG that are right on a light and on a dark page."""

from __future__ import annotations

import base64
import io
from html import escape
from textwrap import shorten

import numpy as np

from otanalysis.errors import OtAnalysisError
from otanalysis.explore.overlay import Backdrop
from otanalysis.figures.style import Marker, method_look

STYLE = """<style>
.otx { --otx-fg: var(--jp-ui-font-color1, var(--vscode-editor-foreground, #222));
  --otx-bg: var(--jp-layout-color1, var(--vscode-editor-background, #fff));
  --otx-faint: color-mix(in srgb, var(--otx-fg) 70%, transparent);
  --otx-line: color-mix(in srgb, var(--otx-fg) 22%, transparent);
  color: var(--otx-fg); font: 13px/1.35 var(--jp-ui-font-family, system-ui, sans-serif); }
body[data-vscode-theme-kind] .otx { --otx-fg: var(--vscode-editor-foreground);
  --otx-bg: var(--vscode-editor-background); font-family: var(--vscode-font-family); }
.otx svg { display: block; width: 100%; height: auto; overflow: visible; }
.otx svg text { fill: var(--otx-fg); font-family: inherit; }
.otx svg text.faint { fill: var(--otx-faint); }
.otx .faint { color: var(--otx-faint); }
.otx-page { display: flex; flex-wrap: wrap; gap: 14px 22px; align-items: flex-start; }
.otx-page > div { flex: 0 1 310px; min-width: 230px; max-width: 310px; }
.otx h4 { margin: 0 0 4px; font-size: 14px; font-weight: 600; }
.otx h4 svg, .otx th svg { display: inline-block; width: 11px; height: 11px; margin-right: 5px; }
.otx table { border-collapse: collapse; width: 100%; margin: 0 0 14px; font: inherit; color: inherit;
  font-variant-numeric: tabular-nums; }
.otx table th, .otx table td { padding: 3px 0 3px 8px; font-size: 12.5px; text-align: right;
  background: none; border: 0; border-bottom: 1px solid var(--otx-line); font-weight: 400;
  vertical-align: baseline; white-space: nowrap; }
.otx table thead, .otx table tr, .otx table tr:hover { background: none !important; }
.otx table th:first-child { text-align: left; padding-left: 0; }
.otx table thead th { font-weight: 600; }
.otx table b { font-weight: 700; }
.otx .why, .otx table td.why { white-space: normal; text-align: left; overflow-wrap: anywhere; }
.otx p.why { margin: 4px 0; font-size: 12.5px; }
.otx .k { cursor: pointer; outline: none; }
.otx .k .on { visibility: hidden; pointer-events: none; }
.otx .k:hover .on, .otx .k:focus .on { visibility: visible; }
.otx svg:has(.k:hover) .k:focus:not(:hover) .on { visibility: hidden; }
.otx svg:has(.k:hover, .k:focus) .k:not(:hover):not(:focus) .edge { opacity: 0; }
.otx svg:has(.k:hover, .k:focus) .idle { visibility: hidden; }
</style>"""
"""Rules of everything within the class ``otx``; colours follow JupyterLab, VS Code, or are dark on light.

VS Code comes first where it is there: its ipywidgets bring JupyterLab's colours along, always the light ones.
"""


def data_uri(backdrop: Backdrop) -> str:
    """Return the pixels of a picture as a ``data:`` address: JPEG for an image, PNG for a few patches."""
    from PIL import Image

    image = Image.fromarray(np.rint(backdrop.pixels * 255).astype(np.uint8))
    buffer = io.BytesIO()
    if backdrop.is_image:
        image.save(buffer, format="JPEG", quality=90, subsampling=0)
    else:
        image.save(buffer, format="PNG")
    kind = "jpeg" if backdrop.is_image else "png"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def text(words: object) -> str:
    """Return words as they may stand in HTML, also within an attribute."""
    return escape(str(words))


def missing(error: Exception) -> str:
    """Return as HTML that something is not there and why: the first words, and all of them to point at.

    Examples
    --------
    >>> missing(ValueError("no <k>"))
    '<span title="ValueError: no &lt;k&gt;">not available: ValueError: no &lt;k&gt;</span>'
    """
    words = str(error) if isinstance(error, OtAnalysisError) else f"{type(error).__name__}: {error}"
    return (
        f'<span title="{text(words)}">not available: {text(shorten(words, 100, placeholder=" ..."))}</span>'
    )


def number(value: float) -> str:
    """Write a number with three digits that count.

    Examples
    --------
    >>> number(0.61234), number(2.0), number(31.25), number(1234.5), number(0.00012345)
    ('0.612', '2.00', '31.2', '1234', '1.23e-04')
    """
    size = abs(value)
    if size >= 100:
        return f"{value:.0f}"
    if size >= 10:
        return f"{value:.1f}"
    if size >= 1:
        return f"{value:.2f}"
    return f"{value:.3f}" if size >= 0.01 or size == 0 else f"{value:.2e}"


def theme_colour(method: str) -> str:
    """Return a method's colour as CSS that stands out on a light and on a dark page."""
    colour = method_look(method).colour
    # Mixed with the colour of the words: darker on a light page, lighter on a dark one; black becomes it.
    share = 0 if colour == "#000000" else 78
    return f"color-mix(in oklab, {colour} {share}%, var(--otx-fg))"


_SHAPES: dict[Marker, str] = {
    "o": '<circle cx="6" cy="6" r="4.6"/>',
    "s": '<path d="M2 2h8v8h-8z"/>',
    "D": '<path d="M6 .8L11.2 6L6 11.2L.8 6z"/>',
    "d": '<path d="M6 .8L9.6 6L6 11.2L2.4 6z"/>',
    "X": '<path d="M1 3L3 1L6 4L9 1L11 3L8 6L11 9L9 11L6 8L3 11L1 9L4 6z"/>',
    "P": '<path d="M4.2 1h3.6v3.2H11v3.6H7.8V11H4.2V7.8H1V4.2h3.2z"/>',
    "<": '<path d="M1 6L10.4 .8V11.2z"/>',
    ">": '<path d="M11 6L1.6 .8V11.2z"/>',
    "^": '<path d="M6 1L11.2 10.4H.8z"/>',
    "v": '<path d="M6 11L11.2 1.6H.8z"/>',
}


def glyph(method: str) -> str:
    """Return the marker of a method, in its colour, as shapes in a box of 12 x 12."""
    shape = _SHAPES.get(method_look(method).marker, _SHAPES["o"])
    return f'<g style="fill:{theme_colour(method)}">{shape}</g>'
