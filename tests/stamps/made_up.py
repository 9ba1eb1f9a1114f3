"""Made-up stamps, laid out as Tux Paint's are: pictures with transparency, and a text beside each."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

MADE_UP = {
    "animals/pets/dog-1": ("A dog.", (60, 40), "sienna"),
    "animals/pets/dog-2": ("A dog.", (50, 50), "peru"),
    "animals/cat": ("A cat.", (40, 50), "black"),
    "animals/owl": ("An owl.", (30, 60), "olive"),
    "animals/ant": ("The ant!", (50, 20), "maroon"),
    "food/apple-red": ("An apple.\nde.utf8=Ein Apfel.", (50, 50), "red"),
    "food/apple-green": ("An apple.", (48, 52), "lime"),
    "food/fig": ("A fig.", (30, 40), "purple"),
    "food/pear": ("A pear.", (30, 50), "yellow"),
    "vehicles/car": ("A car.", (70, 30), "blue"),
    "vehicles/bus": ("A bus.", (80, 40), "orange"),
    "vehicles/fire truck": ("A fire truck.", (80, 45), "crimson"),
    "tools/saw": ("A saw.", (70, 20), "silver"),
    "tools/axe": ("An axe.", (30, 60), "gray"),
    "signs/stop": ("A stop sign.", (50, 50), "firebrick"),
    "signs/yield": ("A yield sign.", (50, 45), "gold"),
}
"""From the file without its ending to its text, the size of what it shows in pixels, and the colour."""

MARGIN = 7  # transparent pixels around what a picture shows


def draw_stamp(file: Path, text: str, size: tuple[int, int], colour: str) -> None:
    """Write the picture of a rounded thing and its text."""
    file.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGBA", (size[0] + 2 * MARGIN, size[1] + 2 * MARGIN))
    box = (MARGIN, MARGIN, MARGIN + size[0] - 1, MARGIN + size[1] - 1)
    ImageDraw.Draw(picture).rounded_rectangle(box, radius=8, fill=colour)
    picture.save(file.with_name(f"{file.name}.png"))
    file.with_name(f"{file.name}.txt").write_text(f"{text}\n", encoding="utf-8")


def write_stamps(folder: Path) -> None:
    """Write all of them."""
    for name, thing in MADE_UP.items():
        draw_stamp(folder / name, *thing)
