"""The explorer's pages in what VS Code draws around an output, as far as their rules depend on it.

What stands for it was read off VS Code 1.139 (code-server) with its Jupyter 2026.6: every cell
has a ``cell_container``, widgets have a white box, and ipywidgets bring JupyterLab's light colours along.
"""

from __future__ import annotations

from typing import Any

import pytest

from otanalysis.explore import Explorer
from otanalysis.mini.bundled import write_bundled_dumps

pytestmark = pytest.mark.browser

DARK = "rgb(31, 31, 31)"
PAGE = """<style>:root {{ --jp-ui-font-color1: rgba(0, 0, 0, .8); --jp-layout-color1: white;
  --vscode-editor-foreground: rgb(204, 204, 204); --vscode-editor-background: rgb(31, 31, 31); }}
body {{ background: var(--vscode-editor-background); }}
.cell-output-ipywidget-background {{ background: white !important; }}</style>
<body data-vscode-theme-kind="vscode-dark"><div class="cell_container">
<div class="output_container"><div class="output cell-output-ipywidget-background">{panel}</div></div>
<div class="output_container"><div class="output">{still}</div></div></div></body>"""


@pytest.fixture(scope="module")
def still() -> str:
    """Return what the explorer leaves in a notebook."""
    explorer = Explorer(write_bundled_dumps(progress=False)[0], sample=1)
    return str(explorer._repr_mimebundle_()["text/html"])


@pytest.fixture(scope="module")
def style() -> str:
    """Return the rules that come with the panel."""
    explorer = Explorer(write_bundled_dumps(progress=False)[0], sample=1)
    return str(explorer.panel.children[0].value)


def test_a_notebook_opened_again_shows_the_picture_in_the_colours_of_the_theme(
    browser: Any, still: str
) -> None:
    page = browser.new_page()
    page.set_content(PAGE.format(panel="no widgets", still=still))
    assert page.locator(".otx-still").is_visible()
    assert page.locator(".otx-still td").first.evaluate("one => getComputedStyle(one).color") == (
        "rgb(204, 204, 204)"
    )
    page.close()


def test_beside_the_panel_the_picture_is_hidden_and_the_box_is_dark(
    browser: Any, still: str, style: str
) -> None:
    page = browser.new_page()
    panel = f'<div class="otx-live">{style}</div>'
    page.set_content(PAGE.format(panel=panel, still=still))
    assert page.locator(".otx-still").is_hidden()
    colour = "one => getComputedStyle(one).backgroundColor"
    assert page.locator(".otx-live").evaluate(colour) == DARK
    assert page.locator(".cell-output-ipywidget-background").evaluate(colour) == "rgba(0, 0, 0, 0)"
    page.close()
