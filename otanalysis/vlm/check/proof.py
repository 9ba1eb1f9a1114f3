"""The two checks that every new kind of model must pass first: all kept is unpruned, dropping is masking.

They run on the first call's own prompts, by four more calls of the model, and are remembered in the process:
the same classes with the same layers, attention and transformers need no second proof.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from otanalysis.errors import InputError
from otanalysis.vlm.check.compare import difference, multiplied_in, rounding_of
from otanalysis.vlm.check.report import ALL_KEPT, DROPPING, Finding, NotCheckableError
from otanalysis.vlm.check.routes import RouteRun, Routes, at_rest
from otanalysis.vlm.encode import EncodedImages, encode_images
from otanalysis.vlm.families import base_of
from otanalysis.vlm.handover import decoder_of, named
from otanalysis.vlm.kept_call import kept_call
from otanalysis.vlm.layout import Picture
from otanalysis.vlm.shorten import shortened_places

if TYPE_CHECKING:
    import torch

_PROVEN: set[Hashable] = set()
"""The kinds of models that passed in this process."""

_BY_ATTENTION = {"full_attention", "sliding_attention", "chunked_attention"}
"""Layers in which tokens meet by attention alone."""


class TellsNothingError(NotCheckableError):
    """These prompts cannot tell right from wrong: dropping tokens changes nothing in them."""


def require_proof(model: Any, inputs: Mapping[str, Any], forward: Callable[..., Any]) -> None:
    """Prove once for every kind of model that pruning is right on it; refuse it otherwise.

    Parameters
    ----------
    model
        A Hugging Face image-text model.
    inputs
        The arguments of its first call with pictures.
    forward : callable
        Its own ``forward``.

    Raises
    ------
    InputError
        A check failed, or could not be made; the message says which, and by how much.

    Notes
    -----
    A prompt in which dropping tokens changes nothing (a picture of one token) proves nothing: the call goes
    on, watched by :mod:`otanalysis.vlm.handover`, and the next one is taken for the proof.
    """
    kind = _kind_of(model)
    if kind in _PROVEN:
        return
    with at_rest(model):
        proof = Proof.of(Routes(model, inputs, forward))
        for check in (proof.all_kept, proof.dropping):
            try:
                finding = check()
            except TellsNothingError:
                return
            except NotCheckableError as reason:
                finding = Finding(DROPPING, "not checkable", str(reason))
            if finding.verdict != "passed":
                raise InputError(
                    f"{named(model)} is not known to be pruned rightly. {finding}. Numbers might be wrong in "
                    "silence: see all checks with otanalysis check-model, or go on with Pruned(check=False)."
                )
    _PROVEN.add(kind)


def _kind_of(model: Any) -> Hashable:
    """Return what a proof holds for: classes, kinds of layers and attention, version of transformers."""
    import transformers

    configs = (model.config, model.config.get_text_config(), getattr(model.config, "vision_config", None))
    attention = tuple(getattr(one, "_attn_implementation", None) for one in configs)
    classes = (type(model), type(base_of(model)), type(decoder_of(model)))
    return (*classes, _layers_of(model), attention, transformers.__version__)


def _layers_of(model: Any) -> frozenset[str]:
    return frozenset(getattr(model.config.get_text_config(), "layer_types", None) or ())


@dataclass(frozen=True, eq=False)
class Proof:
    """Prompts, what the unpruned model makes of them, and the two checks.

    Attributes
    ----------
    routes : Routes
        The prompts and the model.
    encoded : EncodedImages
        Their visual tokens, as :class:`~otanalysis.vlm.pruned.Pruned` encodes them.
    whole : RouteRun
        The call of the unpruned model.
    """

    routes: Routes
    encoded: EncodedImages
    whole: RouteRun

    @classmethod
    def of(cls, routes: Routes, pictures: Sequence[Picture] | None = None) -> Proof:
        """Encode the prompts' images, and call the unpruned model.

        Parameters
        ----------
        routes : Routes
            The prompts and the model.
        pictures : sequence of Picture, optional
            What is known of their pictures.
        """
        return cls(routes, encode_images(routes.model, routes.prompts, pictures=pictures), routes.run())

    def all_kept(self, name: str = ALL_KEPT) -> Finding:
        """Check that with all tokens kept the logits are those of the unpruned model, bit for bit.

        Parameters
        ----------
        name : str
            Letter and name of the check.
        """
        import torch

        rows = [
            torch.arange(len(image.features), device=image.features.device) for image in self.encoded.images
        ]
        kept = self._handed([(torch.ones_like(own, dtype=torch.bool), own) for own in rows])
        apart = difference(kept.logits, self.whole.logits)
        return Finding.of(name, apart, 0.0, "with all tokens kept the logits are those of the unpruned model")

    def dropping(self, name: str = DROPPING) -> Finding:
        """Check that dropping tokens is masking them, at the same positions.

        Every second row of every image is dropped. Where tokens meet by other ways than attention, masking is
        another thing, and the language model is called by hand on what is kept. Windows count places, which
        dropping brings together: they are as long as the prompt here.

        Parameters
        ----------
        name : str
            Letter and name of the check.

        Raises
        ------
        TellsNothingError
            Dropping tokens changes nothing in these prompts.
        NotCheckableError
            The model can neither be masked nor called by hand.
        """
        routes, because = self.routes, not_maskable(self.routes.model)
        kept = [_every_second(len(image.features), image.features.device) for image in self.encoded.images]
        stays = self.stays([own for own, _ in kept])
        index, real = shortened_places(routes.prompts, stays, side="right")
        rows, columns = (real & self._looked_at(stays).gather(1, index)).nonzero(as_tuple=True)
        places = index[rows, columns]
        with routes.wide_windows() as widened:
            whole = routes.run() if widened else self.whole
            dropped = self._handed(kept)
            if because is None:
                how = "words have the logits that they have where the dropped tokens are masked out"
                wanted = routes.masked(whole.positions, stays).logits[rows, places]
                got, unpruned = dropped.logits[rows, columns], whole.logits[rows, places]
            else:
                how = f"{because}, so against the language model called by hand on what is kept"
                wanted = routes.cut(whole, index, real)[rows, columns]
                got, unpruned = dropped.states[rows, columns], whole.states[rows, places]
        allowed = rounding_of(multiplied_in(routes.model, wanted.dtype))
        if difference(unpruned, wanted) <= allowed:
            raise TellsNothingError("dropping every second visual token changes nothing in this prompt")
        return Finding.of(name, difference(got, wanted), allowed, how)

    def _handed(self, kept: list[tuple[torch.Tensor, torch.Tensor]]) -> RouteRun:
        """Call the model with the kept rows alone, at the positions of the whole prompts."""
        model, prompts = self.routes.model, self.routes.prompts
        encoded = replace(self.encoded, output=copy.copy(self.encoded.output))
        options = {"positions": "original", "side": "right", "generating": False}
        return self.routes.call(kept_call(model, prompts, encoded, kept, **options)[0])  # type: ignore[arg-type]

    def stays(self, own: list[torch.Tensor]) -> torch.Tensor:
        """Return which places of the prompts stay, bool ``[B, L]``.

        Parameters
        ----------
        own : list of torch.Tensor, bool, shape ``[n]``
            Which rows of each image stay.
        """
        import torch

        stays = torch.ones_like(self.routes.prompts["input_ids"], dtype=torch.bool)
        for image, mine in zip(self.encoded.images, own, strict=True):
            stays[image.prompt, image.places] = mine.to(stays.device)
        return stays

    def _looked_at(self, stays: torch.Tensor) -> torch.Tensor:
        """Return the words [B, L] behind what is dropped; where there are none, the tokens that stay."""
        behind = (~stays).cumsum(dim=1) > 0
        words = self.routes.words & behind
        return words if bool(words.any()) else stays & behind


def _every_second(count: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return which rows stay, and the same by number."""
    import torch

    rows = torch.arange(count, device=device)
    return rows % 2 == 0, rows[::2]


def not_maskable(model: Any) -> str | None:
    """Say why tokens that are masked out of the attention would still count; None where they do not."""
    others = _layers_of(model) - _BY_ATTENTION
    return f"tokens meet in {', '.join(sorted(others))} too" if others else None
