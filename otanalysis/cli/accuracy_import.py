"""``otanalysis accuracy import``: the scores of other programs, into an accuracy table."""

from __future__ import annotations

import json
import os
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from otanalysis.cli import options
from otanalysis.defaults import FULL
from otanalysis.errors import InputError
from otanalysis.locks import held

if TYPE_CHECKING:
    import pandas as pd

_METRIC = "TASK=KEY, for instance textvqa_val=exact_match"


def accuracy_import(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULTS...",
            help="Files of lmms-eval (today's, or the older copy in the released OTPrune and DivPrune codes) "
            "or VLMEvalKit, folders that hold such files, or plain CSV files.",
        ),
    ],
    method: Annotated[
        str | None, typer.Option(help="Selection method; full for the model with all tokens.")
    ] = None,
    ratio: Annotated[float | None, typer.Option(help="Share of the tokens kept; full needs none.")] = None,
    model: Annotated[str | None, typer.Option(help="Model, as its dumps name it.")] = None,
    gamma: Annotated[float | None, typer.Option(help="Of a method with a gamma, in its unit.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the methods that draw at random.")] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TASK=KEY",
            help="Headline metric of a task that is not known; its values are stored as they are.",
        ),
    ] = None,
    tasks: Annotated[str | None, typer.Option(help="Only these tasks, separated by commas.")] = None,
    out: Annotated[
        Path, typer.Option(metavar="TABLE", help="The table, .csv or .parquet; extended if it is there.")
    ] = Path("accuracy.csv"),
    wait: options.Wait = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the imported rows as JSON.")] = False,
) -> None:
    """Add the scores of finished evaluations to an accuracy table.

    Accuracies, exact match and F1 are stored in per cent, CIDEr as it is, MME as its sum: as papers print
    them. What a file records of its run, as after lmms-eval --model otanalysis_hf, the options may only
    confirm; what it does not record, they must say.
    """
    from otanalysis.scores import Settings, add_scores, import_results, read_accuracy, write_accuracy
    from otanalysis.scores.table import accuracy_path

    accuracy_path(out)  # said before anything is read
    if ratio is not None and isnan(ratio):
        raise InputError("--ratio must lie in (0, 1], got nan: leave it out where a CSV says variable.")
    fresh = import_results(
        results,
        Settings(model=model, method=method, ratio=ratio, gamma=gamma, seed=seed),
        metrics=dict(options.pair(text, "--metric", _METRIC) for text in metric or ()),
        tasks=() if tasks is None else options.comma_list(tasks, "--tasks"),
    )
    target = Path(os.path.realpath(out))  # of a link, the table that others may write at the same time
    with held(target.parent, "importing scores", wait=wait):
        table = add_scores(read_accuracy(out), fresh) if target.exists() else fresh
        write_accuracy(table, out)
    for remark in (*_remarks_on_methods(fresh), *_remarks_on_benchmarks(fresh)):
        typer.echo(remark, err=True)
    if as_json:
        typer.echo(json.dumps(options.records(fresh), allow_nan=False))
        return
    _print_rows(fresh)
    typer.echo(f"{out}: {len(table)} rows")


def _remarks_on_methods(rows: pd.DataFrame) -> list[str]:
    """Say which imported methods the figures will not find, which a slip of the keyboard causes too."""
    from otanalysis.selection import SELECTORS

    known = (*SELECTORS, FULL, "majority")
    strangers = [method for method in rows["method"].unique() if method not in known]
    remarks = [
        f"The figures know {method.lower()}, not {method}: import it under that name."
        for method in strangers
        if method.lower() in known
    ]
    if others := [method for method in strangers if method.lower() not in known]:
        remarks.append(f"The figures do not show {', '.join(others)}; they know {', '.join(known)}.")
    return remarks


def _remarks_on_benchmarks(rows: pd.DataFrame) -> list[str]:
    """Say which scores are of a part of a task, and which names are one letter's case off a task's."""
    from otanalysis.scores import TASKS
    from otanalysis.scores.score import PART

    remarks = [
        f"The benchmark {name!r} is not the task {task}: import it under that name if it is meant."
        for name in rows["benchmark"].unique()
        if (task := "".join(filter(str.isprintable, name)).lower()) in TASKS and task != name
    ]
    if parts := rows.loc[rows["source"].str.contains(PART, regex=False), "benchmark"].unique().tolist():
        remarks.append(
            f"The evaluation was limited to {PART} of {', '.join(parts)}: compare these scores only with "
            "others of the same questions."
        )
    return remarks


def _print_rows(rows: pd.DataFrame) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    shown = {"benchmark": "", "metric": "", "value": ".6g", "standard_error": ".2g", "n": "d"}
    console = Console()
    keys = ["model", "method", "ratio", "gamma", "seed"]
    for setting, own in rows.groupby(keys, sort=False, dropna=False):
        parts = zip(keys[1:], setting[1:], strict=True)
        words = [f"{name} {text}" for name, value in parts if (text := _cell(value, ""))]
        table = Table(title=escape(f"{setting[0]}: {', '.join(words)}"), title_justify="left")
        for name, form in shown.items():
            table.add_column(name.replace("_", " "), justify="right" if form else "left")
        for row in own.to_dict("records"):
            table.add_row(*(escape(_cell(row[name], form)) for name, form in shown.items()))
        console.print(table)


def _cell(value: object, form: str) -> str:
    import pandas as pd

    return "" if value is None or pd.isna(value) else format(value, form)  # type: ignore[call-overload]
