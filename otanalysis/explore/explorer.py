"""The explorer: a panel of widgets around the answers of :mod:`~otanalysis.explore.state`."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from os import PathLike
from threading import Lock
from typing import Any

from matplotlib.figure import Figure

from otanalysis.errors import OtAnalysisError
from otanalysis.explore.background import Background
from otanalysis.explore.controls import LIVE, build_controls, build_panel, build_parts, values_of, view_of
from otanalysis.explore.html import Page, numbers_of, page_of, still_figure
from otanalysis.explore.markup import data_uri, text
from otanalysis.explore.state import Bench, View, other_process
from otanalysis.figures.style import figure_bytes
from otanalysis.selection import Selector
from otanalysis.tokens import Dump, open_dump

__all__ = ["Explorer"]

# Seconds of rest before the curve, and then before the floor: while a slider moves neither begins.
_PAUSE, _LONG_PAUSE = 0.25, 0.75
_LOOK = 0.05  # seconds between looks at whether the other process has the floor
# The picture for readers without widgets is hidden where the panel itself is drawn for the same cell, whose
# outputs are in one box in JupyterLab and in VS Code; a notebook that is opened again has the picture only.
_STILL_STYLE = (
    f"<style>:is(.jp-OutputArea, .cell_container):has(.{LIVE}) .otx-still {{ display: none; }}</style>"
)


class Explorer:
    """Look at what two methods keep of an image, and at what it is worth.

    The last line of a notebook cell shows it. Above are the controls: image, two methods, share of the tokens
    kept, gamma and normalisation of OTPrune's kernel, normalisation before the distances. Below are the image
    twice, kept patches lit (pointing at one, or clicking it, shows the patches whose mass it takes), the
    numbers, and the distance over the share. Certified floor and curve follow a moment later.

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
        self._bench = Bench(dump if isinstance(dump, Dump) else open_dump(dump), selectors)
        self._view = self._bench.checked(View(), **state)
        self._image = (-1, "")
        self._lock = Lock()
        self._background = Background()
        first = self._page(self._view)
        self.controls: Mapping[str, Any] = build_controls(self._bench, self._view)
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
        view = self._bench.checked(self._view, **state)
        self._listen(False)
        for name, value in values_of(view).items():
            self.controls[name].value = value
        self._listen(True)
        self._go(view)

    def wait(self) -> None:
        """Return when floor and curve of the current state are shown; raise why one of them is missing."""
        self._background.wait()

    def figure(self) -> Figure:
        """Return the state as a figure for a paper."""
        return still_figure(self._bench, self._view)

    def html(self) -> str:
        """Return the state as HTML that needs neither widgets nor scripts, floor and curve included."""
        with suppress(Exception):  # the page says why floor or curve is missing
            self.wait()
        return self._page(self._view).html()

    def __repr__(self) -> str:
        """Name the dump and the state."""
        return f"Explorer({str(self._bench.dump.path)!r}): {self._view}"

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
        picture = figure_bytes(self.figure(), "png")
        return {"text/html": page, "image/png": b64encode(picture).decode()}

    def _listen(self, on: bool) -> None:
        for control in self.controls.values():
            (control.observe if on else control.unobserve)(self._changed, names="value")

    def _changed(self, _: Any) -> None:
        values = {name: control.value for name, control in self.controls.items()}
        self._go(view_of(values))

    def _go(self, view: View) -> None:
        """Show what is known of a view at once, and the rest when it is there."""
        try:
            page = self._page(view)
        except OtAnalysisError as error:
            with self._lock:
                self._view = view
                self.parts["caption"].value = f'<div class="otx" role="alert">{text(error)}</div>'
            return
        with self._lock:
            self._view = view
            self._show(page)
        if not page.complete:
            self._background.ask(lambda: self._follow_up(view))

    def _page(self, view: View) -> Page:
        if self._image[0] != view.sample:
            self._image = (view.sample, data_uri(self._bench.scene(view)))
        return page_of(self._bench, view, self._image[1])

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
            with suppress(Exception):  # which the bench remembers
                for _ in self._bench.curve(view, name):
                    yield 0.0
        self._show_numbers(view)
        yield _LONG_PAUSE
        for _ in self._bench.floor_apart(view):
            yield _LOOK
        self._show_numbers(view)
        for error in self._bench.errors(view):
            raise error

    def _show_numbers(self, view: View) -> None:
        numbers, curve = numbers_of(self._bench, view)
        with self._lock:
            if self._view == view:
                self.parts["numbers"].value, self.parts["curve"].value = numbers, curve
