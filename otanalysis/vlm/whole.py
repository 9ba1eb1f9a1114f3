"""Pruned and unpruned answers end by the same rules: whatever looks at ids or lengths sees the whole prompt.

``generate`` counts the prompt for ``max_length`` and ``min_length``, and hands the ids so far to what decides
about the next token or the end: penalties of repetition, forced tokens, criteria of the caller. On a
shortened prompt each would decide otherwise than on the whole one. The rules are therefore built for the
whole prompt, by transformers' own code, and are shown the whole prompt with the new tokens behind it; what is
stored (the cache) has the length of the shortened one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from otanalysis.errors import InputError
from otanalysis.vlm.requirements import OLDEST_TRANSFORMERS, TRIED_TRANSFORMERS

if TYPE_CHECKING:
    import torch

_LENGTHS, _PROCESSORS, _CRITERIA = (
    "_prepare_generated_length",
    "_get_logits_processor",
    "_get_stopping_criteria",
)


class WholePrompts:
    """The prompts of one call of ``generate`` as they were before tokens were dropped.

    Parameters
    ----------
    ids : torch.Tensor, shape ``[B, L]``
        Ids of the whole prompts.
    mask : torch.Tensor or None, shape ``[B, L]``
        Their attention mask, if the call has one.
    length : int
        Length of the shortened prompts.
    """

    def __init__(self, ids: torch.Tensor, mask: torch.Tensor | None, *, length: int) -> None:
        self.ids, self.mask, self.length = ids, mask, length

    @property
    def cut(self) -> int:
        """How much shorter the shortened prompts are."""
        return self.ids.shape[1] - self.length

    def restored(self, sequences: torch.Tensor) -> torch.Tensor:
        """Put the whole prompts in front of what was written behind the shortened ones.

        Parameters
        ----------
        sequences : torch.Tensor, shape ``[n B, length + t]``
            The rows of one prompt stand side by side: beams, or several answers.

        Returns
        -------
        torch.Tensor, shape ``[n B, L + t]``
        """
        import torch

        prompts = self.ids.repeat_interleave(len(sequences) // len(self.ids), dim=0)
        return torch.cat([prompts.to(sequences.device), sequences[:, self.length :]], dim=1)

    @contextmanager
    def ruling(self, model: Any) -> Iterator[None]:
        """Let a call of the model's ``generate`` inside the block follow the rules of the whole prompts.

        Raises
        ------
        InputError
            ``max_length`` leaves nothing for new tokens, or this version of transformers does not make its
            rules in the places where this class meets them, so that answers could not be compared.
        """
        if self.cut == 0:
            yield
            return
        rules = {_LENGTHS: self._lengths, _PROCESSORS: self._processors, _CRITERIA: self._criteria}
        if not all(callable(getattr(model, name, None)) for name in rules):
            raise _made_otherwise(model)
        met: set[str] = set()
        with ExitStack() as stack:
            for name, rule in rules.items():
                stack.enter_context(_replaced(getattr(model, name), partial(_noted, met, name, rule)))
            yield
        if met != set(rules):
            raise _made_otherwise(model)

    def _lengths(self, original: Callable[..., Any], generation_config: Any, *args: Any, **given: Any) -> Any:
        """Compute the limits for the whole prompts; what is stored is shorter."""
        given["input_ids_length"] += self.cut
        config = original(generation_config, *args, **given)
        if config.max_length <= self.ids.shape[1]:
            raise InputError(
                f"max_length={config.max_length} counts the prompt, whose {self.ids.shape[1]} places leave "
                "nothing for new tokens: set max_new_tokens, or a larger max_length."
            )
        self._limits = {"max_length": config.max_length, "min_length": config.min_length}
        config.max_length -= self.cut
        if config.min_length is not None:
            config.min_length = max(config.min_length - self.cut, 0)
        return config

    def _processors(self, original: Callable[..., Any], generation_config: Any, **given: Any) -> Any:
        """Build what changes scores for the whole prompts, and show them to it."""
        given["input_ids_seq_length"] += self.cut
        given["encoder_input_ids"] = self.ids
        if self.mask is not None and "model_kwargs" in given:
            beams = max(generation_config.num_beams or 1, generation_config.num_return_sequences or 1)
            mask = self.mask.repeat_interleave(beams, dim=0)
            given["model_kwargs"] = {**given["model_kwargs"], "attention_mask": mask}
        made = original(self._unshortened(generation_config), **given)
        return _shown(made, self.restored)

    def _criteria(self, original: Callable[..., Any], generation_config: Any, **given: Any) -> Any:
        """Build what ends an answer for the whole prompts, and show them to it."""
        made = original(self._unshortened(generation_config), **given)
        return _shown(made, self.restored, shorter=self.cut)

    def _unshortened(self, generation_config: Any) -> Any:
        config = copy.copy(generation_config)
        for name, value in self._limits.items():
            setattr(config, name, value)
        return config


def _made_otherwise(model: Any) -> InputError:
    import transformers

    return InputError(
        f"generate of {type(model).__name__} (with transformers {transformers.__version__}) makes its limits "
        "and criteria in another way than those that were tried, so that pruned and unpruned answers could "
        "not be compared: leave out custom_generate or a paged cache, or use a version from "
        f"{OLDEST_TRANSFORMERS} to {TRIED_TRANSFORMERS}."
    )


def _noted(
    met: set[str],
    name: str,
    replacement: Callable[..., Any],
    original: Callable[..., Any],
    generation_config: Any,
    *args: Any,
    **given: Any,
) -> Any:
    """Note that a rule was met; a draft model's own calls inside the call keep their own rules."""
    if getattr(generation_config, "is_assistant", False):
        return original(generation_config, *args, **given)
    met.add(name)
    return replacement(original, generation_config, *args, **given)


@contextmanager
def _replaced(original: Callable[..., Any], replacement: Callable[..., Any]) -> Iterator[None]:
    """Put a function in the place of a bound method, on the object that it is bound to."""
    owner, name = original.__self__, original.__name__  # type: ignore[attr-defined]
    own = name in vars(owner)
    setattr(owner, name, partial(replacement, original))
    try:
        yield
    finally:
        delattr(owner, name)
        if own:
            setattr(owner, name, original)


def _shown(rules: Any, restored: Callable[[torch.Tensor], torch.Tensor], *, shorter: int = 0) -> Any:
    """Return a list of rules that shows all of them the whole prompts; it is a list of the same kind."""
    kind: Any = type(rules)

    class Shown(kind):  # type: ignore[misc]
        def __call__(self, input_ids: torch.Tensor, *args: Any, **given: Any) -> Any:
            return super().__call__(restored(input_ids), *args, **given)

        @property
        def max_length(self) -> int | None:
            """The limit on the shortened sequences, which ``generate`` itself counts."""
            own = super().max_length
            return None if own is None else own - shorter

    return Shown(rules)
