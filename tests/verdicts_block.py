"""The README's table of verdicts, and how it is written again: ``python -m tests.verdicts_block``.

``python -m otanalysis.figures --only verdicts`` measures and judges; this takes its ``figures/verdicts.csv``
over into ``docs/verdicts.csv`` and writes the table between the two marks of the README. The tests of
``test_readme_verdicts.py`` hold the two together, and to the rules.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd

from otanalysis.figures.verdicts import as_markdown

ROOT = Path(__file__).parents[1]
MEASURED = ROOT / "figures" / "verdicts.csv"
KEPT = ROOT / "docs" / "verdicts.csv"
README = ROOT / "README.md"
START, END = "<!-- verdicts: written by python -m tests.verdicts_block -->\n", "<!-- end of verdicts -->\n"


def block_of(page: str) -> str:
    """Return what stands between the marks, which a page has once each."""
    before, found, rest = page.partition(START)
    block, ended, after = rest.partition(END)
    if not found or not ended or START in after or END in before:
        raise ValueError(f"The page wants one {START.strip()} and after it one {END.strip()}.")
    return block


def with_block(page: str, block: str) -> str:
    """Return a page with another block between its marks."""
    return page.replace(START + block_of(page) + END, START + block + END)


def main() -> None:
    """Take the measured table over."""
    shutil.copyfile(MEASURED, KEPT)
    page = README.read_text(encoding="utf-8")
    README.write_text(with_block(page, as_markdown(pd.read_csv(KEPT))), encoding="utf-8")


if __name__ == "__main__":
    main()
