"""Tokens written one after the other: from the kept tokens, and by routes that must give the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from otanalysis.vlm.check.routes import STEPS, Routes
from otanalysis.vlm.encode import image_token_id

if TYPE_CHECKING:
    import torch


def written(routes: Routes) -> torch.Tensor:
    """Return the prompts and what ``generate`` writes behind them, greedily: ``[B, L + t]``."""
    sequences: torch.Tensor = routes.model.generate(**routes.prompts, max_new_tokens=STEPS, do_sample=False)
    return sequences


def written_with_logits(routes: Routes) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the tokens ``[B, t]`` that ``generate`` writes, and the logits ``[B, t, words]`` of each."""
    import torch

    settings: dict[str, Any] = {"max_new_tokens": STEPS, "min_new_tokens": STEPS, "do_sample": False}
    # A placeholder that the model wrote itself would ask for a picture.
    settings |= {"suppress_tokens": [image_token_id(routes.model)]}
    output = routes.model.generate(
        **routes.prompts, **settings, output_logits=True, return_dict_in_generate=True
    )
    return output.sequences[:, -STEPS:], torch.stack(output.logits, dim=1)


def steps_behind_a_mask(
    routes: Routes, positions: torch.Tensor | None, stays: torch.Tensor, tokens: torch.Tensor
) -> torch.Tensor:
    """Return the logits of every step behind whole prompts in which what does not stay is masked out.

    Parameters
    ----------
    routes
        The model and prompts that end at the same place, padded on the left.
    positions : torch.Tensor or None, shape ``[..., B, L]``
        Those of the prompts; None for a language model that counts places itself.
    stays : torch.Tensor, bool, shape ``[B, L]``
    tokens : torch.Tensor, shape ``[B, t]``
        The tokens that are written.

    Returns
    -------
    torch.Tensor, shape ``[B, t, words]``
    """
    import torch

    output = _prompts_behind_a_mask(routes, positions, stays)
    mask = routes.prompts["attention_mask"] * stays
    logits = [output.logits[:, -1]]
    for step in range(tokens.shape[1] - 1):
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
        at = {} if positions is None else {"position_ids": positions[..., -1:] + 1 + step}
        output = routes.model(
            input_ids=tokens[:, step : step + 1],
            attention_mask=mask,
            past_key_values=output.past_key_values,
            use_cache=True,
            return_dict=True,
            **at,
        )
        logits.append(output.logits[:, -1])
    return torch.stack(logits, dim=1)


def _prompts_behind_a_mask(routes: Routes, positions: torch.Tensor | None, stays: torch.Tensor) -> Any:
    """Return what the model makes of masked prompts, with the cache."""
    from transformers import DynamicCache

    output = routes.masked(positions, stays, use_cache=True).output
    if output.past_key_values is None:  # Granite 4 Vision leaves it to generate to make a cache
        cache = DynamicCache(config=routes.model.config.get_text_config())
        output = routes.masked(positions, stays, use_cache=True, past_key_values=cache).output
    return output


def renumbered(routes: Routes, stays: torch.Tensor) -> torch.Tensor:
    """Return the positions ``[B, L]`` at which what stays is numbered from 0, padding left out."""
    seen = routes.prompts["attention_mask"].bool() & stays
    places: torch.Tensor = seen.long().cumsum(dim=1) - 1
    return places.clamp(min=0)


def steps_without_the_cache(routes: Routes, tokens: torch.Tensor) -> torch.Tensor:
    """Return the logits of every step by one call on prompts and tokens together; shapes as above."""
    longer = routes.model(**_longer(routes.prompts, tokens), use_cache=False).logits
    count: int = tokens.shape[1]
    steps: torch.Tensor = longer[:, -count - 1 : -1]
    return steps


def _longer(prompts: Mapping[str, Any], tokens: torch.Tensor) -> dict[str, Any]:
    """Return the inputs of prompts with words behind them."""
    import torch

    shape, longer = prompts["input_ids"].shape, dict(prompts)
    behind = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
    for name, value in prompts.items():
        if isinstance(value, torch.Tensor) and value.shape == shape:
            more = behind.get(name, torch.zeros_like(tokens))
            longer[name] = torch.cat([value, more.to(value.dtype)], dim=1)
    return longer
