"""``otanalysis select``: which tokens of one image a method keeps."""

from __future__ import annotations

from typing import Annotated

import typer

from otanalysis.cli import options
from otanalysis.defaults import RELEASED_GAMMA


def select(
    file: options.TokensFile,
    method: options.Method = "otprune",
    ratio: options.Ratio = None,
    keep: options.Keep = None,
    gamma: options.Gamma = RELEASED_GAMMA,
    gamma_of: options.GammaOf = "released",
    normalise: Annotated[
        str, typer.Option(help="Of the tokens in otprune: none, columns or rows.")
    ] = "columns",
    seed: options.Seed = 0,
    weights: options.Weights = None,
    side: options.Side = None,
    as_json: options.Json = False,
) -> None:
    """Choose which tokens of one image to keep; kmedoids and ot-medoids alone choose by weights."""
    image = options.load_image(file, weights, side)
    selection = options.selected(
        image, method, ratio=ratio, keep=keep, gamma=gamma, gamma_of=gamma_of, normalise=normalise, seed=seed
    )
    if not as_json:
        typer.echo(f"{selection.method} keeps {selection.keep} of {selection.m} tokens:")
        typer.echo(" ".join(str(index) for index in selection.indices))
        return
    found = {
        "method": selection.method,
        "selector": selection.provenance,
        "seed": selection.seed,
        "m": selection.m,
        "keep": selection.keep,
        "indices": selection.indices.tolist(),
        "pick_order": selection.pick_order.tolist(),
        "gains": None if selection.gains is None else selection.gains.tolist(),
    }
    typer.echo(options.as_json(found))
