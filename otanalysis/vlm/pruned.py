"""Run a Hugging Face image-text model on the kept visual tokens alone."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from otanalysis.defaults import FULL, RELEASED_GAMMA, GammaOf
from otanalysis.errors import InputError
from otanalysis.selection import SELECTORS
from otanalysis.selection.registry import configured
from otanalysis.vlm.attention import check_attention
from otanalysis.vlm.check.proof import require_proof
from otanalysis.vlm.choose import KeptImage, TokenChooser
from otanalysis.vlm.encode import encode_images, parameters_of
from otanalysis.vlm.families import family_of
from otanalysis.vlm.handover import require_takes_features, seen_by_the_language_model
from otanalysis.vlm.kept_call import Positions, kept_call
from otanalysis.vlm.layout import Picture
from otanalysis.vlm.prunable import require_prunable
from otanalysis.vlm.shorten import Side, has_grid_positions
from otanalysis.vlm.whole import WholePrompts

if TYPE_CHECKING:
    import torch

    from otanalysis.arrays import Normalisation
    from otanalysis.selection import Selector


@dataclass(frozen=True, eq=False)
class PrunedCall:
    """What one call of a pruned model kept: the evidence that pruning happened; see :class:`Pruned`.

    Attributes
    ----------
    images : tuple of KeptImage
        Every image of the batch, in the order of the placeholders.
    full_length, length : int
        Length of the longest prompt before and after.
    positions : str
        ``"renumbered"`` from 0, ``"original"`` places in the whole prompt, or ``"grid"``: the rows and
        columns that Qwen-VL gives its visual tokens, which stay as they are.
    """

    images: tuple[KeptImage, ...]
    full_length: int
    length: int
    positions: str

    def __str__(self) -> str:
        """Say what was kept, an image a line."""
        head = f"{self.length} of {self.full_length} places of the prompt, positions {self.positions}"
        return "\n".join([head, *(f"  {image}" for image in self.images)])


class Pruned:
    """A model that sees only the kept visual tokens of every image, inside a ``with`` block.

    Of the tokens that the image encoder and projector produce, some are chosen before the language model; the
    placeholders of the others leave the prompt. ``model(...)`` and ``model.generate(...)`` are called as
    ever:

    - images of one batch are chosen from together, on the model's device;
    - kept tokens go on ascending in position;
    - ``generate`` returns the whole prompt and the new tokens behind it, as without pruning, and ends as it
      does there: limits that count the prompt (``max_length``, ``min_length``), criteria and processors,
      transformers' own and the caller's, see the whole prompt;
    - the logits and the loss of a plain call are those of the shortened prompt;
    - with all tokens kept, logits are those of the unpruned model bit for bit;
    - leaving the block gives the model back as it was; :attr:`last` tells what the last call kept.

    Parameters
    ----------
    model
        A Hugging Face image-text model; of a kind among :data:`otanalysis.vlm.families.FAMILIES` it is known
        where patches lie, of others it is not.
    selector : str or Selector
        Name of a method, ``"full"`` for all tokens, or a selector of one's own. What it needs of the image
        encoder's attention is taken in the model's own pass, see :mod:`otanalysis.vlm.attention`.
    ratio : float, optional
        Share of the tokens of each image to keep, in ``(0, 1]``.
    keep : int, optional
        Number of tokens of each image to keep; images with fewer keep all. Exactly one of both is needed,
        none with ``"full"``.
    gamma, gamma_of, normalise
        Parameters of otprune and otprune-paper, as for :func:`~otanalysis.selection.registry.select`; a
        selector of one's own is used as it is.
    seed : int
        For methods that draw at random; every image draws anew.
    positions : {"renumbered", "original"}
        Whether kept tokens and the words behind them are numbered from 0 as in LLaVA's code, or keep the
        numbers of the whole prompt. Models with grid positions (Qwen2-VL, Qwen2.5-VL) keep rows and columns
        always.
    newlines : {"keep", "drop"}
        What becomes of rows that mark the end of a grid row (LLaVA-NeXT, LLaVA-OneVision) when tokens are
        dropped. They are never chosen from and do not count for ``ratio``.
    pictures : sequence of Picture, optional
        What is known of the pictures of every call, so that :attr:`last` tells where kept tokens lie in them.
    check : bool
        Prove on the first call, once in a process for every kind of model, that with all tokens kept nothing
        changes and that dropping tokens is masking them, see :mod:`otanalysis.vlm.check.proof`. Four more
        calls of the model; ``False`` for those who know.

    Attributes
    ----------
    last : PrunedCall or None
        What the last call with images kept.
    images, tokens, kept : int
        Images, visual tokens and kept ones so far, over all calls.

    Raises
    ------
    InputError
        An argument is out of range, the model hands out no visual tokens, or its image encoder has not what
        the method needs; in a call, if something cannot be pruned, or the model's code does not hand on what
        it is handed (see :mod:`otanalysis.vlm.handover`).
    MissingDependencyError
        torch or transformers is missing or too old.

    Examples
    --------
    >>> import numpy as np
    >>> from PIL import Image
    >>> from otanalysis.mini.bundled import bundled_model_path
    >>> from otanalysis.vlm import Pruned, load_model
    >>> vlm = load_model(bundled_model_path())
    >>> picture = Image.fromarray(np.zeros((192, 192, 3), np.uint8))
    >>> inputs = vlm.processor(images=picture, text="<image> is there a 7 ?", return_tensors="pt")
    >>> with Pruned(vlm.model, "otprune", ratio=0.098) as pruned:
    ...     answer = vlm.model.generate(**inputs, max_new_tokens=3)
    >>> print(pruned.last)
    62 of 582 places of the prompt, positions renumbered
      prompt 0, image 0: 56 of 576 tokens kept by otprune
    >>> pruned.last.images[0].indices.shape
    torch.Size([56])
    """

    def __init__(
        self,
        model: Any,
        selector: str | Selector = "otprune",
        *,
        ratio: float | None = None,
        keep: int | None = None,
        gamma: float = RELEASED_GAMMA,
        gamma_of: GammaOf = "released",
        normalise: Normalisation = "columns",
        seed: int = 0,
        positions: Positions = "renumbered",
        newlines: Literal["keep", "drop"] = "keep",
        pictures: Sequence[Picture | None] | None = None,
        check: bool = True,
    ) -> None:
        if positions not in get_args(Positions):
            raise InputError(f"positions must be 'renumbered' or 'original'; got {positions!r}.")
        if newlines not in ("keep", "drop"):
            raise InputError(f"newlines must be 'keep' or 'drop'; got {newlines!r}.")
        self.model = getattr(model, "model", model) if hasattr(model, "processor") else model
        family_of(self.model)
        require_takes_features(self.model)
        self._chooser = TokenChooser(
            _built(selector, gamma=gamma, gamma_of=gamma_of, normalise=normalise),
            ratio=ratio,
            keep=keep,
            seed=seed,
            keep_newlines=newlines == "keep",
        )
        check_attention(self.model, self._chooser.needs)
        self._positions = positions
        self._pictures = pictures
        self._check = check
        self._originals: dict[str, Callable[..., Any]] = {}
        self._replaced: dict[str, Any] = {}
        self._rope_deltas: Any = None
        self._watched: set[tuple[str, bool]] = set()
        self.last: PrunedCall | None = None
        self.images = self.tokens = self.kept = 0

    def __enter__(self) -> Self:
        """Take over the model's ``forward`` and ``generate``."""
        if getattr(self.model.forward, "__otanalysis_pruned__", False):
            raise InputError("The model is pruned already: leave the first with block before the next.")
        self._rope_deltas = getattr(self.model.base_model, "rope_deltas", None)
        for name, wrapper in (("forward", self._forward), ("generate", self._generate)):
            original = getattr(self.model, name)
            self._originals[name] = original
            if name in vars(self.model):
                self._replaced[name] = original
            # A partial takes attributes, which a bound method does not.
            wrapped = functools.wraps(original)(functools.partial(wrapper))
            wrapped.__otanalysis_pruned__ = True  # type: ignore[attr-defined]
            setattr(self.model, name, wrapped)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the model back as it was."""
        for name in self._originals:
            delattr(self.model, name)
            if name in self._replaced:
                setattr(self.model, name, self._replaced[name])
        self._originals, self._replaced = {}, {}
        if has_grid_positions(self.model):
            self.model.base_model.rope_deltas = self._rope_deltas

    def _forward(self, *args: Any, **inputs: Any) -> Any:
        call = _named(type(self.model).forward, args, inputs)
        if not _has_images(call):
            return self._originals["forward"](**call)
        short, features = self._prune(call, side="right", generating=False)
        with self._watching("forward", short, features):
            return self._originals["forward"](**short)

    def _generate(self, *args: Any, **inputs: Any) -> Any:
        import torch

        call = _named(type(self.model).generate, args, inputs)
        if call.get("inputs") is not None and call.get("input_ids") is None:
            call["input_ids"] = call.pop("inputs")
        if not _has_images(call):
            return self._originals["generate"](**call)
        with torch.no_grad():
            short, features = self._prune(call, side="left", generating=True)
        ids, mask = call["input_ids"], call.get("attention_mask")
        whole = WholePrompts(ids, mask, length=short["input_ids"].shape[1])
        with self._watching("generate", short, features), whole.ruling(self.model):
            result = self._originals["generate"](**short)
        if isinstance(result, torch.Tensor):
            return whole.restored(result)
        result.sequences = whole.restored(result.sequences)
        return result

    @contextmanager
    def _watching(self, route: str, short: dict[str, Any], features: list[torch.Tensor]) -> Iterator[None]:
        """See to it that what is handed over arrives: once a route, without and with positions."""
        kind = (route, short.get("position_ids") is not None)
        if kind in self._watched:
            yield
            return
        with seen_by_the_language_model(self.model, short, features):
            yield
        self._watched.add(kind)

    def _prune(
        self, inputs: Mapping[str, Any], *, side: Side, generating: bool
    ) -> tuple[dict[str, Any], list[torch.Tensor]]:
        """Return the inputs of a call that sees the kept tokens instead of the pictures, and these tokens."""
        require_prunable(self.model, inputs, generating=generating)
        if self._check:
            require_proof(self.model, inputs, self._originals["forward"])
        encoded = encode_images(self.model, inputs, pictures=self._pictures, side=self._chooser.needs)
        kept = self._chooser.choose(encoded.images)
        short, features = kept_call(
            self.model,
            inputs,
            encoded,
            [(own.stays, own.rows) for own in kept],
            positions=self._positions,
            side=side,
            generating=generating,
        )
        grid = has_grid_positions(self.model)
        if grid and any(own.dropped for own in kept):
            longest = short["position_ids"][-3:].amax(dim=(0, 2)) + 1 - short["attention_mask"].sum(dim=1)
            self.model.base_model.rope_deltas = longest[:, None]
        ids, kind = inputs["input_ids"], "grid" if grid else self._positions
        self.last = PrunedCall(tuple(kept), ids.shape[1], short["input_ids"].shape[1], kind)
        self.images += len(kept)
        self.tokens += sum(own.m for own in kept)
        self.kept += sum(own.keep for own in kept)
        return short, features


def _built(selector: str | Selector, **parameters: Any) -> Selector | None:
    """Return the selector of a name, with those of the parameters that it has; None for all tokens."""
    if selector == FULL:
        return None
    if isinstance(selector, str) and selector not in SELECTORS:
        raise InputError(f"Unknown method {selector!r}; known are {FULL}, {', '.join(SELECTORS)}.")
    return configured(selector, **parameters)


def _named(method: Callable[..., Any], args: Sequence[Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call of a class's method by name; the names may be any for ``**inputs``."""
    _, *names = parameters_of(method)
    return {**dict(zip(names, args, strict=False)), **inputs}


def _has_images(call: Mapping[str, Any]) -> bool:
    return call.get("pixel_values") is not None
