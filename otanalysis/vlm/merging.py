"""How families merge patches to visual tokens, done to numbers of the patches: the mean of what is merged.

Which patches make a token is not worked out a second time here: the model's own rearrangement runs on the
numbers, so that these and the tokens cannot be in different orders.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def unmerged(_base: Any, _inputs: Mapping[str, Any], values: torch.Tensor) -> torch.Tensor:
    """Return the values: every patch is a token."""
    return values


def shuffled_on_the_grid(base: Any, _inputs: Mapping[str, Any], values: torch.Tensor) -> torch.Tensor:
    """Merge neighbours of a square grid by pixel shuffle; InternVL.

    Parameters
    ----------
    base
        The model that has the rearrangement.
    _inputs
        What the processor returned.
    values : torch.Tensor, shape ``[pictures, patches]``
        One number a patch.

    Returns
    -------
    torch.Tensor, shape ``[pictures, tokens]``
    """
    side = round(values.shape[1] ** 0.5)
    grid = values.reshape(-1, side, side, 1)
    merged = base.pixel_shuffle(grid, scale_factor=base.config.downsample_ratio)
    means: torch.Tensor = merged.mean(dim=-1)
    return means.flatten(1)


def shuffled_in_the_connector(base: Any, _inputs: Mapping[str, Any], values: torch.Tensor) -> torch.Tensor:
    """Merge neighbours by the pixel shuffle of the connector; Idefics3, SmolVLM. Shapes as above."""
    connector = base.connector
    means: torch.Tensor = connector.pixel_shuffle(values[..., None], connector.scale_factor).mean(dim=-1)
    return means


def merged_in_blocks(base: Any, _inputs: Mapping[str, Any], values: torch.Tensor) -> torch.Tensor:
    """Merge patches that stand one behind the other, as the processor put them; Qwen2-VL."""
    return values.reshape(-1, base.config.vision_config.spatial_merge_size**2).mean(dim=1)


def merged_in_windows(base: Any, inputs: Mapping[str, Any], values: torch.Tensor) -> torch.Tensor:
    """Merge such patches, and put the tokens back where they were before windows; Qwen2.5-VL."""
    from transformers.vision_utils import get_vision_window_index

    vision = base.config.vision_config
    order, _ = get_vision_window_index(
        inputs["image_grid_thw"], vision.spatial_merge_size, vision.window_size, vision.patch_size
    )
    return merged_in_blocks(base, inputs, values)[order.argsort().to(values.device)]
