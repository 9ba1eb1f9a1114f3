"""Check a loaded model from all sides: whether pruning it would be right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cached_property
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from otanalysis.defaults import FULL
from otanalysis.errors import InputError
from otanalysis.vlm.check.compare import difference, multiplied_in, rounding_of
from otanalysis.vlm.check.prompts import made_up_picture, parts_of, prepare
from otanalysis.vlm.check.proof import Proof, not_maskable
from otanalysis.vlm.check.report import ALL_KEPT, DROPPING, Finding, ModelReport, NotCheckableError, found
from otanalysis.vlm.check.routes import Routes, at_rest, states_of
from otanalysis.vlm.check.steps import (
    renumbered,
    steps_behind_a_mask,
    steps_without_the_cache,
    written,
    written_with_logits,
)
from otanalysis.vlm.families import base_of, family_of
from otanalysis.vlm.handover import decoder_of
from otanalysis.vlm.kept_call import Positions
from otanalysis.vlm.layout import Picture
from otanalysis.vlm.model import VisionLanguageModel
from otanalysis.vlm.pruned import Pruned

if TYPE_CHECKING:
    import torch


def check_model(vlm: VisionLanguageModel, picture: NDArray[np.uint8] | None = None) -> ModelReport:
    """Check whether a model can be pruned rightly, by what it does: nothing is looked up by its name.

    ===  ==================================================================================================
    a    the visual tokens are those that the model hands its own language model; in a batch those of alone
    b    with all tokens kept, logits and greedy generation are bit for bit those of the unpruned model
    c    dropping tokens is masking them: words have the logits that they have in the whole prompt, at the
         same positions, where the dropped placeholders are masked out of the attention
    d    the same in a batch with padding on the left and several pictures, and step by step with the cache
    e    leaving :class:`~otanalysis.vlm.pruned.Pruned` gives the model back as it was
    ===  ==================================================================================================

    Parameters
    ----------
    vlm
        The model.
    picture : ndarray, shape ``[h, w, 3]``, uint8, optional
        What it is checked on, whole and in halves; one that is made up otherwise.

    Returns
    -------
    ModelReport

    Raises
    ------
    MissingDependencyError
        torch or transformers is missing or too old.

    Examples
    --------
    >>> from otanalysis.mini import bundled_model_path
    >>> from otanalysis.vlm import check_model, load_model
    >>> report = check_model(load_model(bundled_model_path()))
    >>> report.passed, [finding.check[0] for finding in report.findings]
    (True, ['a', 'a', 'b', 'b', 'c', 'd', 'd', 'e'])
    """
    import transformers

    start = perf_counter()
    checks = _Checks(vlm, parts_of(made_up_picture() if picture is None else picture))
    notes: list[str] = []
    with at_rest(vlm.model):
        findings = tuple(found(name, check) for name, check in checks.by_name().items())
        with suppress(Exception):  # of a model that cannot even be called the findings say so
            notes.extend(checks.notes())
    config = vlm.model.config
    return ModelReport(
        model=type(vlm.model).__name__,
        kind=str(config.model_type),
        transformers=transformers.__version__,
        attention=str(config.get_text_config()._attn_implementation),
        dtype=str(vlm.model.dtype).removeprefix("torch."),
        device=str(vlm.model.device),
        findings=findings,
        notes=tuple(notes),
        seconds=perf_counter() - start,
    )


class _Checks:
    """The checks of one model; what several of them need is made once."""

    def __init__(self, vlm: VisionLanguageModel, pictures: list[NDArray[np.uint8]]) -> None:
        self._vlm, self._model, self._pictures = vlm, vlm.model, pictures
        self._refused: str | None = None

    def by_name(self) -> dict[str, Callable[[str], Finding]]:
        """Return every check by its letter and name."""
        return {
            "a tokens are the model's own": self._own_tokens,
            "a tokens in a batch": self._tokens_in_a_batch,
            ALL_KEPT: lambda name: self._alone.all_kept(name),
            "b all kept, generation": self._generation,
            DROPPING: lambda name: self._alone.dropping(name),
            "d dropping in a batch": self._dropping_in_a_batch,
            "d dropping with the cache": self._dropping_with_the_cache,
            "e leaving restores": self._leaving,
        }

    def notes(self) -> Iterator[str]:
        """Say what is known of the visual tokens besides."""
        images = [proof.encoded.images[0] for proof in self._each]
        counts = ", ".join(str(len(image.patches)) for image in images)
        known = "known" if all(image.boxes is not None for image in images) else "not known"
        yield f"Visual tokens of the pictures: {counts}; where they lie is {known}."
        if self._refused is not None:
            yield self._refused
        because = not_maskable(self._model)
        if because is not None:
            yield f"Masking is no control of dropping here: {because}."
        with self._alone.routes.wide_windows() as narrow:
            for name in narrow:
                yield (
                    f"{name} is shorter than the prompt: words see farther back when tokens between are "
                    "dropped; c and d were checked with windows as long as the prompt."
                )
        if _see_ahead(self._alone):
            yield (
                "Visual tokens attend to later ones as well, so that dropping some changes the states of the "
                "kept ones before them."
            )

    def _rounding(self, dtype: torch.dtype) -> float:
        return rounding_of(multiplied_in(self._model, dtype))

    @cached_property
    def _each(self) -> list[Proof]:
        """One prompt for each picture."""
        return [self._proof([one]) for one in self._pictures]

    @property
    def _alone(self) -> Proof:
        return self._each[0]

    @cached_property
    def _batch(self) -> Proof:
        """A prompt with one picture and one with two, of different lengths, so that one is padded."""
        return self._proof(self._pictures[:1], self._pictures[1:])

    def _proof(self, *prompts: list[NDArray[np.uint8]]) -> Proof:
        family_of(self._model)  # first, as a model that hands out no tokens may want other inputs too
        sizes = [picture.shape[:2] for own in prompts for picture in own]
        known = [Picture.through(self._vlm.processor, height, width) for height, width in sizes]
        return Proof.of(Routes(self._model, prepare(self._vlm, prompts)), known)

    def _own_tokens(self, name: str) -> Finding:
        """Compare the encoded tokens with what the language model gets of the unpruned prompt, by bits."""
        if all(_are_one(proof.encoded.images[0].features) for proof in self._each):
            raise NotCheckableError(
                "all visual tokens of a picture are the same, so that none can be told apart"
            )
        apart = max(difference(proof.encoded.images[0].features, _given(proof)[0]) for proof in self._each)
        return Finding.of(name, apart, 0.0, "every picture's tokens are those that the language model gets")

    def _tokens_in_a_batch(self, name: str) -> Finding:
        """Compare what the language model gets of a picture in a batch with its tokens alone."""
        together = self._proof(*([one] for one in self._pictures))
        pairs = zip(_given(together), self._each, strict=True)
        apart = max(difference(got, proof.encoded.images[0].features) for got, proof in pairs)
        allowed = self._rounding(self._model.dtype)
        return Finding.of(name, apart, allowed, "in a batch they are those of alone")

    def _generation(self, name: str) -> Finding:
        """Compare greedy generation with all tokens kept with that of the unpruned model, by bits."""
        routes = [self._alone.routes, self._batch.routes]
        whole = [written(one) for one in routes]
        with Pruned(self._model, FULL, check=False):
            kept = [written(one) for one in routes]
        apart = max(map(difference, kept, whole))
        return Finding.of(name, apart, 0.0, "with all tokens kept the same is written, alone and in a batch")

    def _dropping_in_a_batch(self, name: str) -> Finding:
        if bool(self._batch.routes.prompts["attention_mask"][:, 0].all()):
            raise NotCheckableError("its processor padded no prompt on the left")
        return self._batch.dropping(name)

    def _dropping_with_the_cache(self, name: str) -> Finding:
        """Compare what is written step by step from kept tokens with the same tokens by another route.

        Some classes take no positions while they write, so that ``Pruned`` refuses original ones; then kept
        tokens are renumbered, as they are unless something else is asked for.
        """
        try:
            return self._steps(name, "original")
        except InputError as refused:
            finding = self._steps(name, "renumbered")
            self._refused = f"Original positions are refused while generating: {refused}"
            return finding

    def _steps(self, name: str, positions: Positions) -> Finding:
        routes, because = self._batch.routes, not_maskable(self._model)
        with routes.wide_windows():
            with Pruned(self._model, "uniform", ratio=0.5, positions=positions, check=False) as pruned:
                tokens, got = written_with_logits(routes)
                kept = pruned.last.images if pruned.last is not None else ()
                if because is not None:
                    how = f"{because}, so against a call without the cache"
                    wanted = steps_without_the_cache(routes, tokens)
            if because is None:
                how = f"every new token has the logits of the masked prompt, positions {positions}"
                stays = self._batch.stays([image.stays for image in kept])
                whole = routes.run().positions
                places = whole if positions == "original" else renumbered(routes, stays)
                wanted = steps_behind_a_mask(routes, places, stays, tokens)
        return Finding.of(name, difference(got, wanted), self._rounding(wanted.dtype), how)

    def _leaving(self, name: str) -> Finding:
        """Compare attributes and logits of the model before a pruned call, one of which fails, and after."""
        before = _attributes(self._model)
        with suppress(_OnPurposeError), Pruned(self._model, "uniform", ratio=0.5, check=False):
            self._model(**self._alone.routes.prompts)
            raise _OnPurposeError
        after = _attributes(self._model)
        changed = sorted(one for one in before | after if before.get(one) is not after.get(one))
        if changed:
            return Finding(name, "failed", f"other after leaving: {', '.join(changed)}")
        apart = difference(self._alone.routes.run().logits, self._alone.whole.logits)
        return Finding.of(name, apart, 0.0, "after leaving, also by an error, the model is as it was")


class _OnPurposeError(Exception):
    """Leaves a block in the way of an error."""


def _attributes(model: Any) -> dict[str, Any]:
    """Return what hangs on a model, its base and its language model, by name."""
    found: dict[str, Any] = {}
    for part in (model, base_of(model), decoder_of(model)):
        hooks = {**part._forward_pre_hooks, **part._forward_hooks}
        own = {**vars(part), **{f"hook {key}": hook for key, hook in hooks.items()}}
        found |= {f"{type(part).__name__}.{name}": value for name, value in own.items()}
    return found


def _given(proof: Proof) -> list[torch.Tensor]:
    """Return what the language model got at the placeholders of each image."""
    embeddings = proof.encoded.family.seen(proof.whole.given)
    return [embeddings[image.prompt, image.places.to(embeddings.device)] for image in proof.encoded.images]


def _are_one(features: torch.Tensor) -> bool:
    """Tell whether there are several rows, and all are the same."""
    return len(features) > 1 and difference(features, features[:1].expand_as(features)) == 0.0


def _see_ahead(proof: Proof) -> bool:
    """Tell whether the first visual token of a picture hears of the last."""
    import torch

    given, places = dict(proof.whole.given), proof.encoded.images[0].places
    embeddings = given["inputs_embeds"].clone()
    embeddings[0, places[-1]] = embeddings[0, 0]
    states = states_of(decoder_of(proof.routes.model)(**{**given, "inputs_embeds": embeddings}))
    return not torch.equal(states[0, places[0]], proof.whole.states[0, places[0]])
