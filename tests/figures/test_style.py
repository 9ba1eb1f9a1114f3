"""One look per method, nothing left behind in matplotlib's settings, fonts embedded."""

from __future__ import annotations

import itertools
import subprocess
import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from otanalysis.figures.layout import heat_map
from otanalysis.figures.style import figure_bytes, method_look, paper_style, shades
from otanalysis.selection import SELECTORS

# Machado et al. (2009), severity 1.0, linear RGB; what a person without one kind of cone sees.
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
PROTANOPIA = np.array(
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
)
SMALLEST_DISTANCE = 0.2  # in sRGB, where black and white are 1.73 apart


def seen(colour: str, matrix: np.ndarray) -> np.ndarray:
    srgb = np.array(to_rgb(colour))
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    out = np.clip(matrix @ linear, 0, 1)
    return np.where(out <= 0.0031308, 12.92 * out, 1.055 * out ** (1 / 2.4) - 0.055)


def test_every_selector_has_a_look_of_its_own() -> None:
    looks = [method_look(name) for name in SELECTORS]
    assert len({look.colour for look in looks}) == len(looks)
    assert len({look.marker for look in looks}) == len(looks)
    assert all(look.label != name for name, look in zip(SELECTORS, looks, strict=True) if "-" not in name)


@pytest.mark.parametrize("matrix", [np.eye(3), DEUTERANOPIA, PROTANOPIA], ids=["full", "deutan", "protan"])
def test_colours_can_be_told_apart_with_any_colour_vision(matrix: np.ndarray) -> None:
    colours = {name: seen(method_look(name).colour, matrix) for name in SELECTORS}
    distances = {
        (first, second): float(np.linalg.norm(colours[first] - colours[second]))
        for first, second in itertools.combinations(colours, 2)
    }
    closest = min(distances, key=lambda pair: distances[pair])
    assert distances[closest] > SMALLEST_DISTANCE, f"{closest}: {distances[closest]:.3f}"


def test_the_colour_check_rejects_two_colours_that_look_alike() -> None:
    grey, pink = "#9A9A9A", "#CC79A7"
    assert np.linalg.norm(seen(grey, np.eye(3)) - seen(pink, np.eye(3))) > SMALLEST_DISTANCE
    assert np.linalg.norm(seen(grey, DEUTERANOPIA) - seen(pink, DEUTERANOPIA)) < SMALLEST_DISTANCE


def test_an_unknown_method_gets_the_same_spare_look_every_time() -> None:
    assert method_look("brand-new") == method_look("brand-new")
    assert method_look("brand-new").label == "brand-new"


def test_settings_are_restored() -> None:
    before = dict(mpl.rcParams)
    with paper_style():
        assert mpl.rcParams["pdf.fonttype"] == 42
    assert dict(mpl.rcParams) == before


def small_figure() -> Figure:
    with paper_style():
        figure = Figure(figsize=(2, 2))
        figure.text(0.5, 0.5, r"Words and $\gamma$")
    return figure


def test_pdf_embeds_outline_fonts_and_is_reproducible() -> None:
    first, second = figure_bytes(small_figure(), "pdf"), figure_bytes(small_figure(), "pdf")
    assert first == second
    assert b"/FontFile2" in first
    assert b"/Type3" not in first
    assert b"CreationDate" not in first
    assert b"/Type3" in type3_pdf()  # without the style matplotlib writes Type 3 fonts, and this sees it


def type3_pdf() -> bytes:
    import io

    buffer = io.BytesIO()
    small_figure().savefig(buffer, format="pdf")
    return buffer.getvalue()


@pytest.mark.parametrize("count", [1, 2, 4, 7])
def test_shades_get_darker_and_are_never_faint(count: int) -> None:
    ends = ("#9ECAE1", "#2171B5", "#08306B")
    lightness = [float(np.dot(to_rgb(shade), (0.2126, 0.7152, 0.0722))) for shade in shades(ends, count)]
    assert len(lightness) == count
    assert all(first > second + 0.05 for first, second in itertools.pairwise(lightness))
    assert shades(ends, count)[-1].upper() == ends[-1]


def test_nothing_of_seaborn_stays_in_pyplot_or_in_the_settings() -> None:
    before = dict(mpl.rcParams)
    shades(("#FFFFFF", "#000000"), 3)
    with paper_style():
        panel = Figure().add_subplot()
        heat_map(panel, np.array([[0.5, np.nan]]), digits=True)
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == before
    assert [(text.get_text(), text.get_color()) for text in panel.texts] == [("50", "0.15"), ("–", "0.15")]


def test_loading_the_figures_needs_no_pyplot_and_no_torch() -> None:
    code = (
        "import sys; from otanalysis.figures import FIGURES, run; list(FIGURES.values()); "
        "print(sorted({'matplotlib.pyplot', 'torch', 'seaborn'} & set(sys.modules)))"
    )
    environment = {"POT_BACKEND_DISABLE_PYTORCH": "1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == "[]", done.stderr
