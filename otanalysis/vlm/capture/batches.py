"""One batch of pictures through processor and encoder: the visual tokens of each, one picture a prompt."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otanalysis.errors import InputError
from otanalysis.vlm.encode import encode_images
from otanalysis.vlm.families import FAMILIES, encoder_of, is_tried
from otanalysis.vlm.layout import ImageTokens, Picture
from otanalysis.vlm.model import VisionLanguageModel, processed

_PROBE_SHAPES = ((64, 64), (64, 160))


def check_capturable(vlm: VisionLanguageModel) -> None:
    """Raise InputError, which names the kind of model, if its images do not become tokens of a prompt."""
    encodes = hasattr(encoder_of(vlm.model), "get_image_features")
    if not encodes or not hasattr(vlm.processor, "image_token"):
        lacking = "processor.image_token" if encodes else "get_image_features"
        raise InputError(
            f"Models of the kind {_kind(vlm.model)} cannot be captured: there is no {lacking}. Take a model "
            f"whose images become visual tokens of a prompt, such as {', '.join(sorted(FAMILIES))}."
        )


def prepare_pictures(vlm: VisionLanguageModel, pictures: Sequence[NDArray[np.uint8]]) -> dict[str, Any]:
    """Return the inputs of the model for pictures, each in a prompt that is its placeholder alone.

    Parameters
    ----------
    vlm
        The model.
    pictures
        RGB pictures, ``uint8`` of shape ``[h, w, 3]``, of any sizes.

    Returns
    -------
    dict
        What the processor makes of them, in the model's dtype, on the host.
    """
    from PIL import Image

    images = [[Image.fromarray(picture)] for picture in pictures]
    made = processed(vlm.processor, images=images, text=[vlm.image_token] * len(images))
    return dict(made.to(dtype=vlm.model.dtype))


def encode_pictures(
    vlm: VisionLanguageModel,
    inputs: dict[str, Any],
    sizes: Sequence[tuple[int, int]],
    layer: int | None,
    side: Sequence[str] = (),
) -> tuple[ImageTokens, ...]:
    """Encode prepared pictures to the tokens that the language model gets.

    Parameters
    ----------
    vlm
        The model.
    inputs
        Of :func:`prepare_pictures`.
    sizes
        Height and width of each picture.
    layer
        Vision layer whose states are projected, see :func:`captured_layer`; None for the model's own.
    side
        Names of attention to take beside the tokens, see :mod:`otanalysis.vlm.attention`.

    Returns
    -------
    tuple of ImageTokens
        One a picture.

    Raises
    ------
    InputError
        The kind of model cannot be captured; the message names it.
    """
    import torch

    if layer == 0:  # transformers takes a plain 0 for "no hidden states are wanted"
        layer = -int(vlm.model.config.vision_config.num_hidden_layers) - 1
    device = vlm.model.device
    chosen = {name: one.to(device) if torch.is_tensor(one) else one for name, one in inputs.items()}
    if layer is not None:
        chosen["vision_feature_layer"] = layer
    known = [Picture.through(vlm.processor, height, width) for height, width in sizes]
    tried = is_tried(vlm.model)
    try:
        with torch.inference_mode():
            return encode_images(vlm.model, chosen, pictures=known, untried=not tried, side=side).images
    except (InputError, TypeError, ValueError, AttributeError, KeyError, IndexError) as error:
        if tried:
            raise
        raise InputError(
            f"Models of the kind {_kind(vlm.model)} cannot be captured: their visual tokens do not fit the "
            f"placeholders ({error}). Supported are {', '.join(sorted(FAMILIES))} and what works alike."
        ) from error


def common_grid(
    vlm: VisionLanguageModel, layer: int | None, side: Sequence[str] = ()
) -> tuple[int, int] | None:
    """Return the grid that two blank pictures of different shapes have in common, if any; a trial of all."""
    captured_layer(vlm.model, layer)
    blank = [np.zeros((*shape, 3), np.uint8) for shape in _PROBE_SHAPES]
    images = encode_pictures(vlm, prepare_pictures(vlm, blank), _PROBE_SHAPES, layer, side)
    grids = {image.grid for image in images}
    return grids.pop() if len(grids) == 1 else None


def captured_layer(model: Any, layer: int | None) -> int:
    """Return the vision layer whose states are projected to tokens.

    Parameters
    ----------
    model
        A Hugging Face image-text model.
    layer
        As asked for: 0 are the patch embeddings, -1 is the last layer; None for the model's own layer.

    Returns
    -------
    int
        ``layer``, or what the model's configuration says; -1 where it names no single layer.

    Raises
    ------
    InputError
        The class takes no layer, its projector wants several, or the tower has no such layer.
    """
    own = getattr(model.config, "vision_feature_layer", None)
    if layer is None:
        return own if isinstance(own, int) else -1
    kind = _kind(model)
    if "vision_feature_layer" not in inspect.signature(encoder_of(model).get_image_features).parameters:
        raise InputError(
            f"Models of the kind {kind} always project their last vision layer; leave --layer out."
        )
    if not isinstance(own, int):
        raise InputError(
            f"The projector of {kind} wants the vision layers {own} together; leave --layer out."
        )
    depth = int(model.config.vision_config.num_hidden_layers)
    if not -depth - 1 <= layer <= depth:
        raise InputError(
            f"--layer must lie in {-depth - 1}..{depth}, this model has {depth} vision layers; got {layer}."
        )
    return layer


def _kind(model: Any) -> str:
    return f"{model.config.model_type!r} ({type(model).__name__})"
