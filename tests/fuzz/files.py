"""Damaged files: of every reader in the package, in seeded ways; reading them succeeds or is our error.

``python -m tests.fuzz.files --cases 20000`` prints how many were tried and what failed. A failure is any
exception that is not of otanalysis, a failed assertion, and any warning.
"""

from __future__ import annotations

import shutil
import tempfile
import traceback
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from otanalysis.errors import OtAnalysisError
from otanalysis.progress import progress_bar
from tests.fuzz.subjects import SUBJECTS, quietly, rounds


@dataclass(frozen=True)
class Failure:
    """A damaged file that was met with something else than success or an error of otanalysis.

    Attributes
    ----------
    subject : str
        Key in :data:`tests.fuzz.subjects.SUBJECTS`.
    case : int
        Which case it is, with the seed enough to make it again.
    damage : str
        What was done to which file.
    error : str
        What was raised, in one line.
    place : str
        The innermost lines of the package that it went through.
    """

    subject: str
    case: int
    damage: str
    error: str
    place: str


def fuzz_files(
    cases: int,
    seed: int,
    *,
    only: Collection[str] = (),
    first: int = 0,
    advance: Callable[[], object] = lambda: None,
) -> list[Failure]:
    """Damage sound files and read them.

    Parameters
    ----------
    cases : int
        How many.
    seed : int
        Of the damage. A case depends on the seed and its number alone.
    only : collection of str
        Subjects to try; all if empty. Cases of others are passed over.
    first : int
        Number of the first case.
    advance : callable
        Called after each case.

    Returns
    -------
    list of Failure
    """
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        sound, work = Path(folder, "sound"), Path(folder, "work")
        for case, subject in islice(enumerate(rounds()), first, first + cases):
            if not only or subject in only:
                failures += _tried(subject, case, np.random.default_rng([seed, case]), sound / subject, work)
            advance()
    return failures


def _tried(subject: str, case: int, rng: np.random.Generator, sound: Path, work: Path) -> list[Failure]:
    """Damage a copy of the sound files, which are made where they are not there, and read it."""
    reader = SUBJECTS[subject]
    if not sound.exists():
        work.mkdir()  # written where they are read: tables record it
        quietly(lambda: reader.write(work))
        shutil.copytree(work, sound)
        quietly(lambda: reader.read(work))  # sound files are read without any error
        shutil.rmtree(work)
    shutil.copytree(sound, work)
    damage = reader.damage(rng, work)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            quietly(lambda: reader.read(work))
    except OtAnalysisError:
        return []
    except Exception as error:  # whatever it is: that is what is looked for
        return [_failure(subject, case, damage, error)]
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return []


def _failure(subject: str, case: int, damage: str, error: Exception) -> Failure:
    frames = [
        one for one in traceback.extract_tb(error.__traceback__) if "otanalysis" in Path(one.filename).parts
    ]
    place = " < ".join(f"{Path(one.filename).name}:{one.lineno}" for one in reversed(frames[-2:]))
    said = f"{type(error).__name__}: {error}".splitlines()
    return Failure(subject, case, damage[:200], said[0][:200] if said else "", place)


def main(
    cases: Annotated[int, typer.Option(help="How many damaged files.")] = 20_000,
    seed: Annotated[int, typer.Option(help="Of the damage.")] = 0,
    only: Annotated[str, typer.Option(help="Only these subjects, separated by commas.")] = "",
    first: Annotated[int, typer.Option(help="Number of the first case.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Damage files of every reader and read them; status 1 if anything failed."""
    names = [name.strip() for name in only.split(",") if name.strip()]
    if unknown := set(names) - set(SUBJECTS):
        raise typer.BadParameter(f"{', '.join(unknown)} is none of {', '.join(SUBJECTS)}.")
    with progress_bar("Damaged files", "files", shown=not quiet) as bar:
        task = bar.add_task("", total=cases)
        failures = fuzz_files(cases, seed, only=names, first=first, advance=lambda: bar.advance(task))
    kinds: dict[tuple[str, str, str], list[Failure]] = {}
    for one in failures:
        kinds.setdefault((one.subject, one.error.partition(":")[0], one.place), []).append(one)
    for same in kinds.values():
        one = same[0]
        typer.echo(f"{len(same)} x {one.subject}, first case {one.case}: {one.damage}")
        typer.echo(f"    {one.error}\n    {one.place}")
    typer.echo(f"{cases} damaged files, seed {seed}: {len(failures)} failures of {len(kinds)} kinds.")
    raise typer.Exit(int(bool(failures)))


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
