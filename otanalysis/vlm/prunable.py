"""What a call of a model must bring so that its pictures can be pruned: checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from otanalysis.errors import InputError

if TYPE_CHECKING:
    import torch


def require_prunable(model: Any, inputs: Mapping[str, Any], *, generating: bool) -> None:
    """Refuse the inputs of a call whose prompts cannot be shortened.

    Parameters
    ----------
    model
        A Hugging Face image-text model.
    inputs
        The arguments of the call by name, pictures among them.
    generating : bool
        Whether ``generate`` is called; otherwise the model itself.

    Raises
    ------
    InputError
        Ids, mask or positions are missing or of another form; there are videos, or a cache with a part of the
        prompt; or a setting of ``generate`` would rewrite the prompt.
    """
    ids = inputs.get("input_ids")
    if ids is None:
        raise InputError("Pruning needs input_ids beside the pictures, to find the placeholders by.")
    _require_ids(ids)
    mask = inputs.get("attention_mask")
    if mask is not None:
        _require_mask(mask, ids)
    positions = inputs.get("position_ids")
    if positions is not None:
        _require_positions(positions, ids)
    if inputs.get("pixel_values_videos") is not None:
        raise InputError("Videos cannot be pruned; give their frames as images.")
    cache = inputs.get("past_key_values")
    if cache is not None and cache.get_seq_length() > 0:
        raise InputError(
            "Pictures cannot be pruned behind a cache that holds a part of the prompt: give the whole prompt "
            "without past_key_values."
        )
    if generating:
        _require_settings(model, inputs)


def _require_ids(ids: Any) -> None:
    import torch

    if not isinstance(ids, torch.Tensor) or ids.ndim != 2 or ids.is_floating_point() or ids.is_complex():
        raise InputError(f"input_ids must be a tensor of whole numbers, [prompts, length]; got {_form(ids)}.")


def _require_mask(mask: Any, ids: torch.Tensor) -> None:
    import torch

    if not isinstance(mask, torch.Tensor) or mask.shape != ids.shape:
        raise InputError(
            f"attention_mask must have the shape of input_ids, {list(ids.shape)}, with 1 for tokens and 0 "
            f"for padding; got {_form(mask)}: which tokens see which cannot be kept when tokens are dropped."
        )
    if not bool(((mask == 0) | (mask == 1)).all()):
        raise InputError(
            "attention_mask must have 1 for tokens and 0 for padding; got other numbers (a mask that is "
            "added to scores?): give the one that the processor returned."
        )


def _require_positions(positions: Any, ids: torch.Tensor) -> None:
    import torch

    fits = isinstance(positions, torch.Tensor) and positions.ndim in (2, 3)
    if not fits or positions.shape[-2:] != ids.shape or positions.is_floating_point():
        raise InputError(
            f"position_ids must be whole numbers in the shape of input_ids, {list(ids.shape)}, or one such "
            f"plane for each of time, row and column; got {_form(positions)}."
        )


def _require_settings(model: Any, inputs: Mapping[str, Any]) -> None:
    """Refuse a rewritten prompt, and padding that only the ids tell."""
    if setting_of(model, inputs, "token_healing"):
        raise InputError("token_healing rewrites the prompt, which pruning shortens; leave it out.")
    pad, end = setting_of(model, inputs, "pad_token_id"), setting_of(model, inputs, "eos_token_id")
    ends = end if isinstance(end, list) else [end]
    if inputs.get("attention_mask") is None and isinstance(pad, int) and pad not in ends:
        padded = int((inputs["input_ids"] == pad).sum())
        if padded:
            raise InputError(
                f"input_ids hold the padding id {pad} at {padded} places, but no attention_mask says which "
                "are padding: hand on the one that the processor returned."
            )


def setting_of(model: Any, inputs: Mapping[str, Any], name: str) -> Any:
    """Return a setting of a call of ``generate``: from its arguments, its configuration or the model's.

    Parameters
    ----------
    model
        The model.
    inputs
        The arguments of the call by name.
    name : str
        Name of a setting of ``GenerationConfig``.

    Returns
    -------
    object
        None where it is set nowhere.
    """
    owners = (inputs.get("generation_config"), getattr(model, "generation_config", None))
    found = (inputs.get(name), *(getattr(owner, name, None) for owner in owners))
    return next((value for value in found if value is not None), None)


def _form(value: Any) -> str:
    """Say what came: the shape and type of a tensor, else the type alone."""
    shape = getattr(value, "shape", None)
    if shape is None:
        return f"a {type(value).__name__}"
    return f"{str(getattr(value, 'dtype', '')).removeprefix('torch.')} of shape {list(shape)}"
