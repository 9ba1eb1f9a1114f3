"""The inputs of a call that sees kept tokens of its images in place of the pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from otanalysis.vlm.encode import EncodedImages, vision_inputs
from otanalysis.vlm.handed import keep_rows, parts_of
from otanalysis.vlm.handover import FEATURES
from otanalysis.vlm.shorten import (
    Side,
    full_positions,
    has_grid_positions,
    pad_id_of,
    shorten_prompts,
    shortened_places,
)

if TYPE_CHECKING:
    import torch

Positions = Literal["renumbered", "original"]
"""What becomes of the positions of kept tokens."""


def kept_call(
    model: Any,
    inputs: Mapping[str, Any],
    encoded: EncodedImages,
    kept: Sequence[tuple[torch.Tensor, torch.Tensor]],
    *,
    positions: Positions,
    side: Side,
    generating: bool,
) -> tuple[dict[str, Any], list[torch.Tensor]]:
    """Return the inputs of a call that sees the kept tokens instead of the pictures, and these tokens.

    Parameters
    ----------
    model
        The model.
    inputs
        Its inputs for the whole prompts [B, L].
    encoded
        The images of the prompts; what the encoder returned is made over to the kept tokens.
    kept
        Of every image what :func:`~otanalysis.vlm.choose.rows_with` returns: the rows that stay.
    positions
        Renumbered, or those of the whole prompt; grid positions (Qwen-VL) stay always.
    side
        Where prompts are padded that end up shorter than others.
    generating
        Whether the call is one of ``generate``, which counts positions in another way than a plain call.

    Returns
    -------
    call : dict
        Keyword arguments for the model or its ``generate``; with ``position_ids`` where they are not the
        model's own for a prompt of that length.
    features : list of torch.Tensor
        The tokens ``[rows, d]`` that are handed on, an image each.
    """
    import torch

    stays = torch.ones_like(inputs["input_ids"], dtype=torch.bool)
    for image, (own, _) in zip(encoded.images, kept, strict=True):
        stays[image.prompt, image.places] = own.to(stays.device)
    family, rows = encoded.family, [own for _, own in kept]
    keep_rows(encoded.output, family.field, [len(image.features) for image in encoded.images], rows)
    handed = torch.cat(parts_of(model, encoded.output, family.field))
    features = list(family.place(model, handed).split([len(own) for own in rows]))
    taken = vision_inputs(model, inputs)
    call = {name: value for name, value in inputs.items() if name not in taken}
    call[FEATURES] = {"image": encoded.output}
    if all(len(own) == len(rows) for own, rows in kept):
        # Qwen-VL computes positions from the grids of the pictures.
        return call | {name: value for name, value in taken.items() if name == "image_grid_thw"}, features
    short = shorten_prompts(call, stays, side=side, pad_id=pad_id_of(model, inputs))
    if positions == "renumbered" and not has_grid_positions(model):
        short.pop("position_ids", None)
        return short, features
    return {**short, "position_ids": _positions(model, inputs, stays, side, generating)}, features


def _positions(
    model: Any, inputs: Mapping[str, Any], stays: torch.Tensor, side: Side, generating: bool
) -> torch.Tensor:
    """Return the positions in the whole prompts of what stays, zero at padded places."""
    import torch

    full = inputs.get("position_ids")
    if full is None:
        full = full_positions(model, inputs, generating=generating)
    index, real = shortened_places(inputs, stays, side=side)
    positions = full.gather(-1, index.expand(*full.shape[:-1], index.shape[1])).masked_fill(~real, 0)
    if has_grid_positions(model) and generating and len(positions) == 3:
        # While generating, plain places of the tokens come before time, row and column.
        plain = (real.long().cumsum(-1) - 1).clamp(min=0)
        positions = torch.cat([plain[None], positions])
    return positions
