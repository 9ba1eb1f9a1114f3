"""What an image encoder returns for its language model: the rows of visual tokens, and what goes with them.

Most encoders return the very tokens that take the places of placeholders. Some models do one thing more with
them on the way, and some return features beside them that are added to the states of deeper layers at the
places of the tokens (deepstack, Qwen3-VL): these are cut with the tokens they belong to. Granite 4 Vision
returns such features alone and numbers the layers: zeros take the places of placeholders, and each layer that
has features adds them there. Its visual tokens are the features of its earliest layer: added to the zeros
they are what stands in the prompt, as tokens do elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from otanalysis.errors import InputError
from otanalysis.vlm.other_ways import other_ways

if TYPE_CHECKING:
    import torch

_KNOWN_FIELDS = {"last_hidden_state", "pooler_output", "hidden_states", "attentions"}
"""What encoders return besides visual tokens without handing it on to the language model."""


def as_it_is(_model: Any, rows: torch.Tensor) -> torch.Tensor:
    """Return the rows: they take the places of placeholders."""
    return rows


def projected(model: Any, rows: torch.Tensor) -> torch.Tensor:
    """Project the rows, as the model does once they are handed over; Llama 4."""
    tokens: torch.Tensor = model.multi_modal_projector(rows)
    return tokens


def added_to_the_word(model: Any, rows: torch.Tensor) -> torch.Tensor:
    """Add the rows to the embedding of the placeholder, as the model does; Molmo 2."""
    import torch

    words = model.get_input_embeddings()
    placeholder = torch.tensor([model.config.image_token_id], device=words.weight.device)
    tokens: torch.Tensor = words(placeholder).to(rows) + rows
    return tokens


def embedded(given: Mapping[str, Any]) -> torch.Tensor:
    """Return what stands in the prompt, of the arguments of the language model: the embeddings."""
    tokens: torch.Tensor = given["inputs_embeds"]
    return tokens


def added_in_layers(given: Mapping[str, Any]) -> torch.Tensor:
    """Return the embeddings with the features of the earliest layer added to them; Granite 4 Vision."""
    import torch

    tokens, layers = embedded(given), given.get("deepstack_features")
    if not layers:
        return tokens
    features = layers[min(layers)].to(tokens)
    return tokens + torch.zeros_like(tokens).masked_scatter(given["vision_mask"].to(tokens.device), features)


def parts_of(model: Any, output: Any, field: str) -> list[torch.Tensor]:
    """Return the rows of each part that the encoder returned: an image each, a tile, or a frame.

    Parameters
    ----------
    model
        The model, for the message.
    output
        What ``get_image_features`` returned.
    field
        The field that its language model takes; of numbered layers the earliest is meant.

    Returns
    -------
    list of torch.Tensor
        ``[n, d]`` each.

    Raises
    ------
    InputError
        There is nothing in that field.
    """
    import torch

    parts = _tokens_in(output.get(field))
    if parts is None or any(not isinstance(part, torch.Tensor) or part.ndim < 2 for part in parts):
        beside = [name for name in output if name not in _KNOWN_FIELDS]
        ways = f"what it returns as {', '.join(beside)}" if beside else other_ways(model)
        raise InputError(
            f"The image encoder of {type(model).__name__} returns no visual tokens that take the places of "
            f"placeholders (its {field} has none): its language model sees pictures by "
            f"{ways or 'other means'}, which pruning does not shorten."
        )
    return [part.reshape(-1, part.shape[-1]) for part in parts]


def require_known_form(model: Any, output: Any, lengths: Sequence[int]) -> None:
    """Refuse features of the tokens that reach the language model in a form in which they cannot be cut.

    Parameters
    ----------
    model
        The model, for the message.
    output
        What its encoder returned.
    lengths
        The number of rows of each part.

    Raises
    ------
    InputError
        A field beside the tokens has as many rows as there are tokens, but not in layers of parts.
    """
    rows = {sum(lengths), *lengths}
    unknown = [
        name
        for name, value in output.items()
        if name not in {*_KNOWN_FIELDS, *layers_beside(output, lengths)}
        and any(leaf.ndim > 1 and leaf[..., 0].numel() in rows for leaf in _leaves(value))
    ]
    if unknown:
        raise InputError(
            f"{type(model).__name__} hands {', '.join(unknown)} to the language model beside the visual "
            "tokens, in a form that is not known; pruning them together is not supported."
        )


def layers_beside(output: Any, lengths: Sequence[int]) -> dict[str, list[list[torch.Tensor]]]:
    """Return the features that go with the tokens to deeper layers, by name: of each layer, of each part.

    Parameters
    ----------
    output
        What an encoder returned.
    lengths
        The number of rows of each part.
    """
    import torch

    def fits(layer: Any) -> bool:
        return (
            isinstance(layer, (list, tuple))
            and all(isinstance(part, torch.Tensor) for part in layer)
            and [len(part) for part in layer] == list(lengths)
        )

    found = {
        name: [_parts_in(layer) for layer in value]
        for name, value in output.items()
        if name not in _KNOWN_FIELDS and isinstance(value, (list, tuple))
    }
    return {
        name: [list(layer) for layer in layers] for name, layers in found.items() if all(map(fits, layers))
    }


def keep_rows(output: Any, field: str, counts: Sequence[int], kept: Sequence[torch.Tensor]) -> None:
    """Make what an encoder returned over to the kept rows of every image.

    Parameters
    ----------
    output
        What the encoder returned; it is changed.
    field
        The field that its language model takes.
    counts
        How many rows each image has.
    kept
        Which of them stay, int64 ``[k]`` each.
    """
    import torch

    def cut(parts: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        whole = torch.cat([part.reshape(-1, part.shape[-1]) for part in parts])
        return [own[rows.to(own.device)] for own, rows in zip(whole.split(list(counts)), kept, strict=True)]

    if _change_layers(output, field, cut):
        return
    parts = output[field]
    if isinstance(parts, torch.Tensor):
        # A part for every token, so that images may keep different numbers of them.
        output[field] = torch.cat(cut(list(parts)))[:, None]
    else:
        output[field] = type(parts)(cut(parts))


def repeat_parts(output: Any, field: str, times: int) -> None:
    """Make what an encoder returned of a prompt over to that many copies of the prompt.

    Parameters
    ----------
    output
        What the encoder returned; it is changed.
    field
        The field that its language model takes.
    times
        How many prompts there are.
    """
    import torch

    if _change_layers(output, field, lambda parts: parts * times):
        return
    parts = output[field]
    if isinstance(parts, torch.Tensor):
        output[field] = torch.cat([parts] * times)
    else:
        output[field] = type(parts)(list(parts) * times)


def _change_layers(
    output: Any, field: str, change: Callable[[list[torch.Tensor]], list[torch.Tensor]]
) -> bool:
    """Change the parts of every layer that an encoder returned; tell whether the tokens are among them."""
    lengths = [part[..., 0].numel() for part in _tokens_in(output[field])]
    found = layers_beside(output, lengths)
    for name, layers in found.items():
        changed = map(change, layers)
        output[name] = [
            (old[0], parts) if _is_numbered(old) else parts
            for old, parts in zip(output[name], changed, strict=True)
        ]
    return field in found


def _tokens_in(value: Any) -> Any:
    """Return the parts that a field holds: of numbered layers those of the earliest."""
    if not isinstance(value, (list, tuple)) or not value or not all(map(_is_numbered, value)):
        return value
    # Of two entries of one layer the model takes the last.
    return min(reversed(value), key=lambda layer: layer[0])[1]


def _parts_in(layer: Any) -> Any:
    return layer[1] if _is_numbered(layer) else layer


def _is_numbered(layer: Any) -> bool:
    """Tell whether a layer comes with its number: ``(number, parts)``."""
    return isinstance(layer, tuple) and len(layer) == 2 and isinstance(layer[0], int)


def _leaves(value: Any) -> Iterator[torch.Tensor]:
    import torch

    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _leaves(one)
