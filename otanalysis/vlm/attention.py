r"""Attention inside the image encoder, taken while the model encodes: who looks at which patch.

Of the layer whose output becomes the visual tokens (``vision_feature_layer``; the last one where a model has
no such setting), on average over its heads:

- ``cls_attention``: what the class token pays to each patch. FasterVLM (arXiv:2412.01818) and VisionZip
  (arXiv:2412.04467) rank the tokens of LLaVA by it, in this very layer, the last but one.
- ``received_attention``: what a patch receives, on average over all that attend to it: the patches of the
  same picture (tile, window), and the class token where there is one.

Both are softmax weights in float32. The class token's own share is left out where the model drops that token,
so that the sum over the patches may be below one.

The model's own pass stays as it is, bit for bit. When the layer has run, it runs once more on the same input,
with an implementation of attention that hands out the weights in place of the usual one and changes nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from otanalysis.errors import InputError
from otanalysis.side import CLS_ATTENTION, RECEIVED_ATTENTION
from otanalysis.vlm.families import base_of, family_of, is_tried

if TYPE_CHECKING:
    import torch

_TOWERS = ("vision_tower", "visual", "vision_model")
_CLASS_TOKENS = ("class_embedding", "cls_token")
_IMPLEMENTATION = "otanalysis_attention_seen"
_ENTRIES = 2**25  # of weights at a time: 128 MiB


def attention_sides(model: Any) -> tuple[str, ...]:
    """Return the names of the attention that a model's image encoder has.

    Parameters
    ----------
    model
        A Hugging Face image-text model.

    Returns
    -------
    tuple of str
        ``cls_attention`` only where the encoder has a class token; nothing of kinds of models of which it is
        not known how patches are merged, and of encoders that pack pictures into one sequence behind a mask
        (Pixtral).
    """
    packed = getattr(model.config.vision_config, "model_type", None) == "pixtral"
    if packed or not is_tried(model) or family_of(model).merge is None:
        return ()
    has_class_token = any(name.endswith(_CLASS_TOKENS) for name, _ in _tower(model).named_parameters())
    return (CLS_ATTENTION, RECEIVED_ATTENTION) if has_class_token else (RECEIVED_ATTENTION,)


def check_attention(model: Any, side: Sequence[str]) -> None:
    """Raise InputError unless the model's image encoder has all the attention that is asked for.

    Parameters
    ----------
    model
        A Hugging Face image-text model.
    side
        Names.
    """
    if unknown := [name for name in side if name not in _TAKEN]:
        raise InputError(
            f"A model gives {' and '.join(_TAKEN)} of its tokens, not {unknown[0]}: put that into a dump "
            "with DumpWriter.add(..., side=...), or into an Image."
        )
    given = attention_sides(model) if side else ()
    if lacking := [name for name in side if name not in given]:
        kind = f"{model.config.model_type!r} ({type(model).__name__})"
        why = f"has no class token: take {RECEIVED_ATTENTION}" if given else "is none that was tried for it"
        raise InputError(f"There is no {lacking[0]} of models of the kind {kind}, whose image encoder {why}.")


@contextmanager
def attention_seen(
    model: Any, inputs: Mapping[str, Any], side: Sequence[str]
) -> Iterator[dict[str, torch.Tensor]]:
    """Yield a mapping that the attention of a model's encoder is in as soon as the encoder has run.

    Parameters
    ----------
    model
        A Hugging Face image-text model.
    inputs
        What its ``get_image_features`` is called with inside the block.
    side
        Names of the attention wanted; with none, nothing is done.

    Yields
    ------
    dict from str to torch.Tensor
        Float32 ``[pictures, patches]`` in the order in which the encoder has its patches, before any are
        merged; ``[patches]`` one picture behind the other where pictures share one sequence (Qwen-VL).

    Raises
    ------
    InputError
        The encoder has no such attention, or the tokens are of no single layer of it.
    """
    found: dict[str, torch.Tensor] = {}
    if not side:
        yield found
        return
    check_attention(model, side)
    layer = _attention_layer(model, inputs)
    first = 1 if _drops_class_token(model, inputs) else 0

    def look(module: Any, args: Any, options: Any, _output: Any) -> None:
        for name, parts in _looked_at(module, args, options, side).items():
            # One call of the attention holds pictures of one size, several calls are one sequence cut up.
            found[name] = parts[0][:, first:] if len(parts) == 1 else _joined(parts)

    hook = layer.register_forward_hook(look, with_kwargs=True)
    try:
        yield found
    finally:
        hook.remove()


def _looked_at(module: Any, args: Any, options: Any, side: Sequence[str]) -> dict[str, list[torch.Tensor]]:
    """Run an attention layer again to see its weights; return what each call of the attention gave."""
    import torch

    own = module.config
    module.config = copy.copy(own)
    module.config._attn_implementation = _implementation()
    parts: dict[str, list[torch.Tensor]] = {name: [] for name in side}
    module.config.otanalysis_seen = parts
    try:
        with torch.no_grad():
            module.forward(*args, **options)
    finally:
        module.config = own
    return parts


@cache
def _implementation() -> str:
    """Make transformers know the implementation that hands out the weights; return its name."""
    from transformers import AttentionInterface

    AttentionInterface.register(_IMPLEMENTATION, _seen)
    return _IMPLEMENTATION


def _seen(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Take the place of attention: note what is asked for, return values that nobody looks at."""
    for name, parts in module.config.otanalysis_seen.items():
        parts.append(_TAKEN[name](query.float(), key.float(), attention_mask, scaling))
    return value.transpose(1, 2).contiguous(), None


def _weights(
    query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None, scaling: float
) -> torch.Tensor:
    """Return the weights [pictures, heads, queries, keys]; masks add to the scores, or say who is in."""
    import torch

    scores = query @ key.transpose(2, 3) * scaling
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    return scores.softmax(dim=-1)


def class_token_attention(
    query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None, scaling: float
) -> torch.Tensor:
    """Return the weights of the first query, the class token, on average over the heads.

    Parameters
    ----------
    query, key : torch.Tensor, float32, shape ``[pictures, heads, n, width]``
        Of one layer.
    mask : torch.Tensor or None
        Broadcast to ``[pictures, heads, n, n]``: bool, True where a key is seen, or added to the scores.
    scaling : float
        Factor of the scores.

    Returns
    -------
    torch.Tensor, shape ``[pictures, n]``
    """
    return _weights(query[:, :, :1], key, _rows(mask, slice(0, 1)), scaling).mean(dim=(1, 2))


def mean_received(
    query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None, scaling: float
) -> torch.Tensor:
    """Return the weights of every key, on average over heads and queries.

    Parameters and shapes as for :func:`class_token_attention`.
    """
    pictures, heads, count = query.shape[:3]
    step = max(1, _ENTRIES // (pictures * heads * count))
    total = query.new_zeros(pictures, key.shape[2])
    for start in range(0, count, step):
        rows = slice(start, start + step)
        total += _weights(query[:, :, rows], key, _rows(mask, rows), scaling).mean(dim=1).sum(dim=1)
    return total / count


_TAKEN: Mapping[str, Callable[..., Any]] = {
    CLS_ATTENTION: class_token_attention,
    RECEIVED_ATTENTION: mean_received,
}


def _rows(mask: torch.Tensor | None, rows: slice) -> torch.Tensor | None:
    """Return a mask of some queries; what is no mask of queries and keys is refused."""
    if mask is None:
        return None
    if getattr(mask, "ndim", 0) != 4:
        raise InputError(
            "This implementation of attention has a mask that the weights cannot be taken with: load the "
            "model with attn_implementation='sdpa' or 'eager'."
        )
    return mask if mask.shape[2] == 1 else mask[:, :, rows]


def _joined(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    import torch

    return torch.cat([part.reshape(-1) for part in parts])


def _tower(model: Any) -> Any:
    base = base_of(model)
    return next(getattr(base, name) for name in _TOWERS if hasattr(base, name))


def _attention_layer(model: Any, inputs: Mapping[str, Any]) -> Any:
    """Return the attention of the layer whose output becomes the tokens."""
    layers = [
        module
        for module in _tower(model).modules()
        if type(module).__name__.endswith("Attention") and hasattr(module, "config")
    ]
    vision = model.config.vision_config
    depth = int(getattr(vision, "num_hidden_layers", None) or vision.depth)
    chosen = _setting(model, inputs, "vision_feature_layer", -1)
    if not isinstance(chosen, int) or len(layers) != depth:
        raise InputError(
            f"The tokens of {type(model).__name__} are not of one layer of its image encoder "
            f"(vision_feature_layer={chosen}), so that no one attention belongs to them."
        )
    # States 0 are the embeddings; state n is what layer n - 1 returns.
    place = chosen - 1 if chosen >= 0 else depth + chosen
    if not 0 <= place < depth:
        raise InputError(
            f"The states of vision layer {chosen} are the embeddings of the patches, before any attention: "
            f"take a layer in 1..{depth}."
        )
    return layers[place]


def _drops_class_token(model: Any, inputs: Mapping[str, Any]) -> bool:
    return bool(_setting(model, inputs, "vision_feature_select_strategy", "full") == "default")


def _setting(model: Any, inputs: Mapping[str, Any], name: str, otherwise: Any) -> Any:
    """Return what a call says, else the model's configuration, else what holds where there is no setting."""
    given = inputs.get(name)
    return getattr(model.config, name, otherwise) if given is None else given
