"""In a real browser: notebooks run to their end, the explorer answers, nothing is cut off or unreadable."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest

from otanalysis.mini.bundled import write_bundled_dumps

from .conftest import ROOT, Lab

pytestmark = pytest.mark.browser

THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
PATIENCE = 60_000  # milliseconds, for a cold kernel on a busy machine
CONTRAST = 4.5  # of words against what is behind them, as WCAG 2 wants it (AA)


def open_notebook(browser: Any, lab: Lab, name: str, theme: str) -> Any:
    """Open a notebook in a theme and return its page once page and kernel have found each other."""
    lab.set_theme(THEMES[theme])
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.set_default_timeout(PATIENCE)
    page.goto(lab.address(name))
    page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status="idle"]')
    # The page calls a kernel idle before it listens to it; what is run then is lost.
    lab.wait_for_kernel(name, PATIENCE / 1000)
    return page


def run_all(page: Any) -> None:
    """Run all cells and wait until each has its number."""
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator('li[data-command="runmenu:run-all"]').click()
    page.wait_for_function(
        """() => {
            const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')];
            return prompts.length && prompts.every(one => /^\\[\\d+\\]:$/.test(one.textContent.trim()));
        }"""
    )


def errors(page: Any) -> list[str]:
    """Return the words of tracebacks and warnings on the page."""
    kinds = ("application/vnd.jupyter.error", "application/vnd.jupyter.stderr")
    found = page.locator(", ".join(f'[data-mime-type="{kind}"]' for kind in kinds))
    return [text for text in found.all_inner_texts() if text.strip()]


def write_notebook(path: Path, *cells: str) -> None:
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, path)


@pytest.fixture(scope="module")
def explorer_notebook(lab: Lab) -> str:
    dump = write_bundled_dumps(progress=False)[0]
    write_notebook(
        lab.folder / "explorer.ipynb",
        "from otanalysis.explore import Explorer",
        f"Explorer({str(dump)!r}, sample=1)",
    )
    return "explorer.ipynb"


@pytest.fixture(scope="module")
def failing_notebook(lab: Lab) -> str:
    """Return a notebook whose explorer gets no floor, and one of its two curves."""
    dump = write_bundled_dumps(progress=False)[0]
    write_notebook(
        lab.folder / "failing.ipynb",
        "from functools import partial\n"
        "import numpy as np\n"
        "from otanalysis.selection import build_selection\n"
        "from otanalysis.explore import Explorer, state\n"
        "state.wasserstein2_floor = partial(state.wasserstein2_floor, effort=-1.0)\n"
        "class Few:\n"
        "    name, nested, stochastic = 'few', False, False\n"
        "    def __call__(self, tokens, keep, *, generator=None, cost=None):\n"
        "        if keep > 100:\n"
        "            raise ValueError(f'{keep} tokens were to be kept, but this method keeps 100 at most')\n"
        "        return build_selection(self, tokens, np.arange(keep))",
        f"Explorer({str(dump)!r}, selectors=[Few()], methods=('few', 'dpp'), sample=1)",
    )
    return "failing.ipynb"


def first_number(page: Any) -> str:
    return page.locator(".otx-live table tbody tr").first.locator("td").first.inner_text()


def lit(page: Any) -> str:
    """Return the borders of the patches that the left picture lights."""
    return page.locator('.otx-live clipPath[id$="k"] path').first.get_attribute("d")


def too_wide(page: Any) -> list[str]:
    """Return what of the explorer sticks out of its box or of the page."""
    return page.evaluate(
        """() => {
            const panel = document.querySelector('.otx-live');
            const right = panel.closest('.jp-OutputArea').getBoundingClientRect().right;
            return [...panel.querySelectorAll('*')]
                .filter(one => !one.closest('.on, defs, .noUi-base') && one.getClientRects().length)
                .filter(one => {
                    const box = (one.ownerSVGElement ?? one.parentElement).getBoundingClientRect();
                    const cut = one.matches('text, table, select, label, svg')
                        && one.getBoundingClientRect().right > box.right + 1;
                    const clipped = one.matches('div, select, label, td, th')
                        && one.scrollWidth > one.clientWidth + 2 && one.clientWidth > 0;
                    return cut || clipped || one.getBoundingClientRect().right > right + 1;
                })
                .map(one => `${one.tagName}.${one.className} ${one.textContent.slice(0, 40)}`);
        }"""
    )


def contrasts(page: Any) -> dict[str, float]:
    """Return the contrast of every piece of text of the explorer against the page behind it."""
    return page.evaluate(
        """() => {
            const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
            const rgb = (colour, below) => {
                canvas.fillStyle = `rgb(${below.join(',')})`; canvas.fillRect(0, 0, 1, 1);
                canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
                return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
            };
            const light = colour => {
                const [r, g, b] = colour.map(v => v / 255)
                    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const behind = one => {
                const boxes = [];
                for (let at = one; at; at = at.parentElement)
                    boxes.unshift(getComputedStyle(at).backgroundColor);
                return boxes.reduce((below, colour) => rgb(colour, below), [255, 255, 255]);
            };
            const found = {};
            const kinds = 'text, td, th, h4, b, span, label, p';
            for (const one of document.querySelectorAll(`.otx-live :is(${kinds})`)) {
                if (!one.textContent.trim() || one.closest('.on')) continue;
                const style = getComputedStyle(one), below = behind(one);
                const own = light(rgb(one.tagName == 'text' ? style.fill : style.color, below));
                const [high, low] = [own, light(below)].sort((a, b) => b - a);
                found[one.textContent.trim().slice(0, 40)] = (high + 0.05) / (low + 0.05);
            }
            return found;
        }"""
    )


@pytest.mark.parametrize("theme", THEMES)
def test_the_explorer_answers(
    browser: Any, lab: Lab, shots: Path, explorer_notebook: str, theme: str
) -> None:
    page = open_notebook(browser, lab, explorer_notebook, theme)
    run_all(page)
    page.wait_for_selector(".otx-live svg .k")
    page.wait_for_function("() => !document.querySelector('.otx-live table').textContent.includes('…')")
    assert errors(page) == []
    assert page.locator(".otx-still").is_hidden(), "the picture for readers without widgets is shown twice"

    before, patches = first_number(page), lit(page)
    page.locator(".otx-live").screenshot(path=shots / f"explorer-{theme}.png")
    handle = page.locator('.otx-live .widget-slider:has(label:text-is("kept")) .noUi-handle')
    handle.focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("old => document.querySelector('.otx-live td').textContent != old", arg=before)
    assert first_number(page) != before
    assert lit(page) != patches
    assert lit(page).count("M") > patches.count("M"), "a larger share lights no more patches"
    assert errors(page) == []

    page.wait_for_function("() => !document.querySelector('.otx-live table').textContent.includes('…')")
    assert too_wide(page) == []
    weak = {words: value for words, value in contrasts(page).items() if value < CONTRAST}
    assert weak == {}

    kept = page.locator(".otx-live .k").nth(12)
    assert kept.locator(".on").is_hidden()
    kept.locator(".edge").last.hover()
    assert kept.locator(".on text").first.is_visible()
    assert re.fullmatch(r"row \d+, column \d+: .*patches", kept.locator(".on text").first.text_content())
    page.locator(".otx-live").screenshot(path=shots / f"explorer-{theme}-hover.png")
    kept.locator(".edge").last.click()
    page.mouse.move(5, 5)
    assert kept.locator(".on text").first.is_visible(), "a clicked patch does not stay"
    page.close()


@pytest.mark.parametrize("theme", THEMES)
def test_what_is_missing_is_said_legibly(
    browser: Any, lab: Lab, shots: Path, failing_notebook: str, theme: str
) -> None:
    page = open_notebook(browser, lab, failing_notebook, theme)
    run_all(page)
    page.wait_for_selector(".otx-live td.why")
    assert errors(page) == []
    assert (
        page.locator(".otx-live td.why")
        .first.inner_text()
        .startswith("not available: effort must be positive")
    )
    assert page.locator(".otx-live p.why").count() == 1
    assert "…" not in page.locator(".otx-live table").inner_text()
    page.locator(".otx-live").screenshot(path=shots / f"explorer-{theme}-missing.png")
    assert too_wide(page) == []
    seen = contrasts(page)
    assert any(words.startswith("not available") for words in seen)
    assert {words: value for words, value in seen.items() if value < CONTRAST} == {}
    page.close()


@pytest.mark.parametrize("theme", THEMES)
def test_notebook_03_runs_to_its_end(browser: Any, lab: Lab, shots: Path, theme: str) -> None:
    source = ROOT / "notebooks" / "03_selectors.ipynb"
    if not source.is_file():
        pytest.skip(f"there is no {source.relative_to(ROOT)}")
    shutil.copy(source, lab.folder / source.name)
    page = open_notebook(browser, lab, source.name, theme)
    run_all(page)
    assert errors(page) == []
    cells = page.locator(".jp-WindowedPanel-viewport")
    tall = int(cells.evaluate("one => one.getBoundingClientRect().height"))
    page.set_viewport_size({"width": 1440, "height": tall + 200})
    page.locator(".jp-WindowedPanel-outer").evaluate("one => { one.scrollTop = 0; }")
    page.wait_for_timeout(1000)
    cells.screenshot(path=shots / f"03_selectors-{theme}.png")
    page.close()


def test_a_traceback_would_be_seen(browser: Any, lab: Lab) -> None:
    write_notebook(lab.folder / "broken.ipynb", "1 / 0")
    page = open_notebook(browser, lab, "broken.ipynb", "light")
    run_all(page)
    assert "ZeroDivisionError" in "".join(errors(page))
    page.close()
