"""The widgets of the explorer: which there are, how they are laid out, and the view that their values say."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

from otanalysis.errors import MissingDependencyError
from otanalysis.explore.markup import STYLE
from otanalysis.explore.state import GAMMAS, LARGEST_RATIO, SMALLEST_RATIO, Bench, View
from otanalysis.figures.style import method_look

__all__ = ["LIVE", "build_controls", "build_panel", "build_parts", "values_of", "view_of"]

LIVE = "otx-live"
"""Class of the panel, wherever it is drawn."""

# VS Code draws widgets on a white box in the colours of JupyterLab's light theme, whatever its own theme is;
# with these rules the panel follows the theme. It has a background of its own, so that its words can be read
# if another version keeps the box. The arrow of a list is a picture; its grey is seen on dark and on light.
_IN_VSCODE = f"""<style>
.cell-output-ipywidget-background:has(.{LIVE}) {{ background: transparent !important; }}
body[data-vscode-theme-kind] .{LIVE} {{
  --otx-fg: var(--vscode-editor-foreground); --otx-bg: var(--vscode-editor-background);
  --otx-between: color-mix(in srgb, var(--otx-fg) 40%, var(--otx-bg));
  --jp-widgets-label-color: var(--otx-fg); --jp-widgets-readout-color: var(--otx-fg);
  --jp-widgets-input-color: var(--otx-fg); --jp-widgets-input-background-color: var(--otx-bg);
  --jp-widgets-input-border-color: var(--otx-between); --jp-layout-color3: var(--otx-between);
  --jp-widgets-dropdown-arrow: url("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' \
viewBox='0 0 18 18'%3E%3Cpath fill='%23888' d='M5.2 5.9L9 9.7l3.8-3.8 1.2 1.2-5 5-5-5z'/%3E%3C/svg%3E");
  background: var(--otx-bg); }}
</style>"""

_NORMALISED = (("raw", "none"), ("columns", "columns"), ("rows", "rows"))


def build_controls(bench: Bench, view: View) -> dict[str, Any]:
    """Return the controls by name, set to a view.

    Raises
    ------
    MissingDependencyError
        If ipywidgets is not installed.
    """
    widgets, values = _ipywidgets(), values_of(view)
    methods = [(method_look(name).label, name) for name in bench.methods]

    def control(kind: str, name: str, words: str, width: int = 310, **options: Any) -> Any:
        # What stands in the first columns is aligned; the pair in the last takes the room that it needs.
        before = "54px" if width == 310 else "auto"
        options |= {"layout": widgets.Layout(width=f"{width}px"), "style": {"description_width": before}}
        return getattr(widgets, kind)(value=values[name], description=words, **options)

    last = max(len(bench.dump) - 1, 0)
    shares: dict[str, Any] = {"min": SMALLEST_RATIO, "max": LARGEST_RATIO, "step": 0.002}
    powers: dict[str, Any] = {"min": GAMMAS[0], "max": GAMMAS[1], "step": 0.25, "readout_format": ".2g"}
    kernel = "Normalisation of the tokens in otprune and in its surrogate; the released code's is by columns"
    distance = "Normalisation of the tokens before the distances"
    pair: dict[str, Any] = {"options": _NORMALISED, "width": 162}
    return {
        "sample": control("IntSlider", "sample", "image", min=0, max=last),
        "ratio": control("FloatSlider", "ratio", "kept", readout_format=".1%", **shares),
        "gamma": control("FloatLogSlider", "gamma", "gamma", base=10, **powers),
        "first": control("Dropdown", "first", "left", options=methods),
        "second": control("Dropdown", "second", "right", options=methods),
        "kernel": control("Dropdown", "kernel", "surrogate", tooltip=kernel, **pair),
        "distance": control("Dropdown", "distance", "distance", tooltip=distance, **pair),
    }


def build_parts() -> dict[str, Any]:
    """Return the places of caption, pictures, numbers and curve, by name and empty."""
    widgets = _ipywidgets()
    wide = {"caption": "auto"}
    return {
        name: widgets.HTML(layout=widgets.Layout(width=wide.get(name, "310px"), height="auto", margin="0"))
        for name in ("caption", "first", "second", "numbers", "curve")
    }


def build_panel(controls: Mapping[str, Any], parts: Mapping[str, Any]) -> Any:
    """Lay out controls and parts; lines wrap where the page is narrow."""
    widgets = _ipywidgets()
    wrap = {"flex_flow": "row wrap", "align_items": "flex-start", "grid_gap": "0 20px"}
    above = [controls[name] for name in ("sample", "ratio", "gamma")]
    below = [controls["first"], controls["second"], widgets.HBox([controls["kernel"], controls["distance"]])]
    numbers = widgets.VBox([parts["numbers"], parts["curve"]], layout=widgets.Layout(overflow="hidden"))
    shown = [parts["first"], parts["second"], numbers]
    lines = [
        widgets.HTML(STYLE + _IN_VSCODE, layout=widgets.Layout(display="none")),
        widgets.HBox(above, layout=widgets.Layout(**wrap)),
        widgets.HBox(below, layout=widgets.Layout(**wrap)),
        parts["caption"],
        widgets.HBox(shown, layout=widgets.Layout(**{**wrap, "grid_gap": "22px"})),
    ]
    panel = widgets.VBox(lines)
    panel.add_class(LIVE)
    return panel


def values_of(view: View) -> dict[str, Any]:
    """Return the values of the controls at a view."""
    first, second = view.methods
    return {
        "sample": view.sample,
        "first": first,
        "second": second,
        "ratio": view.ratio,
        "gamma": view.gamma,
        "kernel": view.kernel_normalise,
        "distance": view.normalise,
    }


def view_of(values: Mapping[str, Any]) -> View:
    """Return the view that the values of the controls say."""
    return View(
        sample=values["sample"],
        methods=(values["first"], values["second"]),
        ratio=values["ratio"],
        gamma=values["gamma"],
        kernel_normalise=values["kernel"],
        normalise=values["distance"],
    )


def _ipywidgets() -> ModuleType:
    try:
        return import_module("ipywidgets")
    except ImportError as error:
        raise MissingDependencyError(
            "The explorer needs ipywidgets, which is not installed: pip install 'otanalysis[notebooks]'. "
            "overlay and plan_arrows draw without it."
        ) from error
