"""The routes that a prompt can take through a model, and what is seen on the way.

No route knows the family. The whole prompt is called as its user would, and what the language model gets of
it is looked at: embeddings, positions and whatever else. Dropped places can then be masked out of the
attention of that same call, or cut out of what the language model got.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from otanalysis.vlm.check.report import NotCheckableError
from otanalysis.vlm.encode import image_token_id, vision_inputs
from otanalysis.vlm.handover import decoder_of

if TYPE_CHECKING:
    import torch

STEPS: Final = 4
"""Tokens that are written to check generation."""

_OF_TEXT = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")


@dataclass(frozen=True, eq=False)
class RouteRun:
    """One call of a model.

    Attributes
    ----------
    output
        What the model returned.
    given : dict
        The arguments of its language model, by name, of its first call.
    states : torch.Tensor, shape ``[B, L, d]``
        What that returned.
    """

    output: Any
    given: dict[str, Any]
    states: torch.Tensor

    @property
    def positions(self) -> torch.Tensor | None:
        """The positions ``[..., B, L]`` that the language model got; None if it counts places itself."""
        return self.given.get("position_ids")

    @property
    def logits(self) -> torch.Tensor:
        """The logits ``[B, L, words]``; the states of a model without a head."""
        logits: torch.Tensor | None = getattr(self.output, "logits", None)
        return self.states if logits is None else logits


@dataclass(frozen=True, eq=False)
class Routes:
    """The ways to call a model on prompts with pictures.

    Parameters
    ----------
    model
        A Hugging Face image-text model.
    inputs
        What its processor returned; other arguments of a call are left out.
    forward : callable, optional
        The ``forward`` to call, if not the model itself.
    """

    model: Any
    inputs: Mapping[str, Any]
    forward: Callable[..., Any] | None = None
    prompts: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        """Take those of the inputs that belong to the prompts; a mask is among them."""
        import torch

        own = {name: self.inputs[name] for name in _OF_TEXT if self.inputs.get(name) is not None}
        own.setdefault("attention_mask", torch.ones_like(own["input_ids"]))
        object.__setattr__(self, "prompts", {**own, **vision_inputs(self.model, self.inputs)})

    @property
    def words(self) -> torch.Tensor:
        """Which places [B, L] are words: neither placeholders of images nor padding."""
        own = self.prompts
        words: torch.Tensor = own["attention_mask"].bool() & (own["input_ids"] != image_token_id(self.model))
        return words

    def run(self, **changed: Any) -> RouteRun:
        """Call the model with the prompts, or with other arguments in their place.

        Parameters
        ----------
        **changed
            Arguments beside those of the prompts, or in their place.
        """
        return self.call({**self.prompts, **changed})

    def call(self, call: Mapping[str, Any]) -> RouteRun:
        """Call the model with these arguments alone."""
        forward = self.forward or self.model
        with _language_model_seen(self.model) as seen:
            output = forward(**{"use_cache": False, **call}, return_dict=True)
        if not seen:
            raise NotCheckableError("its language model was not called with embeddings of the prompt")
        return RouteRun(output, seen["given"], seen["states"])

    @contextmanager
    def wide_windows(self) -> Iterator[tuple[str, ...]]:
        """Let windows and chunks of attention be as long as the prompts; yield the settings that were not."""
        config, length = self.model.config.get_text_config(), self.prompts["input_ids"].shape[1]
        own = {name: getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")}
        narrow = {name: places for name, places in own.items() if places is not None and places < length}
        for name in narrow:
            setattr(config, name, length + STEPS)
        try:
            yield tuple(narrow)
        finally:
            for name, places in narrow.items():
                setattr(config, name, places)

    def masked(self, positions: torch.Tensor | None, stays: torch.Tensor, **more: Any) -> RouteRun:
        """Call the model with whole prompts in which what does not stay is masked out of the attention.

        Parameters
        ----------
        positions : torch.Tensor or None, shape ``[..., B, L]``
            Those that the language model got of the whole prompts; None if it counts places itself.
        stays : torch.Tensor, bool, shape ``[B, L]``
        **more
            Further arguments of the call.
        """
        mask = self.prompts["attention_mask"]
        kept = {} if positions is None else {"position_ids": positions}
        return self.run(attention_mask=mask * stays.to(mask.dtype), **kept, **more)

    def cut(self, whole: RouteRun, index: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Call the language model by hand on a part of what it got of the whole prompts.

        Parameters
        ----------
        whole
            The call with all places.
        index, real : torch.Tensor, shape ``[B, l]``
            Where each place comes from, and which are no padding.

        Returns
        -------
        torch.Tensor, shape ``[B, l, d]``
            The states.
        """
        import torch

        shape, given = self.prompts["input_ids"].shape, dict(whole.given)
        mask = given.get("attention_mask")
        if mask is not None and (not isinstance(mask, torch.Tensor) or mask.shape != shape):
            raise NotCheckableError(
                "its language model gets masks that say more than which places are padding"
            )
        given["attention_mask"] = real.to(self.prompts["attention_mask"].dtype)
        if given.get("position_ids") is None:  # it counts places itself
            given["position_ids"] = torch.arange(shape[1], device=index.device).expand(shape)
        for name, value in given.items():
            if not isinstance(value, torch.Tensor) or name == "attention_mask":
                continue
            if value.shape[-2:] == shape or (name == "position_ids" and value.shape[-1] == shape[1]):
                places = index.to(value.device).expand(*value.shape[:-2], *index.shape)
                given[name] = value.expand(*value.shape[:-2], *shape).gather(-1, places)
            elif value.shape[:2] == shape:
                given[name] = value[torch.arange(shape[0])[:, None], index.to(value.device)]
            else:
                raise NotCheckableError(f"its language model gets {name} of shape {list(value.shape)}")
        return states_of(decoder_of(self.model)(**given))


@contextmanager
def _language_model_seen(model: Any) -> Iterator[dict[str, Any]]:
    """Yield what the language model is given and returns at its first call in the block."""
    seen: dict[str, Any] = {}

    def look(_module: Any, _args: Any, given: dict[str, Any], output: Any) -> None:
        if given.get("inputs_embeds") is not None and not seen:
            seen.update(given=dict(given), states=states_of(output))

    handle = decoder_of(model).register_forward_hook(look, with_kwargs=True)
    try:
        yield seen
    finally:
        handle.remove()


def states_of(output: Any) -> torch.Tensor:
    """Return the states ``[B, L, d]`` from what a language model returns; the logits of one with a head."""
    states: torch.Tensor
    states = output[0] if isinstance(output, tuple) or "logits" in output else output.last_hidden_state
    return states


@contextmanager
def at_rest(model: Any) -> Iterator[None]:
    """Let calls in the block leave no trace: no gradients, no dropout, no positions remembered."""
    import torch

    training = [module for module in model.modules() if module.training]
    base = getattr(model, "base_model", model)
    remembered = {name: vars(base)[name] for name in ("rope_deltas",) if name in vars(base)}
    for module in training:
        module.training = False
    try:
        with torch.no_grad():
            yield
    finally:
        for module in training:
            module.training = True
        vars(base).update(remembered)
