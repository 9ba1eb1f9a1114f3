"""``otanalysis distance``: how far kept tokens are from all tokens of one image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from otanalysis.cli import options
from otanalysis.defaults import RELEASED_GAMMA
from otanalysis.errors import InputError

if TYPE_CHECKING:
    from otanalysis.arrays import Normalisation
    from otanalysis.image import Image
    from otanalysis.transport import ExactTransport

_OTHERS = ("quantisation_error", "gelbrich_w2_squared", "bures_w2_squared", "trace_objective")
"""Measured beside the exact distance, whatever is asked for."""


def distance(
    file: options.TokensFile,
    indices: Annotated[str | None, typer.Option(help="Kept tokens: 0,5,17. Or give --method.")] = None,
    method: Annotated[str | None, typer.Option(help="Let this method choose the tokens.")] = None,
    ratio: options.Ratio = None,
    keep: options.Keep = None,
    gamma: options.Gamma = RELEASED_GAMMA,
    gamma_of: options.GammaOf = "released",
    seed: options.Seed = 0,
    normalise: options.Normalise = "none",
    weights: options.Weights = None,
    kept_weights: Annotated[
        str, typer.Option(help="Of the kept tokens: uniform, optimal, or 2,1,1 in the order of --indices.")
    ] = "uniform",
    side: options.Side = None,
    distances: options.Distances = "",
    as_json: options.Json = False,
) -> None:
    """Measure how far the kept tokens are from all tokens of one image, exactly."""
    further = options.distances(distances)
    if method is not None and indices is None:
        image = options.load_image(file, weights, side)
        selection = options.selected(
            image, method, ratio=ratio, keep=keep, gamma=gamma, gamma_of=gamma_of, seed=seed
        )
        kept, chosen_by = selection.indices, selection.provenance
    elif indices is not None and method is None:
        if ratio is not None or keep is not None or side:
            raise InputError(
                "--ratio, --keep and --side go with --method; --indices says itself what is kept."
            )
        image, kept, chosen_by = options.load_image(file, weights), _indices(indices), None
    else:
        raise InputError("Give either --indices or --method with --ratio or --keep.")
    transport = _transport(image, kept, normalise, kept_weights)
    found = {"selector": chosen_by, **_distances(image, transport, further)}
    if as_json:
        typer.echo(options.as_json(found | {"kept_weights": transport.kept_weights.tolist()}))
        return
    for name, value in found.items():
        typer.echo(f"{name:20} {value:.6g}" if isinstance(value, float) else f"{name:20} {value}")


def _indices(text: str) -> list[int]:
    try:
        return [int(entry) for entry in text.split(",")]
    except ValueError as error:
        raise InputError(f"--indices wants whole numbers separated by commas, got {text!r}.") from error


def _transport(image: Image, kept: Any, normalise: str, kept_weights: str) -> ExactTransport:
    import otanalysis as ota

    named = kept_weights in ("uniform", "optimal")
    masses: Any = kept_weights if named else options.numbers(kept_weights, "--kept-weights")
    how = cast("Normalisation", normalise)
    return ota.wasserstein2(image, kept, normalise=how, kept_weights=masses)


def _distances(given: Image, transport: ExactTransport, further: tuple[str, ...]) -> dict[str, Any]:
    """Return the distances by name; all but those of the transport are to uniform kept tokens."""
    from otanalysis.distances import measure_distances

    image = given.normalised(transport.normalise)
    found = {
        "normalise": transport.normalise,
        "weighted": image.weights is not None,
        "m": len(image),
        "keep": len(transport.indices),
        "w2": transport.distance,
        "w2_squared": transport.squared_distance,
        "duality_gap": transport.duality_gap,
    }
    others = [name for name in dict.fromkeys((*_OTHERS, *further)) if name not in found]
    return found | measure_distances(image, transport.indices, others)
