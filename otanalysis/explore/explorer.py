"""The explorer: a panel of widgets that shows what :mod:`~otanalysis.explore.state` measures of a view.

:class:`Explorer` connects the two and shows floor and curve when they are there; the functions behind it
build the widgets.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from os import PathLike
from threading import Lock
from types import ModuleType
from typing import Any

from matplotlib.figure import Figure

from otanalysis.errors import MissingDependencyError
from otanalysis.explore.html import Page, alert_page, numbers_of, page_of, still_figure
from otanalysis.explore.markup import STYLE, data_uri
from otanalysis.explore.state import GAMMAS, LARGEST_RATIO, SMALLEST_RATIO, Measurements, View, other_process
from otanalysis.explore.worker import Background
from otanalysis.figures.style import figure_bytes, method_look
from otanalysis.selection import Selector
from otanalysis.tokens import Dump, open_dump

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

# The picture for readers without widgets is hidden where the panel itself is drawn for the same cell, whose
# outputs are in one box in JupyterLab and in VS Code; a notebook that is opened again has the picture only.
_STILL_STYLE = (
    f"<style>:is(.jp-OutputArea, .cell_container):has(.{LIVE}) .otx-still {{ display: none; }}</style>"
)

_NORMALISED = (("raw", "none"), ("columns", "columns"), ("rows", "rows"))

# Seconds of rest before the curve, and then before the floor: while a slider moves neither begins.
_PAUSE, _LONG_PAUSE = 0.25, 0.75
_LOOK = 0.05  # seconds between looks at whether the other process has the floor


class Explorer:
    """Look at what two methods keep of an image, and at what it is worth.

    The last line of a notebook cell shows it. Above are the controls: image, two methods, share of the tokens
    kept, gamma (in the unit of each method) and normalisation of OTPrune's kernel, normalisation before the
    distances. Below are the image twice, kept patches lit (pointing at one, or clicking it, shows the patches
    whose mass it takes), the numbers, and the distance over the share. Certified floor and curve follow a
    moment later.

    Parameters
    ----------
    dump : Dump or path
        A finished dump.
    selectors : sequence of Selector
        Selectors of one's own, beside those of the package.
    **state
        Where to begin: fields of :class:`~otanalysis.explore.state.View`, such as ``sample=3``,
        ``methods=("dpp", "random")`` or ``ratio=0.2``.

    Raises
    ------
    MissingDependencyError
        If ipywidgets is not installed.
    InputError
        If the state names an unknown method or is out of range.
    """

    def __init__(
        self, dump: Dump | str | PathLike[str], *, selectors: Sequence[Selector] = (), **state: Any
    ) -> None:
        self._measured = Measurements(dump if isinstance(dump, Dump) else open_dump(dump), selectors)
        self._view = self._measured.checked(View(), **state)
        self._image = (-1, "")
        self._lock = Lock()
        self._background = Background()
        first = self._page(self._view)
        self.controls: Mapping[str, Any] = build_controls(self._measured, self._view)
        self.parts: Mapping[str, Any] = build_parts()
        self.panel = build_panel(self.controls, self.parts)
        self._show(first)
        self._listen(True)
        self._background.ask(lambda: self._follow_up(self._view))

    @property
    def view(self) -> View:
        """What is being looked at."""
        return self._view

    def move(self, **state: Any) -> None:
        """Look at something else: the same fields as when it was made; the controls follow.

        Raises
        ------
        InputError
            As for the class.
        """
        view = self._measured.checked(self._view, **state)
        self._listen(False)
        for name, value in values_of(view).items():
            self.controls[name].value = value
        self._listen(True)
        self._go(view)

    def wait(self) -> None:
        """Return when floor and curve of the current state are shown; raise why one is missing, or all is."""
        self._background.wait()

    def figure(self) -> Figure:
        """Return the state as a figure for a paper."""
        return still_figure(self._measured, self._view)

    def html(self) -> str:
        """Return the state as HTML that needs neither widgets nor scripts, floor and curve included."""
        with suppress(Exception):  # the page says why floor or curve is missing
            self.wait()
        return self._page_or_alert(self._view)[0].html()

    def __repr__(self) -> str:
        """Name the dump and the state."""
        return f"Explorer({str(self._measured.dump.path)!r}): {self._view}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """Return the panel, and for readers without widgets the state as picture and words."""
        return {**self.panel._repr_mimebundle_(), **self._still(), "text/plain": repr(self)}

    def _ipython_display_(self) -> None:
        """Show the panel; behind it, for pages made from the notebook, the state as it is now."""
        from IPython.display import publish_display_data

        # A page with the state of the widgets takes the panel from a bundle and leaves the picture; without a
        # network it would show nothing. As an output of its own the picture stays.
        publish: Any = publish_display_data
        publish({**self.panel._repr_mimebundle_(), "text/plain": repr(self)})
        publish({**self._still(), "text/plain": ""})

    def _still(self) -> dict[str, Any]:
        page = f'{_STILL_STYLE}<div class="otx-still">{self.html()}</div>'
        still = {"text/html": page}
        with suppress(Exception):  # the page says why there is no picture
            still["image/png"] = b64encode(figure_bytes(self.figure(), "png")).decode()
        return still

    def _listen(self, on: bool) -> None:
        for control in self.controls.values():
            (control.observe if on else control.unobserve)(self._changed, names="value")

    def _changed(self, _: Any) -> None:
        values = {name: control.value for name, control in self.controls.items()}
        self._go(view_of(values))

    def _go(self, view: View) -> None:
        """Show what is known of a view at once, and the rest when it is there."""
        page, error = self._page_or_alert(view)
        with self._lock:
            self._view = view
            self._show(page)
        if error is not None:
            self._background.ask(lambda: _failing(error))
        elif not page.complete:
            self._background.ask(lambda: self._follow_up(view))

    def _page_or_alert(self, view: View) -> tuple[Page, Exception | None]:
        """Return the page of a view; or, where it cannot be, one that says why, and the error."""
        try:
            return self._page(view), None
        except Exception as error:  # a selector of one's own may raise anything
            return alert_page(error), error

    def _page(self, view: View) -> Page:
        if self._image[0] != view.sample:
            self._image = (view.sample, data_uri(self._measured.backdrop(view)))
        return page_of(self._measured, view, self._image[1])

    def _show(self, page: Page) -> None:
        contents = {
            "caption": page.caption,
            "first": page.pictures[0],
            "second": page.pictures[1],
            "numbers": page.numbers,
            "curve": page.curve,
        }
        for name, content in contents.items():
            self.parts[name].value = content

    def _follow_up(self, view: View) -> Iterator[float]:
        """Compute curve and floor step by step, and show each, or why it is missing; then raise why."""
        other_process()  # begins to load what the floor needs
        yield _PAUSE
        for name in view.methods:
            with suppress(Exception):  # which is remembered
                for _ in self._measured.curve(view, name):
                    yield 0.0
        self._show_numbers(view)
        yield _LONG_PAUSE
        for _ in self._measured.floor_apart(view):
            yield _LOOK
        self._show_numbers(view)
        for error in self._measured.errors(view):
            raise error

    def _show_numbers(self, view: View) -> None:
        numbers, curve = numbers_of(self._measured, view)
        with self._lock:
            if self._view == view:
                self.parts["numbers"].value, self.parts["curve"].value = numbers, curve


def _failing(error: Exception) -> Iterator[float]:
    """Raise the error when it is asked for the first step: a work that :meth:`Explorer.wait` tells of."""
    yield from ()
    raise error


def build_controls(measured: Measurements, view: View) -> dict[str, Any]:
    """Return the controls by name, set to a view.

    Raises
    ------
    MissingDependencyError
        If ipywidgets is not installed.
    """
    widgets, values = _ipywidgets(), values_of(view)
    methods = [(method_look(name).label, name) for name in measured.methods]

    def control(kind: str, name: str, words: str, width: int = 310, **options: Any) -> Any:
        # What stands in the first columns is aligned; the pair in the last takes the room that it needs.
        before = "54px" if width == 310 else "auto"
        options |= {"layout": widgets.Layout(width=f"{width}px"), "style": {"description_width": before}}
        return getattr(widgets, kind)(value=values[name], description=words, **options)

    last = max(len(measured.dump) - 1, 0)
    shares: dict[str, Any] = {"min": SMALLEST_RATIO, "max": LARGEST_RATIO, "step": 0.002}
    powers: dict[str, Any] = {"min": GAMMAS[0], "max": GAMMAS[1], "step": 0.25, "readout_format": ".2g"}
    gamma = (
        "Of otprune and the surrogate as in the released code, of otprune-paper and its own as in the paper"
    )
    kernel = "Normalisation of the tokens in otprune and the surrogates; the released code's is by columns"
    distance = "Normalisation of the tokens before the distances"
    pair: dict[str, Any] = {"options": _NORMALISED, "width": 162}
    return {
        "sample": control("IntSlider", "sample", "image", min=0, max=last),
        "ratio": control("FloatSlider", "ratio", "kept", readout_format=".1%", **shares),
        "gamma": control("FloatLogSlider", "gamma", "gamma", base=10, tooltip=gamma, **powers),
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
