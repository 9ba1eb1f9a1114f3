"""Figure O: which methods keep the scene's objects, and what that does to the score."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
from matplotlib.figure import Figure

from otanalysis.figures.captions import listed, two_decimals
from otanalysis.figures.declaration import Declaration, Given, every_method
from otanalysis.figures.layout import INTERVAL, Sheet, error_lengths, per_cent, require_columns
from otanalysis.figures.style import TEXT_WIDTH, method_look, paper_style
from otanalysis.stats.objects_table import objects_table
from otanalysis.stats.statistics import spearman_rho

_COLUMNS: Final = ("method", "quantity", *INTERVAL, "ratio", "n")
_PANELS: Final = {
    "score": "mean score",
    "kept_on_objects": "kept tokens on objects",
    "length_ratio": "squared length, over all tokens'",
    "w2": r"$W_2$",
}
_COMPARED: Final = {
    "length_ratio": "the squared length",
    "w2": "W2",
    "quantisation_error": "the quantisation error",
}
LEFT, TOP, GAP, ROW = 1.15, 0.08, 0.14, 0.16


def draw_objects(table: pd.DataFrame) -> Figure:
    """Draw score, share on objects, length and distance of every method's kept tokens.

    Parameters
    ----------
    table : DataFrame
        From :func:`otanalysis.stats.objects_table.objects_table`.

    Returns
    -------
    Figure
        A row a method, the best score first; 95 % bootstraps over images. Dashed: what a set that is drawn
        uniformly has on average.

    Raises
    ------
    InputError
        If the table lacks a column.

    Examples
    --------
    >>> row = {"method": "dpp", "value": 0.5, "low": 0.4, "high": 0.6, "ratio": 0.1, "n": 8}
    >>> names = ("score", "kept_on_objects", "length_ratio", "w2", "object_share")
    >>> made = pd.DataFrame([row | {"quantity": name} for name in names])
    >>> draw_objects(made).axes[1].get_xlabel()
    'kept tokens on objects'
    """
    require_columns(table, _COLUMNS, "Figure O")
    by = {str(name): rows.set_index("method") for name, rows in table.groupby("quantity")}
    methods = [str(name) for name in by["score"]["value"].sort_values(ascending=False).index]
    share = float(by["object_share"]["value"].iloc[0])
    width = (TEXT_WIDTH - LEFT - 0.1 - (len(_PANELS) - 1) * GAP) / len(_PANELS)
    with paper_style():
        sheet = Sheet.of_height(TOP + ROW * len(methods) + 0.36)
        for number, (name, words) in enumerate(_PANELS.items()):
            panel = sheet.panel(LEFT + number * (width + GAP), TOP, width, ROW * len(methods))
            own = by[name].loc[methods]
            bars = error_lengths(own)
            for place, (method, value) in enumerate(own["value"].items()):
                look = method_look(str(method))
                bar: dict[str, Any] = {"xerr": bars[:, [place]], "ms": 3.6, "mew": 0, "elinewidth": 0.8}
                panel.errorbar(value, place, color=look.colour, marker=look.marker, **bar)
            if (usual := {"kept_on_objects": share, "length_ratio": 1.0}.get(name)) is not None:
                panel.axvline(usual, color="0.4", ls=(0, (4, 2)), lw=0.8, zorder=0)
            panel.set(ylim=(len(methods) - 0.5, -0.5), xlabel=words)
            labels = [method_look(method).label for method in methods]
            panel.set_yticks(range(len(methods)), labels if number == 0 else [])
            panel.tick_params(axis="y", length=0)
            panel.grid(True, axis="x")
        return sheet.figure


def caption_objects(table: pd.DataFrame) -> str:
    """Write the caption of Figure O, drawn by :func:`draw_objects`.

    Returns
    -------
    str
        Markdown.
    """
    wide = table.pivot(index="method", columns="quantity", values="value")
    share, kept = float(wide["object_share"].iloc[0]), wide["kept_on_objects"].sort_values()
    ends = [
        f"{method_look(str(name)).label} ({per_cent(round(kept[name], 3))})" for name in kept.index[[0, -1]]
    ]
    return (
        f"**{FIGURE.title}** {per_cent(float(table['ratio'].iloc[0]))} of the tokens kept "
        f"and renumbered, means over {int(table['n'].max())} images (the score: over all questions); 95% "
        f"bootstraps. Of all tokens {per_cent(round(share, 3))} are on objects (dashed); a set that matches "
        "all tokens keeps as much. A length above 1 says that the kept tokens are longer than all.\n\n"
        f"**Verdict.** The share kept on objects goes from {' to '.join(ends)}. {_with_the_score(wide)}"
    )


def _with_the_score(wide: pd.DataFrame) -> str:
    """Say what goes with the score over the methods that have one."""
    scored = wide[wide["score"].notna()]
    if len(scored) < 3:
        return "Too few methods have a score to say what goes with it."
    rho = {
        name: two_decimals(float(spearman_rho(scored[name], scored["score"])))
        for name in ("kept_on_objects", *_COMPARED)
    }
    others = [f"{rho[name]} of {words}" for name, words in _COMPARED.items()]
    return (
        f"Over {len(scored)} methods its Spearman correlation with the score is {rho['kept_on_objects']}, "
        f"against {listed(others)}; this says what goes together, not why."
    )


def _table(given: Given) -> pd.DataFrame:
    return objects_table(given.rows, given.scores, ratio=given.ratio, normalise=given.normalise)


FIGURE = Declaration(
    title="Figure O. Who keeps the objects?",
    file="objects",
    needs="sweep",
    table=_table,
    draw=draw_objects,
    caption=lambda tables: caption_objects(tables["objects"]),
    scores=every_method,
    of_objects=True,
)
