"""The README's measured tables, and how they are written again: ``python -m tests.readme_blocks``.

``python -m otanalysis.figures`` measures, draws and judges; this takes some of its tables over into ``docs/``
and writes them between the marks of the README. The tests of ``test_readme_blocks.py`` hold README and tables
together, and the verdicts to their rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from otanalysis.figures.layout import per_cent
from otanalysis.figures.verdicts import as_markdown
from otanalysis.figures.verdicts.claim import number_words
from otanalysis.figures.verdicts.compared import claims_in
from otanalysis.studies.worlds import WORLDS

ROOT = Path(__file__).parents[1]
README, DOCS, MEASURED = ROOT / "README.md", ROOT / "docs", ROOT / "figures"
ORDER = ("otprune", "otprune-paper", "divprune", "dpp", "random", "uniform", "kmedoids", "ot-medoids")
"""Columns of the table of methods; others follow."""


def methods_table(points: pd.DataFrame) -> str:
    """Write mean score and distance of every method at every share kept, the best of each line in bold."""
    mean = points[points["benchmark"] == "mean"]
    known = list(mean["method"].drop_duplicates())
    methods = [*(name for name in ORDER if name in known), *(name for name in known if name not in ORDER)]
    lines = [f"| kept | | {' | '.join(methods)} |", f"|---|---|{'---|' * len(methods)}"]
    for ratio, rows in mean.groupby("ratio"):
        own = rows.set_index("method").loc[methods]
        scores, far = own["score"], own["distance"]
        best = [_bold(f"{value:.3f}", value == scores.max()) for value in scores]
        nearest = [_bold(f"{value:.2f}", value == far.min()) for value in far]
        lines.append(f"| {per_cent(float(ratio))} | score | {' | '.join(best)} |")
        lines.append(f"| | W2 | {' | '.join(nearest)} |")
    return "\n".join(lines) + "\n"


def _bold(words: str, best: bool) -> str:
    return f"**{words}**" if best else words


def worlds_table(table: pd.DataFrame) -> str:
    """Write every claim that several models have measured: the deciding number and the verdict on each."""
    models = list(WORLDS)
    head = [f"`{name}`, {WORLDS[name].words}" for name in models]
    lines = [f"| claim | {' | '.join(head)} | what decides it |", "|---" * (len(models) + 2) + "|"]
    for rows in claims_in(table.fillna({"reading": "", "where": ""})):
        deciding = rows[rows["deciding"]].drop_duplicates("model").set_index("model", drop=False)
        each = [_judged(deciding.loc[name]) if name in deciding.index else "not measured" for name in models]
        one = rows.iloc[0]
        words = f"{one['claim']} ({one['reading']})" if one["reading"] else one["claim"]
        lines.append(f"| {words} | {' | '.join(each)} | {one['quantity']} |")
    return "\n".join(lines) + "\n"


def _judged(row: pd.Series) -> str:
    return f"**{row['verdict']}**: {number_words(row.to_dict())}"


BLOCKS: Mapping[str, tuple[str, Callable[[pd.DataFrame], str]]] = {
    "methods": ("figure2_all_ranks.csv", methods_table),
    "verdicts": ("verdicts.csv", as_markdown),
    "worlds": ("worlds.csv", worlds_table),
}
"""Every block: the table of ``figures/`` that it is made of, and how."""


def marks(name: str) -> tuple[str, str]:
    """Return what stands before and behind a block."""
    return f"<!-- {name}: written by python -m tests.readme_blocks -->\n", f"<!-- end of {name} -->\n"


def block_of(page: str, name: str) -> str:
    """Return what stands between the marks of a block, which a page has once each."""
    start, end = marks(name)
    before, found, rest = page.partition(start)
    block, ended, after = rest.partition(end)
    if not found or not ended or start in after or end in before:
        raise ValueError(f"The page wants one {start.strip()} and after it one {end.strip()}.")
    return block


def with_block(page: str, name: str, block: str) -> str:
    """Return a page with another block between its marks."""
    start, end = marks(name)
    return page.replace(start + block_of(page, name) + end, start + block + end)


def kept(name: str) -> Path:
    """Return where the table of a block is kept in the repository."""
    return DOCS / f"{name}.csv"


def main() -> None:
    """Take the measured tables over."""
    page = README.read_text(encoding="utf-8")
    for name, (file, written) in BLOCKS.items():
        kept(name).write_bytes((MEASURED / file).read_bytes())
        page = with_block(page, name, written(pd.read_csv(kept(name))))
    README.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
