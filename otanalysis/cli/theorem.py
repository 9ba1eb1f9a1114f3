"""``otanalysis theorem``, and ``python -m otanalysis.theorem``: the theorem checked numerically."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from otanalysis.cli import options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otanalysis.theorem import Claim, Outcome

_WORST = Path("results/theorem/worst_greedy.json")


def theorem(
    dump: Annotated[
        list[Path] | None,
        typer.Option(metavar="DUMP", help="Check on tokens of this dump too; may be repeated."),
    ] = None,
    certified: Annotated[
        bool, typer.Option("--certified", help="Decide small instances without rounding (python-flint).")
    ] = False,
    thorough: Annotated[bool, typer.Option("--thorough", help="More instances, a longer search.")] = False,
    seed: options.SeedOfAll = 0,
    save: Annotated[Path, typer.Option(metavar="FILE", help="Where greedy's worst instance goes.")] = _WORST,
    replay: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Run a saved instance again, and nothing else.")
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Check the theorem and the ladder numerically, on drawn clouds and on the tokens of dumps.

    Each check also runs on something wrong, which it must reject. The exit status is 1 if a claim is violated
    or undecided, or a wrong thing passes.
    """
    if replay is not None:
        _replay(replay, as_json)
        return
    options.check_seed(seed)
    from otanalysis.theorem import DEFAULT, THOROUGH, as_values, build_certified_claims, build_claims

    effort = THOROUGH if thorough else DEFAULT
    dumps = dump or []
    claims = build_claims(effort, seed, dumps)
    if certified:
        claims += build_certified_claims(effort, seed, dumps)
    outcomes = _run(claims, shown=not quiet)
    ratio = _save_worst(outcomes, save)
    sound = all(one.sound for one in outcomes)
    if as_json:
        checks = [as_values(one) for one in outcomes]
        dumped = [str(path) for path in dumps]
        worst = {"file": str(save), "ratio": ratio}
        content = {"passed": sound, "seed": seed, "dumps": dumped, "worst_greedy": worst, "checks": checks}
        typer.echo(json.dumps(content, allow_nan=False))
    else:
        _print(outcomes, save, ratio, on_tokens=bool(dumps))
    raise typer.Exit(0 if sound else 1)


def _run(claims: list[Claim], shown: bool) -> list[Outcome]:
    from threadpoolctl import threadpool_limits

    from otanalysis.progress import progress_bar
    from otanalysis.theorem import run_claim

    outcomes = []
    # The matrices are tiny: more threads than one would only wait for each other.
    with threadpool_limits(limits=1), progress_bar("Checking", "instances", shown=shown) as bar:
        task = bar.add_task("theorem", total=sum(len(one.instances) + 1 for one in claims))
        for claim in claims:
            outcomes.append(run_claim(claim, lambda: bar.advance(task)))
    return outcomes


def _save_worst(outcomes: Sequence[Outcome], path: Path) -> float:
    from otanalysis.theorem import save_worst_case

    searched = [one for one in outcomes if one.worst_case is not None]
    search, matrix = min(searched, key=lambda one: one.worst_margin).worst_case
    return save_worst_case(path, search.form, matrix).ratio


def _print(outcomes: Sequence[Outcome], save: Path, ratio: float, *, on_tokens: bool) -> None:
    from rich.console import Console

    from otanalysis.theorem import print_outcomes

    console = Console()
    print_outcomes(outcomes, console)
    console.print(f"Worst instance of greedy found: ratio {ratio:.6f}, saved to {save}.", soft_wrap=True)
    if not on_tokens:
        console.print("No real tokens were checked: give --dump DUMP.", soft_wrap=True)
    passed = sum(one.sound for one in outcomes)
    console.print(f"{passed} of {len(outcomes)} checks pass and reject their control.", soft_wrap=True)


def _replay(path: Path, as_json: bool) -> None:
    from dataclasses import asdict

    from otanalysis.theorem import GUARANTEE, replay_worst_case

    found = replay_worst_case(path)
    if as_json:
        typer.echo(options.as_json(asdict(found) | {"reproduced": found.reproduced, "guarantee": GUARANTEE}))
    else:
        typer.echo(f"greedy keeps  {found.greedy}")
        typer.echo(f"optimum       {found.optimum}")
        typer.echo(f"ratio         {found.ratio:.12f} (saved: {found.saved_ratio:.12f})")
        typer.echo(f"guarantee     {GUARANTEE:.12f}")
        typer.echo("reproduced" if found.reproduced else "NOT reproduced")
    raise typer.Exit(0 if found.reproduced and found.within_guarantee else 1)
