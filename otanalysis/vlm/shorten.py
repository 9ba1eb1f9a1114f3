"""Prompts of which only some positions are kept: ids, masks and positions, padded anew."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from otanalysis.errors import InputError

if TYPE_CHECKING:
    import torch

Side = Literal["left", "right"]
"""Where prompts that are shorter than others are padded."""

_PADDING = {"labels": -100}
"""What stands at padded places of tensors that go along with the ids; zero in all others."""


def shorten_prompts(
    inputs: Mapping[str, Any], keep: torch.Tensor, *, side: Side, pad_id: int
) -> dict[str, Any]:
    """Drop positions of the prompts from every tensor that goes along with the ids.

    Parameters
    ----------
    inputs
        Inputs of a model, ``input_ids`` [B, L] among them; every tensor of that shape is shortened, others
        are passed on.
    keep
        Positions that stay, bool [B, L].
    side
        Where prompts are padded that end up shorter than others; prompts that are padded on one side already
        keep that side.
    pad_id
        Id at padded places.

    Returns
    -------
    dict
        The shortened inputs, with an attention mask [B, l] of kept and padded places.
    """
    import torch

    ids = inputs["input_ids"]
    index, real = shortened_places(inputs, keep, side=side)
    short: dict[str, Any] = {}
    for name, value in inputs.items():
        if not isinstance(value, torch.Tensor) or value.shape != ids.shape:
            short[name] = value
            continue
        padding = pad_id if name == "input_ids" else _PADDING.get(name, 0)
        short[name] = value.gather(1, index).masked_fill(~real, padding)
    return {**short, "attention_mask": real.to(ids.dtype)}


def shortened_places(
    inputs: Mapping[str, Any], keep: torch.Tensor, *, side: Side
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return where each place of the shortened prompts comes from, and which of them are no padding.

    Parameters
    ----------
    inputs, keep, side
        As for :func:`shorten_prompts`.

    Returns
    -------
    index : torch.Tensor, int64, shape ``[B, l]``
        ``l`` is the length of the longest shortened prompt.
    real : torch.Tensor, bool, shape ``[B, l]``
    """
    mask = inputs.get("attention_mask")
    if mask is not None:
        keep, side = keep & mask.bool(), _side_of(mask, side)
    length = int(keep.sum(dim=1).max())
    # A stable sort moves what stays to one end and keeps its order.
    if side == "left":
        index = keep.int().argsort(dim=1, stable=True)[:, keep.shape[1] - length :]
    else:
        index = (~keep).int().argsort(dim=1, stable=True)[:, :length]
    return index, keep.gather(1, index)


def pad_id_of(model: Any, inputs: Mapping[str, Any]) -> int:
    """Return the id that pads prompts: the one that does already, else what the model's settings name."""
    mask = inputs.get("attention_mask")
    if mask is not None and bool((mask == 0).any()):
        return int(inputs["input_ids"][mask == 0][0])
    settings = (getattr(model, "generation_config", None), model.config, model.config.get_text_config())
    for one in settings:
        for name in ("pad_token_id", "eos_token_id"):
            found = getattr(one, name, None)
            if isinstance(found, (int, list)) and found != []:
                return found[0] if isinstance(found, list) else found
    return 0


def has_grid_positions(model: Any) -> bool:
    """Tell whether visual tokens have rows and columns for positions (m-rope, Qwen-VL)."""
    return hasattr(getattr(model, "base_model", model), "get_rope_index")


def full_positions(model: Any, inputs: Mapping[str, Any], *, generating: bool) -> torch.Tensor:
    """Return the positions that the tokens of the whole prompts have.

    Parameters
    ----------
    model
        The model.
    inputs
        Its inputs for the whole prompts.
    generating
        Positions for ``generate``, which counts from the first token that is no padding; otherwise those of a
        plain call, which counts padding too.

    Returns
    -------
    torch.Tensor
        ``[B, L]``, or ``[3, B, L]`` (time, row, column) where visual tokens have grid positions.
    """
    import torch

    ids, mask = inputs["input_ids"], inputs.get("attention_mask")
    if has_grid_positions(model):
        return _grid_positions(model, inputs)
    if generating and mask is not None:
        counted: torch.Tensor = mask.long().cumsum(-1) - 1
        return counted.clamp(min=0)
    # PaliGemma counts from 1 and adds that itself while generating.
    first = 0 if generating or model.config.model_type != "paligemma" else 1
    return torch.arange(first, ids.shape[1] + first, device=ids.device).expand_as(ids)


def _grid_positions(model: Any, inputs: Mapping[str, Any]) -> torch.Tensor:
    rope = model.base_model.get_rope_index
    wanted = inspect.signature(rope).parameters
    if "mm_token_type_ids" in wanted and inputs.get("mm_token_type_ids") is None:
        raise InputError(
            f"{type(model).__name__} computes positions from mm_token_type_ids, which are missing: hand on "
            "everything that the processor returned."
        )
    known = {name: inputs[name] for name in wanted if inputs.get(name) is not None}
    positions: torch.Tensor = rope(**known)[0]
    return positions


def _side_of(mask: torch.Tensor, otherwise: Side) -> Side:
    if bool((mask[:, 0] == 0).any()):
        return "left"
    return "right" if bool((mask[:, -1] == 0).any()) else otherwise
