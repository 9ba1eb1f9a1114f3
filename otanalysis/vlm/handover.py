"""Whether a model's code takes what it is handed: the kept tokens, and their positions.

Models pass on arguments that they do not know (``**kwargs``), so that one of another version, or of somebody
else, may be handed kept tokens and go on without them: numbers come out that look right. No list of versions
knows all of them. So the signature is read before anything runs, and the first call of each kind is watched
where it counts: at the inputs of the language model.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from otanalysis.errors import InputError
from otanalysis.vlm.encode import image_token_id
from otanalysis.vlm.families import family_of
from otanalysis.vlm.other_ways import other_ways
from otanalysis.vlm.requirements import (
    OLDEST_TRANSFORMERS,
    TRIED_TRANSFORMERS,
    require_transformers,
    require_uncompiled,
)

if TYPE_CHECKING:
    import torch

FEATURES = "mm_encoder_outputs"
"""The argument by which the models of transformers take visual tokens that were encoded before."""


def require_takes_features(model: Any) -> None:
    """Refuse a model whose code has no place for visual tokens that were encoded before.

    Parameters
    ----------
    model
        A Hugging Face image-text model.

    Raises
    ------
    MissingDependencyError
        torch or transformers is missing or too old.
    InputError
        The ``forward`` of the model, or of the model inside it, does not know the argument, or the whole call
        of the model is compiled.
    """
    require_transformers()
    require_uncompiled(model)
    inner = getattr(model, "base_model", model)
    outside = inspect.signature(type(model).forward).parameters
    inside = inspect.signature(type(inner).forward).parameters
    passes_on = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in outside.values())
    if FEATURES not in inside or not (FEATURES in outside or passes_on):
        raise InputError(
            f"{named(model)} takes no visual tokens that were encoded before ({FEATURES}), so that it would "
            "answer without the kept ones; take the class of transformers "
            f"{OLDEST_TRANSFORMERS} or newer for this model."
        )
    pixels = outside.get("pixel_values")
    if pixels is not None and pixels.default is inspect.Parameter.empty:
        ways = other_ways(model) or "its own code"
        raise InputError(
            f"{named(model)} insists on pixel_values in every call, as it sees pictures by {ways} inside the "
            "call: kept tokens cannot take their place."
        )


@contextmanager
def seen_by_the_language_model(
    model: Any,
    inputs: dict[str, Any],
    features: Sequence[torch.Tensor],
) -> Iterator[None]:
    """Watch a call: what its language model gets first must be what the call was handed.

    Parameters
    ----------
    model
        A Hugging Face image-text model.
    inputs
        What it is called with: ``input_ids`` [B, l], ``attention_mask`` [B, l] if there is padding, and
        ``position_ids`` where the call names them.
    features
        The visual tokens that are handed on, ``[k, d]`` an image, in the order of their placeholders.

    Raises
    ------
    InputError
        The language model got other embeddings at the placeholders, or other positions, or nothing at all.

    Notes
    -----
    One comparison of the kept tokens, in a hook that goes after the prompt was read. Prompts may come in
    pieces (``prefill_chunk_size``) and several times each (beams). Positions may be shifted as a whole:
    PaliGemma counts from 1.
    """
    decoder = decoder_of(model)
    watch = _Watch(model, inputs, features)
    handle = decoder.register_forward_pre_hook(watch, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
    if not watch.done:
        raise InputError(
            f"{named(model)} never called its language model with the whole prompt, so that nobody knows "
            f"what became of the kept tokens. {_ADVICE}"
        )


_ADVICE = (
    f"Numbers would be wrong in silence; use transformers {TRIED_TRANSFORMERS}, with which all was tried."
)


class _Watch:
    """The hook of one call."""

    def __init__(self, model: Any, inputs: dict[str, Any], features: Sequence[torch.Tensor]) -> None:
        import torch

        self._model = model
        self._seen = family_of(model).seen
        self._places = inputs["input_ids"] == image_token_id(model)
        self._rows = (self._places.flatten().cumsum(0) - 1).view_as(self._places)
        self._features = torch.cat(list(features))
        self._positions: Any = inputs.get("position_ids")
        mask = inputs.get("attention_mask")
        self._real = torch.ones_like(self._places) if mask is None else mask.bool()
        self._shift: torch.Tensor | None = None
        self._read = 0

    @property
    def done(self) -> bool:
        """Whether the whole prompt was read."""
        return bool(self._read >= self._places.shape[1])

    def __call__(self, _decoder: Any, _args: tuple[Any, ...], given: dict[str, Any]) -> None:
        if self.done:
            return
        if given.get("inputs_embeds") is None:
            return
        embeddings = self._seen(given)
        start, stop = self._read, self._read + embeddings.shape[1]
        repeats, rest = divmod(len(embeddings), len(self._places))
        fits = rest == 0 and repeats > 0 and stop <= self._places.shape[1]
        if not fits or not self._same_features(embeddings[::repeats], start, stop):
            raise InputError(
                f"{named(self._model)} did not hand the kept tokens to its language model. {_ADVICE}"
            )
        if self._positions is not None and not self._same_positions(
            given.get("position_ids"), repeats, start, stop
        ):
            raise InputError(
                f"{named(self._model)} gave the kept tokens other positions than those it was handed. "
                f"{_ADVICE}"
            )
        self._read = stop

    def _same_features(self, embeddings: torch.Tensor, start: int, stop: int) -> bool:
        import torch

        places = self._places[:, start:stop]
        got = embeddings[places.to(embeddings.device)]
        wanted = self._features[self._rows[:, start:stop][places].to(self._features.device)].to(got)
        if got.shape != wanted.shape:
            return False
        return bool(torch.allclose(got, wanted, rtol=0, atol=0, equal_nan=True))

    def _same_positions(self, got: torch.Tensor | None, repeats: int, start: int, stop: int) -> bool:
        import torch

        if got is None or got.ndim != self._positions.ndim or got.shape[-1] != stop - start:
            return False
        wanted = self._positions[..., start:stop]
        if wanted.ndim == 3:  # while generating, plain places may stand before time, row and column
            got, wanted = got[-3:], wanted[-3:]
        real = self._real[:, start:stop]
        if got.shape[-2] != 1:
            got = got[..., ::repeats, :]
        shifts = (got.to(wanted) - wanted).expand_as(wanted)[..., real]
        if shifts.numel() == 0:
            return True
        if self._shift is None:
            self._shift = shifts.flatten()[0]
        return bool(torch.all(shifts == self._shift))


def decoder_of(model: Any) -> Any:
    """Return the language model, which gets embeddings in place of ids."""
    decoder = model.get_decoder() if hasattr(model, "get_decoder") else None
    if decoder is None or decoder is model:
        raise InputError(
            f"{named(model)} does not tell its language model (get_decoder), so that nobody knows whether "
            "it gets the kept tokens; take the class of transformers for this model."
        )
    return decoder


def named(model: Any) -> str:
    """Return the class of a model and the version of transformers, as messages name them."""
    import transformers

    return f"{type(model).__name__} (with transformers {transformers.__version__})"
