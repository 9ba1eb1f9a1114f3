"""Commands about the tokens of one image, and about a dump."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from otanalysis.defaults import RELEASED_GAMMA
from otanalysis.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from otanalysis.arrays import Normalisation
    from otanalysis.selection import Selection

__all__ = ["distance", "select", "verify"]

File = Annotated[
    Path,
    typer.Argument(metavar="FILE.npy", help="Tokens of one image: an array of m rows (tokens), d columns."),
]
Method = Annotated[str, typer.Option(help="Selection method; an unknown one lists all.")]
Ratio = Annotated[float | None, typer.Option(help="Share of the tokens to keep, in (0, 1].")]
Keep = Annotated[int | None, typer.Option(help="Number of tokens to keep, in place of --ratio.")]
Gamma = Annotated[float, typer.Option(help="Weight in otprune's log-determinant.")]
Seed = Annotated[int, typer.Option(help="Seed of the methods that draw at random.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def select(
    file: File,
    method: Method = "otprune",
    ratio: Ratio = None,
    keep: Keep = None,
    gamma: Gamma = RELEASED_GAMMA,
    normalise: Annotated[str, typer.Option(help="otprune's: none, columns or rows.")] = "columns",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Choose which tokens of one image to keep."""
    selection = _selected(file, method, ratio, keep, gamma, normalise, seed)[1]
    if as_json:
        typer.echo(json.dumps(_as_dict(selection)))
        return
    typer.echo(f"{selection.method} keeps {selection.keep} of {selection.m} tokens:")
    typer.echo(" ".join(str(index) for index in selection.indices))


def distance(
    file: File,
    indices: Annotated[str | None, typer.Option(help="Kept tokens: 0,5,17. Or give --method.")] = None,
    method: Annotated[str | None, typer.Option(help="Let this method choose the tokens.")] = None,
    ratio: Ratio = None,
    keep: Keep = None,
    gamma: Gamma = RELEASED_GAMMA,
    seed: Seed = 0,
    normalise: Annotated[
        str, typer.Option(help="Of the tokens before the distance: none, columns or rows.")
    ] = "none",
    as_json: Json = False,
) -> None:
    """Measure how far the kept tokens are from all tokens of one image, exactly."""
    if (indices is None) == (method is None):
        raise InputError("Give either --indices or --method with --ratio or --keep.")
    if method is not None:
        tokens, selection = _selected(file, method, ratio, keep, gamma, "columns", seed)
        kept, chosen_by = selection.indices, selection.provenance
    else:
        if ratio is not None or keep is not None:
            raise InputError("--ratio and --keep go with --method; --indices says itself what is kept.")
        from otanalysis.cli.options import load_tokens

        tokens, kept, chosen_by = load_tokens(file), _indices(cast(str, indices)), None
    found = {"selector": chosen_by, **_distances(tokens, kept, normalise)}
    if as_json:
        typer.echo(json.dumps(found))
        return
    for name, value in found.items():
        typer.echo(f"{name:20} {value:.6g}" if isinstance(value, float) else f"{name:20} {value}")


def verify(
    dump: Annotated[Path, typer.Argument(metavar="DUMP", help="Folder of a dump.")],
) -> None:
    """Check every byte of a dump against its checksums and every tensor against its manifest."""
    from otanalysis.tokens import verify_dump

    report = verify_dump(dump)
    if report.sound:
        shards = f"{report.shards} shard{'s' * (report.shards != 1)}"
        pictures = f", {report.thumbnails} with a thumbnail" if report.thumbnails else ""
        typer.echo(
            f"{dump} is sound: {report.samples} samples in {shards}{pictures}, {report.size / 1e6:.1f} MB."
        )
        return
    for problem in report.problems:
        print(problem, file=sys.stderr)
    raise SystemExit(2)


def _selected(
    file: Path,
    method: str,
    ratio: float | None,
    keep: int | None,
    gamma: float,
    normalise: str,
    seed: int,
) -> tuple[NDArray[Any], Selection]:
    from otanalysis.cli.options import load_tokens
    from otanalysis.selection import select as choose

    if seed < 0:
        raise InputError(f"--seed must be a whole number from 0 on, got {seed}.")
    tokens = load_tokens(file)
    how = cast("Normalisation", normalise)
    return tokens, choose(tokens, method, ratio=ratio, keep=keep, gamma=gamma, normalise=how, seed=seed)


def _as_dict(selection: Selection) -> dict[str, Any]:
    return {
        "method": selection.method,
        "selector": selection.provenance,
        "seed": selection.seed,
        "m": selection.m,
        "keep": selection.keep,
        "indices": selection.indices.tolist(),
        "pick_order": selection.pick_order.tolist(),
        "gains": None if selection.gains is None else selection.gains.tolist(),
    }


def _indices(text: str) -> list[int]:
    try:
        return [int(entry) for entry in text.split(",")]
    except ValueError as error:
        raise InputError(f"--indices wants whole numbers separated by commas, got {text!r}.") from error


def _distances(tokens: Any, kept: Any, normalise: str) -> dict[str, Any]:
    import otanalysis as ota
    from otanalysis.arrays import normalise_tokens

    cloud = normalise_tokens(tokens, cast("Normalisation", normalise))
    transport = ota.wasserstein2(cloud, kept)
    moments = ota.TokenMoments(cloud)
    return {
        "normalise": normalise,
        "m": len(cloud),
        "keep": len(kept),
        "w2": transport.distance,
        "w2_squared": transport.squared_distance,
        "duality_gap": transport.duality_gap,
        "quantisation_error": ota.quantisation_error(cloud, kept),
        "gelbrich_w2_squared": ota.gelbrich_squared(moments, kept),
        "bures_w2_squared": ota.bures_squared(moments, kept),
        "trace_objective": ota.trace_objective(moments, kept),
    }
